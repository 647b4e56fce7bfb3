"""The latest decision is on its entity; links are edges that name the decision they come from, until undone."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from dsmil.analytics.sketch.decided import edge_id
from dsmil.events.ais import Position
from dsmil.events.envelope import unpack
from dsmil.events.graph import EDGE_DELETE, Patch
from dsmil.events.net import Flow

PAIR = ("rf:0011223344556677", "vessel:211")


def test_the_latest_decision_is_on_its_entity(drawing: Any) -> None:
    late = drawing.decision("ais.gone_dark", ("vessel:211",), 20.0, score=0.9)
    early = drawing.decision("ais.jump", ("vessel:211",), 10.0)
    graph = drawing.fold(made=[late, early])
    assert graph.nodes["vessel:211"].metadata == {
        "decision": "ais.gone_dark", "decision_score": 0.9, "decision_ts": late.ts, "decision_id": late.event_id,
    }  # fmt: skip


def test_a_decision_makes_no_ship_of_a_number_nobody_heard(drawing: Any) -> None:
    graph = drawing.fold(made=[drawing.decision("ais.distress", ("vessel:970",))])
    assert graph.nodes["vessel:970"].kind == "entity"
    graph = drawing.fold(made=[drawing.decision("source.gap", ("source:ais:udp:10110",))])
    assert graph.nodes["source:ais:udp:10110"].kind == "source"


def test_an_observation_and_its_decision_are_one_patch_that_names_both(drawing: Any) -> None:
    seen = drawing.event("ais.position", Position(mmsi=211, msg_type=1, lat=1.0, lon=2.0))
    made = drawing.decision("ais.jump", ("vessel:211",))
    (event,) = drawing.draw(seen, made=[made])
    assert event.refs == (seen.event_id, made.event_id)
    patch = unpack(event, Patch)
    assert patch.position == (1.0, 2.0) and patch.metadata["decision"] == "ais.jump"
    assert [row.source for row in patch.seen] == ["test:file", "l3"]


def test_row_44_a_link_is_a_hyperedge_with_its_score_terms_and_decision(drawing: Any) -> None:
    terms = {"term_movement": 0.9, "term_time": None, "mean_km": 0.4}
    link = drawing.decision("link.emitter_vessel", PAIR, score=0.85, features=terms)
    (edge,) = drawing.fold(made=[link]).edges.values()
    assert edge.id.startswith("he:link:") and edge.kind == "link.emitter_vessel"
    assert edge.nodes == PAIR and edge.weight == 0.85
    assert edge.metadata == {"term_movement": 0.9, "mean_km": 0.4, "event_id": link.event_id}


@pytest.mark.parametrize("together", [True, False])
def test_an_unlink_takes_the_edge_away_and_a_new_link_brings_it_back(drawing: Any, *, together: bool) -> None:
    link = drawing.decision("link.emitter_vessel", PAIR, 0.0)
    undone = drawing.decision("unlink.emitter_vessel", PAIR, 10.0)
    again = drawing.decision("link.emitter_vessel", PAIR, 20.0, score=0.9)
    if together:
        drawing.fold(made=[link, undone])
    else:
        drawing.fold(made=[link])
        drawing.fold(made=[undone])
    assert (
        not drawing.graph.edges and drawing.graph.nodes[PAIR[0]].metadata["decision"] == "unlink.emitter_vessel"
    )
    graph = drawing.fold(made=[undone, again])
    (edge,) = graph.edges.values()
    assert edge.weight == 0.9 and edge.id == edge_id("link.emitter_vessel", PAIR[::-1])


def test_a_deletion_names_nothing_but_the_edge(drawing: Any) -> None:
    undone = drawing.decision("unlink.emitter_vessel", PAIR)
    event = next(one for one in drawing.draw(made=[undone]) if one.kind == EDGE_DELETE)
    patch = unpack(event, Patch)
    assert (patch.nodes, patch.kind, patch.seen) == (UNSET, UNSET, ()) and event.refs == (undone.event_id,)


def test_ships_that_meet_are_an_edge(drawing: Any) -> None:
    pair = ("vessel:1", "vessel:2")
    graph = drawing.fold(
        made=[drawing.decision("ais.rendezvous", pair), drawing.decision("ais.cpa", pair, score=0.6)]
    )
    assert sorted((edge.kind, edge.weight, edge.nodes) for edge in graph.edges.values()) == [
        ("ais.cpa", 0.6, pair), ("ais.rendezvous", 0.8, pair),
    ]  # fmt: skip


def test_a_flow_is_an_edge_and_no_member_of_one(drawing: Any) -> None:
    seen = drawing.event("net.flow", Flow(flow_id="f", src_ip="10.0.0.1", dst_ip="10.0.0.2"))
    risk = drawing.decision("net.flow_risk", ("flow:f", "host:ip:10.0.0.1", "host:ip:10.0.0.2"))
    link = drawing.decision("link.host_service", ("host:ip:10.0.0.2", "svc:ssh", "flow:f", "host:ip:10.0.0.1"))
    graph = drawing.fold(seen, made=[risk, link])
    assert graph.edges["flow:f"].metadata["decision"] == "net.flow_risk"
    linked = graph.edges[
        edge_id("link.host_service", ("host:ip:10.0.0.2", "svc:ssh", "flow:f", "host:ip:10.0.0.1"))
    ]
    assert linked.nodes == ("host:ip:10.0.0.2", "svc:ssh", "host:ip:10.0.0.1")
    assert linked.metadata["flow"] == "flow:f" and "flow:f" not in graph.nodes


def test_a_decision_on_nobody_says_nothing(drawing: Any) -> None:
    assert drawing.draw(made=[drawing.decision("ais.jump", ())]) == []
