"""Laid over the subgraph of the earlier moment a diff makes the later one, for any history, query and range."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsmil.errors import QueryError
from dsmil.events.graph import EDGE_CREATE, EDGE_DELETE, NODE_DELETE, NODE_UPDATE, Patch
from dsmil.graph.diff import Diff, apply, between, diff
from dsmil.graph.fold import apply as fold_in
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.picture import TooOld
from dsmil.graph.scope import Asked
from dsmil.graph.subgraph import extract
from dsmil.query import Query, parse_query
from tests.graph import naive
from tests.graph.chance import STEPS, history, world
from tests.graph.test_fold import Step, folded
from tests.query.questions import PLAIN

LATER = Asked(strict=False)


def ship(number: int, ts: float = 100.0, **keys: object) -> Step:
    return NODE_UPDATE, Patch(id=f"vessel:{number}", kind="vessel", **keys), ts


def joined(number: int, *members: str) -> Step:
    return EDGE_CREATE, Patch(id=f"he:{number}", kind="near", nodes=members), 100.0


def changed(steps: list[Step], more: list[Step], text: str) -> Diff:
    graph = folded(more, folded(steps))
    return diff(graph, parse_query(text), from_sequence=len(steps), to_sequence=len(steps) + len(more))


def told(found: Diff) -> str:
    """`+` came in, `~` is another, `-` went."""
    parts = []
    for changes in (found.nodes, found.edges):
        parts += [f"+{one.id}" for one in changes.created] + [f"~{one.id}" for one in changes.updated]
        parts += [f"-{one}" for one in changes.deleted]
    return " ".join(parts)


TWO = [ship(1, position=(0.0, 0.0)), ship(2, position=(0.0, 1.0)), joined(1, "vessel:1", "vessel:2")]


@pytest.mark.parametrize(
    ("more", "text", "found"),
    [
        ([ship(3)], 'kind = "vessel"', "+vessel:3"),
        ([ship(1, labels={"flag": "DE"})], 'kind = "vessel"', "~vessel:1"),
        ([(NODE_DELETE, Patch(id="vessel:1"), 100.0)], 'kind = "vessel"', "-vessel:1 -he:1"),
        ([(EDGE_DELETE, Patch(id="he:1"), 100.0)], 'kind = "vessel"', "-he:1"),
        ([ship(1, labels={"flag": "DE"})], 'labels.flag = "DE"', "+vessel:1"),
        ([ship(1, labels={"hide": True})], "NOT labels.hide = true", "-vessel:1 -he:1"),
        ([ship(1, labels={"hide": True})], "NOT labels.hide = true EDGES ANY", "~vessel:1"),
        ([ship(1, position=(50.0, 0.0))], "WITHIN 200km OF [0, 0]", "-vessel:1 -he:1"),
        ([ship(1, position=(50.0, 0.0))], 'WITHIN 200km OF "vessel:1"', "~vessel:1 -vessel:2 -he:1"),
        ([ship(3)], 'WITHIN 200km OF "vessel:1"', ""),
        ([ship(3), joined(2, "vessel:3", "vessel:1")], 'FIND NEIGHBORS OF "vessel:1"', "+vessel:3 +he:2"),
        ([ship(1, labels={"x": 1})], "FIND EDGES", "~vessel:1"),
        ([ship(3, 90.0), ship(3)], "SINCE 1970-01-01T00:01:35Z", "+vessel:3"),
        ([ship(0)], "LIMIT 2", "+vessel:0 -vessel:2 -he:1"),
        ([(EDGE_CREATE, Patch(id="he:9", kind="room_entity", nodes=("room:a", "vessel:1")), 100.0)],
         'IN ROOM "a"', "+vessel:1"),
        ([], "FIND NODES", ""),
        ([ship(3), (NODE_DELETE, Patch(id="vessel:3"), 100.0)], "FIND NODES", ""),
    ],
)  # fmt: skip
def test_row_32_entering_and_leaving_is_created_and_deleted(more: list[Step], text: str, found: str) -> None:
    assert told(changed(TWO, more, text)) == found


def test_row_32_what_a_relative_since_leaves_behind_is_deleted() -> None:
    graph = Hypergraph()
    for number, (kind, patch, _) in enumerate([ship(1), ship(2), ship(3), ship(2)], 1):
        fold_in(graph, number, kind, patch, ts=number * 60.0, ingest_ts=number * 60.0)
    found = diff(graph, parse_query("SINCE 90s"), from_sequence=2, to_sequence=4)
    assert told(found) == "+vessel:3 ~vessel:2 -vessel:1"


def test_its_form_is_that_of_the_contract() -> None:
    found = changed(TWO, [ship(3), (NODE_DELETE, Patch(id="vessel:1"), 100.0)], "FIND SUBGRAPH")
    form = msgspec.json.decode(msgspec.json.encode(found.to_dict()))
    assert form["timestamp"] == "1970-01-01T00:00:05.000000Z"
    assert (form["from_sequence"], form["to_sequence"]) == (3, 5)
    assert [node["id"] for node in form["nodes"]["created"]] == ["vessel:3"]
    assert form["nodes"]["created"][0]["kind"] == "vessel"
    assert form["nodes"]["deleted"] == ["vessel:1"]
    assert form["edges"] == {"created": [], "updated": [], "deleted": ["he:1"]}


def test_a_range_that_is_none_is_refused_and_the_future_is_the_present() -> None:
    graph = folded(TWO)
    query = parse_query("FIND NODES")
    with pytest.raises(QueryError, match="it ends before it begins"):
        diff(graph, query, from_sequence=3, to_sequence=2)
    with pytest.raises(QueryError, match="it ends before it begins"):
        diff(graph, query, from_sequence=9, to_sequence=12)
    assert diff(graph, query, from_sequence=1, to_sequence=99).to_sequence == 3


def test_what_is_not_remembered_is_refused() -> None:
    graph = folded([ship(n) for n in range(10)], Hypergraph(undo_max=4))
    with pytest.raises(TooOld):
        diff(graph, parse_query("FIND NODES"), from_sequence=3, to_sequence=9)


def test_a_name_at_neither_end_is_refused_at_one_it_is_empty_there() -> None:
    with pytest.raises(QueryError, match="no such node"):
        changed(TWO, [ship(3)], 'WITHIN 5km OF "gone"')
    late = changed(TWO, [ship(3, position=(0.0, 0.0))], 'WITHIN 5km OF "vessel:3"')
    assert told(late) == "+vessel:1 +vessel:3"


@given(st.integers(0, 63), st.lists(PLAIN, min_size=1, max_size=4), st.integers(0, STEPS), st.integers(0, STEPS))
@settings(max_examples=400, deadline=None)
def test_row_32_diff_over_the_earlier_subgraph_makes_the_later(
    seed: int, questions: list[Query], one: int, other: int
) -> None:
    graph, (first, last) = world(seed), sorted((one, other))
    for query in questions:
        ends = [graph.as_of(first), graph.as_of(last)]
        if not any(naive.names_are_there(picture, query) for picture in ends):
            with pytest.raises(QueryError):
                diff(graph, query, from_sequence=first, to_sequence=last)
            continue
        before, after = (extract(picture, query, asked=LATER) for picture in ends)
        found = diff(graph, query, from_sequence=first, to_sequence=last)
        assert apply(before, found) == after
        # Nothing is told twice, nothing that is as it was.
        assert found == between(*ends, query)
        was = {node.id: node for node in before.nodes} | {edge.id: edge for edge in before.edges}
        for changes in (found.nodes, found.edges):
            assert not was.keys() & {new.id for new in changes.created}
            assert all(was[new.id] != new for new in changes.updated)
            assert was.keys() >= set(changes.deleted)


@given(st.integers(64, 90), PLAIN, st.lists(st.integers(0, STEPS), min_size=3, max_size=6))
@settings(max_examples=100, deadline=None)
def test_row_32_diffs_follow_each_other_while_the_graph_goes_on(
    seed: int, query: Query, moments: list[int]
) -> None:
    graph, steps = Hypergraph(), history(seed)
    client = extract(graph, query, asked=LATER)
    for moment in sorted(moments):
        folded(steps[graph.sequence : moment], graph)
        known = [naive.names_are_there(graph.as_of(n), query) for n in (client.sequence_id, graph.sequence)]
        if any(known):
            client = apply(
                client,
                diff(
                    graph, query, from_sequence=client.sequence_id, to_sequence=moment, query_id=client.query_id
                ),
            )
            assert client == extract(graph, query, asked=LATER)
        else:
            client = extract(graph, query, asked=LATER)
