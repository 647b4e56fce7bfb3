"""The registry holds all 104 devices; a token finds its device again."""

from __future__ import annotations

import pytest

from dsmil.events import devices
from dsmil.events.devices import CONFIG, DATA, STATUS


def test_row_09_every_id_round_trips_and_the_layers_count_right() -> None:
    for device in range(104):
        for offset in (STATUS, CONFIG, DATA):
            found, at = devices.from_token(devices.token(device, offset))
            assert (found.id, at) == (device, offset)
    assert devices.token(0) == 0x8000
    assert devices.token(103, DATA) == 0x8137
    assert [len(devices.of_layer(layer)) for layer in range(2, 10)] == [1, 8, 8, 6, 6, 8, 8, 4]


@pytest.mark.parametrize(("device", "value"), [(15, 0x802D), (52, 0x809C), (83, 0x80F9), (103, 0x8135)])
def test_the_settled_tokens(device: int, value: int) -> None:
    assert devices.token(device) == value
    assert devices.DEVICES[device].tokens[0] == value


def test_clearance_is_the_layer_four_times() -> None:
    assert devices.DEVICES[52].clearance == 0x08080808
    assert devices.DEVICES[59].clearance == 0x09090909


@pytest.mark.parametrize("device", [-1, 104])
def test_outside_the_range_is_refused(device: int) -> None:
    with pytest.raises(ValueError, match="0..103"):
        devices.token(device)
    with pytest.raises(ValueError, match="outside"):
        devices.from_token(0x8000 + 3 * device)
