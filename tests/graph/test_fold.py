"""A fold of any history is what the plainest model says, at its end, at every moment before it, and again."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings

from dsmil.events.enums import Category
from dsmil.events.envelope import Event, pack
from dsmil.events.graph import (
    EDGE_CREATE,
    EDGE_DELETE,
    EDGE_UPDATE,
    NODE_CREATE,
    NODE_DELETE,
    NODE_UPDATE,
    Patch,
    Seen,
)
from dsmil.graph.fold import apply, fold
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.state import restore, state_hash
from tests.graph.model import Model, shown, told
from tests.graph.worlds import HISTORIES

Step = tuple[str, Patch, float]


def event(kind: str, patch: Patch, ts: float = 100.0) -> Event:
    return Event(
        event_id=f"e{ts}", ts=ts, ingest_ts=ts, source_device=16, source_layer=3, source="l3",
        category=Category.INTEL, kind=kind, payload=pack(patch),
    )  # fmt: skip


def folded(steps: list[Step], graph: Hypergraph | None = None) -> Hypergraph:
    graph = graph or Hypergraph()
    for kind, patch, ts in steps:
        apply(graph, graph.sequence + 1, kind, patch, ts=ts, ingest_ts=float(graph.sequence + 1))
    return graph


def modelled(steps: list[Step]) -> Model:
    model = Model()
    for kind, patch, ts in steps:
        model.apply(kind, patch, ts)
    return model


@given(HISTORIES)
@settings(max_examples=300, deadline=None)
def test_row_18_any_history_equals_the_naive_model(steps: list[Step]) -> None:
    assert shown(folded(steps)) == told(len(steps), modelled(steps))


@given(HISTORIES)
@settings(max_examples=150, deadline=None)
def test_every_moment_can_be_seen_again(steps: list[Step]) -> None:
    graph, model = folded(steps), modelled(steps)
    for sequence in range(len(steps) + 1):
        past = graph.as_of(sequence)
        assert shown(past) == told(sequence, model)
        assert (past.sequence, len(past.nodes), len(past.edges)) == (
            sequence, len(model.history[sequence][0]), len(model.history[sequence][1]),
        )  # fmt: skip
        for node_id in past.nodes:
            assert set(past.memberships(node_id)) == {one for one in past.edges if node_id in past.members(one)}


@given(HISTORIES, HISTORIES)
@settings(max_examples=150, deadline=None)
def test_what_is_restored_goes_on_as_what_was_never_stopped(steps: list[Step], more: list[Step]) -> None:
    whole = folded(steps)
    again = Hypergraph()
    restore(
        again, sequence=whole.sequence, ts=whole.ts, epoch="e",
        nodes=list(whole.nodes.values()), edges=list(whole.edges.values()),
    )  # fmt: skip
    assert state_hash(folded(more, again)) == state_hash(folded(more, whole))
    assert again.counters.node_kinds == whole.counters.node_kinds
    assert again.counters.top_central(9) == whole.counters.top_central(9)


@given(HISTORIES)
@settings(max_examples=100, deadline=None)
def test_a_redelivery_changes_nothing(steps: list[Step]) -> None:
    graph = folded(steps)
    before, version = state_hash(graph), graph.version
    for number, (kind, patch, ts) in enumerate(steps, 1):
        assert not apply(graph, number, kind, patch, ts=ts, ingest_ts=0.0)
    assert (state_hash(graph), graph.version) == (before, version)


def test_row_28_of_two_observations_the_later_stands_and_provenance_is_merged() -> None:
    graph = Hypergraph()
    new = Patch(id="vessel:1", position=(54.0, 10.0), labels={"name": "A"}, seen=(Seen("udp", 100.0, 100.0),))
    old = Patch(id="vessel:1", position=(1.0, 1.0), labels={"callsign": "C"}, seen=(Seen("file", 50.0, 50.0),))
    assert fold(graph, 1, event(NODE_UPDATE, new, 100.0))
    assert fold(graph, 2, event(NODE_UPDATE, old, 50.0))
    node = graph.nodes["vessel:1"]
    assert node.position == (54.0, 10.0), "an old file never moves a ship back"
    assert node.labels == {"name": "A", "callsign": "C"}, "what was not known yet is taken from it all the same"
    assert [row.source for row in node.seen] == ["udp", "file"]
    assert (node.created_at, node.updated_at) == (50.0, 100.0)


def test_of_equal_times_the_one_further_down_the_stream_stands() -> None:
    graph = folded(
        [(NODE_UPDATE, Patch(id="a", labels={"x": 1}), 5.0), (NODE_UPDATE, Patch(id="a", labels={"x": 2}), 5.0)]
    )
    assert graph.nodes["a"].labels == {"x": 2}


def test_what_a_person_writes_stands_by_its_place_in_the_stream() -> None:
    steps = [
        (NODE_UPDATE, Patch(id="a", labels={"name": "seen"}), 100.0),
        (NODE_UPDATE, Patch(id="a", labels={"name": "said"}, by="op-1"), 50.0),
        (NODE_UPDATE, Patch(id="a", labels={"name": "old"}), 80.0),
    ]
    assert folded(steps).nodes["a"].labels == {"name": "said"}


def test_an_edge_to_an_unknown_id_makes_a_bare_node_and_a_weight_is_never_summed() -> None:
    edge = Patch(id="e", kind="rf_coherence", nodes=("rf:a", "rf:b"), weight=-60.0)
    graph = folded([(EDGE_CREATE, edge, 1.0), (EDGE_CREATE, edge, 2.0)])
    assert graph.edges["e"].weight == -60.0
    assert graph.nodes["rf:b"].kind == "entity"
    assert graph.nodes["rf:b"].labels == {}


def test_deleting_a_node_deletes_its_edges_under_one_number() -> None:
    graph = folded([
        (EDGE_CREATE, Patch(id="e", nodes=("a", "b", "c")), 1.0), (EDGE_CREATE, Patch(id="f", nodes=("b", "c")), 1.0),
        (NODE_DELETE, Patch(id="a"), 2.0),
    ])  # fmt: skip
    assert set(graph.edges) == {"f"}
    assert graph.sequence == 3
    assert graph.touched(2, 3) == ({"a"}, {"e"})
    assert "e" in graph.as_of(2).edges


def test_what_cannot_be_read_is_counted_and_its_number_spent() -> None:
    graph = Hypergraph()
    bad = [
        event("graph.nonsense", Patch(id="a")),
        event(NODE_CREATE, Patch(id="a", position=(91.0, 0.0))),
        event(EDGE_UPDATE, Patch(id="e", weight=1.0)),
        msgspec.structs.replace(event(NODE_CREATE, Patch(id="a")), payload=msgspec.Raw(b'{"id": 7}')),
    ]
    for number, one in enumerate(bad, 1):
        assert not fold(graph, number, one)
    assert (graph.sequence, graph.refused, len(graph.nodes), len(graph.edges)) == (4, 4, 0, 0)
    assert fold(graph, 9, event(EDGE_DELETE, Patch(id="never"))), "numbers may jump after a loss"


def test_an_edge_may_change_its_members() -> None:
    graph = folded(
        [(EDGE_CREATE, Patch(id="e", nodes=("a", "b")), 1.0), (EDGE_UPDATE, Patch(id="e", nodes=("b", "c")), 2.0)]
    )
    assert [graph.degree(one) for one in "abc"] == [0, 1, 1]
