"""A call for help is told once, at once, as CRITICAL; a test of the device is LOW."""

from __future__ import annotations

from typing import Any

import pytest

from dsmil.events import ais

SART, SHIP = 970_010_119, 244_660_584


@pytest.mark.parametrize(
    ("mmsi", "device"), [(SART, "AIS-SART"), (972_010_119, "MOB"), (974_010_119, "EPIRB-AIS")]
)
def test_an_active_device(world: Any, decide: Any, mmsi: int, device: str) -> None:
    told = decide([world.at(mmsi, i * 60, 54.0, 10.0, nav_status=14, sog_kn=0.5) for i in range(10)])
    assert [name for name, _, _ in told] == ["ais.distress"]
    _, event, payload = told[0]
    assert event.severity == "CRITICAL" and event.source_device == 22 and payload.features["device"] == device
    assert payload.explanation == f"{device} {mmsi} signals distress (navigation status 14) at 54.0000, 10.0000."


def test_without_time_too(world: Any, names: Any) -> None:
    assert names([world.untimed(world.at(SART, 0, None, None, nav_status=14))]) == ["ais.distress"]


def test_a_test_is_low_and_does_not_hide_the_call(world: Any, decide: Any) -> None:
    events = [world.at(SART, i, 54.0, 10.0, nav_status=15) for i in range(5)]
    told = decide([*events, world.at(SART, 60, 54.0, 10.0, nav_status=14)])
    assert [(name, event.severity) for name, event, _ in told] == [
        ("ais.distress_test", "LOW"), ("ais.distress", "CRITICAL"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("mmsi", "text", "expected"),
    [
        (SART, "SART ACTIVE", ["ais.distress"]), (SART, "SART TEST", ["ais.distress_test"]),
        (972_000_001, "MOB TEST", ["ais.distress_test"]), (SHIP, "MOB ACTIVE", ["ais.distress"]),
        (SHIP, "SAIL RACE TODAY, KEEP CLEAR", []), (2_190_047, "TEST", []), (SHIP, "ACTIVE VOLCANO", []),
    ],
)  # fmt: skip
def test_message_14(world: Any, names: Any, mmsi: int, text: str, expected: list[str]) -> None:
    assert names([world.event("ais.safety", ais.Safety(mmsi=mmsi, msg_type=14, text=text), 0)]) == expected


def test_message_12_is_between_two(world: Any, names: Any) -> None:
    said = ais.Safety(mmsi=SART, msg_type=12, text="SART ACTIVE", dest_mmsi=SHIP)
    assert names([world.event("ais.safety", said, 0)]) == []


def test_a_ships_own_number_counts_where_its_status_changed(world: Any, names: Any) -> None:
    calling = [world.at(SHIP, 0, 54.0, 10.0, nav_status=0), world.at(SHIP, 10, 54.0, 10.0, nav_status=14)]
    assert names(calling) == ["ais.distress"]
    keyed_in_wrong = [world.at(SHIP, i * 10, 54.0, 10.0, nav_status=14, sog_kn=0.0) for i in range(10)]
    assert names(keyed_in_wrong) == []
    assert names([world.at(SHIP, i * 10, 54.0, 10.0, nav_status=15) for i in range(3)]) == []


def test_a_new_call_after_a_quiet_hour_is_told(world: Any, names: Any) -> None:
    events = [world.at(SART, at_s, 54.0, 10.0, nav_status=14) for at_s in (0, 60, 3000, 6700)]
    assert names(events) == ["ais.distress", "ais.distress"]
