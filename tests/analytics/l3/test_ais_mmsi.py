"""A position report from a number no ship can have is told once for each number."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("mmsi", "msg_type"),
    [
        (0, 1), (123_456_789, 1), (200_123_456, 3), (2_190_047, 1), (992_111_840, 1), (111_211_501, 1),
        (823_100_001, 18), (23_110_000, 2), (989_991_234, 18), (999_999_999, 27),
    ],
)  # fmt: skip
def test_wrong_numbers(world: Any, decide: Any, mmsi: int, msg_type: int) -> None:
    told = decide([world.at(mmsi, i * 10, 54.0, 10.0, msg_type=msg_type) for i in range(5)])
    assert [name for name, _, _ in told] == ["ais.bad_mmsi"]
    assert told[0][1].severity == "LOW" and f"{mmsi:09d}" in told[0][2].explanation


@pytest.mark.parametrize(
    ("mmsi", "msg_type"),
    [
        (244_660_584, 1),
        (366_000_001, 18),
        (982_111_234, 18),
        (111_211_501, 9),
        (970_010_119, 1),
        (638_000_123, 3),
    ],
)
def test_right_numbers(world: Any, names: Any, mmsi: int, msg_type: int) -> None:
    assert names([world.at(mmsi, 0, 54.0, 10.0, msg_type=msg_type, nav_status=0)]) in ([], ["ais.distress"])
    assert "ais.bad_mmsi" not in names([world.at(mmsi, 0, 54.0, 10.0, msg_type=msg_type)])
