"""An entry's event is the same to everybody, whatever fields somebody gave it."""

from __future__ import annotations

import pytest

from dsmil.fabric.field import data_of


@pytest.mark.parametrize(
    ("fields", "data"),
    [([b"event", b"1"], b"1"), ([b"x", b"0", b"event", b"1"], b"1"), ([b"event", b"1", b"event", b"2"], b"2"),
     ([b"x", b"1"], None), ([], None)],
)  # fmt: skip
def test_the_last_field_of_that_name_counts(fields: list[bytes], data: bytes | None) -> None:
    assert data_of(fields) == data
