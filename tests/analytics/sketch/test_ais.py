"""Ships, aircraft, stations and aids become nodes at their place; what is not known stays unnamed."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from dsmil.events.ais import Aton, Base, Position, Safety, Static


def at(mmsi: int, msg_type: int = 1, **more: Any) -> Position:
    return Position(mmsi=mmsi, msg_type=msg_type, **more)


def test_a_ship_has_its_place_course_and_number(drawing: Any) -> None:
    said = at(
        211000001, lat=54.0, lon=10.0, sog_kn=0.0, cog_deg=90.5, heading_deg=91, nav_status=0, rot_deg_min=-3.0
    )
    patch = drawing.patches(drawing.event("ais.position", said))["vessel:211000001"]
    assert (patch.kind, patch.position, patch.labels) == ("vessel", (54.0, 10.0), {"mmsi": "211000001"})
    assert patch.metadata == {
        "sog_kn": 0.0, "cog_deg": 90.5, "heading_deg": 91.0, "nav_status": 0, "rot_deg_min": -3.0,
    }  # fmt: skip
    assert patch.frequency is UNSET


@pytest.mark.parametrize(("lat", "lon"), [(None, 10.0), (54.0, None), (None, None), (91.0, 10.0), (54.0, 181.0)])
def test_row_40_a_place_not_available_leaves_the_ship_where_it_was(
    drawing: Any, lat: float | None, lon: float | None
) -> None:
    drawing.fold(drawing.event("ais.position", at(1, lat=54.0, lon=10.0, sog_kn=9.0)))
    graph = drawing.fold(drawing.event("ais.position", at(1, lat=lat, lon=lon), 10.0))
    assert graph.nodes["vessel:1"].position == (54.0, 10.0)
    assert graph.nodes["vessel:1"].metadata["sog_kn"] == 9.0


def test_the_greenwich_equator_is_a_place(drawing: Any) -> None:
    graph = drawing.fold(drawing.event("ais.position", at(1, lat=0.0, lon=0.0)))
    assert graph.nodes["vessel:1"].position == (0.0, 0.0)


def test_static_facts_name_the_ship(drawing: Any) -> None:
    said = Static(mmsi=211, msg_type=5, imo=9000001, callsign="DABC", name="ANNA", ship_type=70, draught_m=6.1)
    graph = drawing.fold(drawing.event("ais.static", said))
    node = graph.nodes["vessel:211"]
    assert node.labels == {
        "mmsi": "211", "imo": "9000001", "callsign": "DABC", "name": "ANNA", "ship_type": 70,
    }  # fmt: skip
    assert node.position is None and node.metadata == {"draught_m": 6.1}


def test_half_a_static_report_takes_nothing_away(drawing: Any) -> None:
    drawing.fold(drawing.event("ais.static", Static(mmsi=211, msg_type=24, name="ANNA", part="A")))
    graph = drawing.fold(
        drawing.event("ais.static", Static(mmsi=211, msg_type=24, callsign="DABC", part="B"), 1.0)
    )
    assert graph.nodes["vessel:211"].labels == {"mmsi": "211", "name": "ANNA", "callsign": "DABC"}


def test_stations_and_aids_are_no_ships(drawing: Any) -> None:
    graph = drawing.fold(
        drawing.event("ais.base", Base(mmsi=2111, msg_type=4, lat=54.0, lon=10.0)),
        drawing.event("ais.aton", Aton(mmsi=992111, msg_type=21, name="BUOY", lat=54.1, lon=10.1, virtual=True)),
        drawing.event("ais.safety", Safety(mmsi=5, msg_type=14, text="HELLO")),
    )
    assert {(node.id, node.kind, node.position) for node in graph.nodes.values()} == {
        ("base:2111", "base_station", (54.0, 10.0)), ("aton:992111", "aton", (54.1, 10.1)),
    }  # fmt: skip
    assert graph.nodes["aton:992111"].metadata == {"virtual": True}


@pytest.mark.parametrize("ship_first", [True, False])
@pytest.mark.parametrize("together", [True, False])
def test_an_aircraft_yields_its_kind_to_a_ship_of_its_number(
    drawing: Any, *, ship_first: bool, together: bool
) -> None:
    plane = drawing.event("ais.position", at(111, 9, lat=54.0, lon=10.0, alt_m=300.0), 5.0)
    alone = drawing.event("ais.position", at(112, 9, lat=54.0, lon=10.0, alt_m=300.0), 5.0, source="other")
    ship = drawing.event("ais.static", Static(mmsi=111, msg_type=5, name="X"), 4.0, source="third")
    events = [ship, plane] if ship_first else [plane, ship]
    drawing.fold(alone)
    if together:
        drawing.fold(*events)
    else:
        for event in events:
            drawing.fold(event)
    kinds = {node.id: node.kind for node in drawing.graph.nodes.values()}
    assert kinds == {"vessel:111": "vessel", "vessel:112": "aircraft"}
    node = drawing.graph.nodes["vessel:111"]
    assert node.position == (54.0, 10.0, 300.0) and node.created_at == ship.ts and node.updated_at == plane.ts
