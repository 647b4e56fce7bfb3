"""What a ship calls itself may change; that is told once, and padding or case is no change."""

from __future__ import annotations

from typing import Any

import pytest

from dsmil.events import ais

SHIP = 244_660_584
FULL = {"name": "EVER GIVEN", "callsign": "H3RC", "imo": 9_811_000, "ship_type": 70}


def said(world: Any, at_s: float, **fields: Any) -> Any:
    mmsi = fields.pop("mmsi", SHIP)
    return world.event("ais.static", ais.Static(mmsi=mmsi, msg_type=5, **fields), at_s)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "NEVER GIVEN"}, "its name from EVER GIVEN to NEVER GIVEN"),
        ({"callsign": "PA1234"}, "its callsign from H3RC to PA1234"),
        ({"imo": 9_074_729}, "its IMO number from 9811000 to 9074729"),
        ({"ship_type": 30}, "its ship type from 70 to 30"),
    ],
)  # fmt: skip
def test_each_field(world: Any, decide: Any, change: dict[str, Any], words: str) -> None:
    told = decide([said(world, 0, **FULL), said(world, 360, **FULL | change), said(world, 720, **FULL | change)])
    assert [name for name, _, _ in told] == ["ais.identity_change"]
    _, event, payload = told[0]
    assert words in payload.explanation and event.severity == "MEDIUM" and len(event.refs) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"name": "ever  given  "}, {"name": "EVER-GIVEN@@@"}, {"name": None}, {"name": ""}, {"callsign": "H3 RC"},
        {"imo": 0}, {"imo": None}, {"ship_type": 0}, {"destination": "ROTTERDAM"}, {"draught_m": 9.1},
        {"eta": "12-24 10:00"}, {"dim_bow_m": 200},
    ],
)  # fmt: skip
def test_what_is_no_change(world: Any, names: Any, change: dict[str, Any]) -> None:
    assert names([said(world, 0, **FULL), said(world, 360, **FULL | change), said(world, 720, **FULL)]) == []


def test_several_fields_are_one_decision(world: Any, decide: Any) -> None:
    told = decide([said(world, 0, **FULL), said(world, 360, **FULL | {"name": "OTHER", "imo": 9_074_729})])
    assert len(told) == 1 and told[0][2].features["name_before"] == "EVER GIVEN"


def test_two_ships_taking_turns_do_not_flap(world: Any, names: Any) -> None:
    events = [said(world, i * 60, **FULL | ({"name": "OTHER"} if i % 2 else {})) for i in range(20)]
    assert names(events) == ["ais.identity_change"]


def test_parts_of_message_24_join(world: Any, names: Any) -> None:
    events = [
        said(world, 0, name="LITTLE BOAT"), said(world, 5, callsign="ABCD", ship_type=37),
        said(world, 100, name="LITTLE BOAT"), said(world, 105, callsign="ABCD", ship_type=37),
    ]  # fmt: skip
    assert names(events) == []


def test_time_does_not_matter(world: Any, names: Any) -> None:
    events = [said(world, 0, **FULL), said(world, 0, **FULL | {"name": "OTHER"})]
    assert names([world.untimed(event) for event in events]) == ["ais.identity_change"]
