"""Every clause filters exactly, in the order asked for, page by page, within its bounds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from dsmil.clock import FakeClock
from dsmil.errors import QueryError
from dsmil.events.graph import EDGE_CREATE, NODE_UPDATE, Patch
from dsmil.graph.budget import Limits
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.run import Result, run
from dsmil.query import Query, parse_query
from tests.graph import naive
from tests.graph.chance import world
from tests.graph.test_fold import Step, folded
from tests.query.questions import PLAIN

NOW = 10_000.0
WORLD: list[Step] = [
    (NODE_UPDATE, Patch(id="vessel:1", kind="vessel", position=(54.0, 10.0), labels={"flag": "DE", "ip": "192.0.2.1"},
                        metadata={"sog_kn": 12.5, "rot": -3.0}), 9_000.0),
    (NODE_UPDATE, Patch(id="vessel:2", kind="vessel", position=(54.01, 10.0), labels={"flag": "NO", "rooms": ["ops"]},
                        metadata={"sog_kn": 0.0, "rot": 4.0}), 9_700.0),
    (NODE_UPDATE, Patch(id="vessel:3", kind="vessel", position=(-17.0, 179.99), labels={"flag": "FJ"},
                        metadata={"sog_kn": 3.0, "rooms": "ops"}), 9_900.0),
    (NODE_UPDATE, Patch(id="vessel:4", kind="vessel", position=(-17.0, -179.99), labels={"flag": "FJ"}), 100.0),
    (NODE_UPDATE, Patch(id="rf:a", kind="rf_emitter", frequency=433.92, position=(54.0, 10.001)), 9_950.0),
    (NODE_UPDATE, Patch(id="rf:b", kind="rf_emitter", frequency=434.79), 9_000.0),
    (NODE_UPDATE, Patch(id="host:ip:192.0.2.1", kind="host", labels={"ip": "192.0.2.1"},
                        metadata={"severity": "HIGH"}), 9_000.0),
    (NODE_UPDATE, Patch(id="room:ops", kind="room"), 9_000.0),
    (EDGE_CREATE, Patch(id="he:near:1", kind="near", nodes=("vessel:1", "vessel:2", "rf:a"), weight=0.5), 9_700.0),
    (EDGE_CREATE, Patch(id="he:near:2", kind="near", nodes=("vessel:3", "vessel:4"), weight=-0.5), 100.0),
    (EDGE_CREATE, Patch(id="he:link:1", kind="link", nodes=("vessel:1", "host:ip:192.0.2.1")), 9_950.0),
    (EDGE_CREATE, Patch(id="he:room:1", kind="room_entity", nodes=("room:ops", "rf:b")), 9_000.0),
]  # fmt: skip


@pytest.fixture(scope="module")
def graph() -> Hypergraph:
    return folded(WORLD)


def ids(result: Result) -> list[str]:
    return [one.id for one in result.nodes] + [one.id for one in result.edges]


def asked(graph: Hypergraph, text: str, **more: Any) -> Result:
    return run(graph, parse_query(text), **{"now": NOW} | more)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('FIND NODES WHERE kind = "vessel"', "vessel:1 vessel:2 vessel:3 vessel:4"),
        ('FIND NODES WHERE kind = "rf"', ""),
        ('FIND NODES WHERE kind = "vessel"\nWHERE metadata.sog_kn > 1', "vessel:1 vessel:3"),
        ('FIND NODES WHERE kind = "vessel" AND labels.flag = "FJ"', "vessel:3 vessel:4"),
        ('FIND NODES WHERE kind = "vessel" AND NOT (labels.flag = "FJ" OR metadata.sog_kn = 0)', "vessel:1"),
        ("FIND NODES WHERE metadata.rot < -2.5", "vessel:1"),
        ("FIND NODES WHERE metadata.rot BETWEEN -3 AND 4", "vessel:1 vessel:2"),
        ('FIND NODES WHERE labels.ip = "192.0.2.1"', "host:ip:192.0.2.1 vessel:1"),
        ('FIND NODES WHERE id STARTS WITH "rf:"', "rf:a rf:b"),
        ('FIND NODES WHERE labels.flag IN ("DE", "NO")', "vessel:1 vessel:2"),
        ('FIND NODES WHERE metadata.severity >= "MEDIUM"', "host:ip:192.0.2.1"),
        ("FIND NODES WHERE EXISTS position AND EXISTS frequency", "rf:a"),
        ('FIND NODES WITHIN 500m OF "vessel:1"', "rf:a vessel:1"),
        ('FIND NODES WITHIN 2km OF "vessel:1"', "rf:a vessel:1 vessel:2"),
        ('FIND NODES WITHIN 2nm OF "vessel:3"', "vessel:3 vessel:4"),
        ('FIND NODES WITHIN 2km OF [54, 10] WHERE kind = "vessel"', "vessel:1 vessel:2"),
        ("FIND NODES IN BBOX [53, 9, 55, 10]", "vessel:1 vessel:2"),
        ("FIND NODES IN BBOX [-20, 179, -10, -179]", "vessel:3 vessel:4"),
        ('FIND NODES IN ROOM "ops"', "rf:b vessel:2 vessel:3"),
        ('FIND NODES IN ROOM "room:ops" WHERE kind = "vessel"', "vessel:2 vessel:3"),
        ("FIND NODES FREQ 433.05 TO 434.79", "rf:a rf:b"),
        ("FIND NODES FREQ 434 TO 435", "rf:b"),
        ("FIND NODES SINCE 5m", "rf:a vessel:2 vessel:3"),
        ("FIND NODES SINCE 60s", "rf:a"),
        ("FIND NODES SINCE 1970-01-01T02:44:59Z", "rf:a vessel:3"),
        ("FIND NODES ORDER BY metadata.sog_kn LIMIT 2", "vessel:2 vessel:3"),
        ("FIND NODES ORDER BY metadata.sog_kn DESC LIMIT 2", "vessel:1 vessel:3"),
        ('FIND NODES WHERE kind = "vessel" ORDER BY labels.flag DESC', "vessel:2 vessel:3 vessel:4 vessel:1"),
        ('FIND NODES WHERE kind = "vessel" ORDER BY metadata.sog_kn', "vessel:2 vessel:3 vessel:1 vessel:4"),
        ("FIND NODES LIMIT 2", "host:ip:192.0.2.1 rf:a"),
        ('FIND EDGES WHERE kind = "near"', "he:near:1 he:near:2"),
        ("FIND EDGES ORDER BY created_at LIMIT 2", "he:link:1 he:near:1"),
        ("FIND EDGES ORDER BY timestamp LIMIT 2", "he:near:2 he:room:1"),
        ("FIND NODES ORDER BY created_at LIMIT 1", "vessel:4"),
        ("FIND EDGES WHERE weight < -0.25", "he:near:2"),
        ('FIND EDGES WHERE nodes CONTAINS "vessel:1"', "he:link:1 he:near:1"),
        ("FIND EDGES WITHIN 2km OF [54, 10]", "he:near:1"),
        ("FIND EDGES ANY WITHIN 2km OF [54, 10]", "he:link:1 he:near:1"),
        ("FIND EDGES SINCE 60s", "he:link:1"),
        ("FIND EDGES ANY FREQ 434 TO 435", "he:room:1"),
        ('FIND EDGES IN ROOM "ops"', ""),
        ('FIND EDGES ANY IN ROOM "ops"', "he:near:1 he:near:2 he:room:1"),
        ('FIND EDGES OF "vessel:1"', "he:link:1 he:near:1"),
        ('FIND NEIGHBORS OF "vessel:1"', "host:ip:192.0.2.1 rf:a vessel:2"),
        ('FIND NEIGHBORS OF "host:ip:192.0.2.1"', "vessel:1"),
        ('FIND NEIGHBORS OF "host:ip:192.0.2.1" DEPTH 2', "rf:a vessel:1 vessel:2"),
        ('FIND NEIGHBORS OF "host:ip:192.0.2.1" DEPTH 2 WHERE kind = "vessel"', "vessel:1 vessel:2"),
        ('FIND NODES OF "vessel:1" WHERE kind = "vessel"', "vessel:1 vessel:2"),
        ('FIND NEIGHBORS OF "vessel:3" RETURN subgraph', "vessel:4 vessel:3 he:near:2"),
        ('FIND SUBGRAPH WHERE kind = "vessel"', "vessel:1 vessel:2 vessel:3 vessel:4 he:near:2"),
        ('FIND NODES WHERE labels.flag = "DE" RETURN subgraph', "vessel:1"),
        (
            'FIND SUBGRAPH WHERE labels.flag = "DE" EDGES ANY',
            "vessel:1 host:ip:192.0.2.1 vessel:2 rf:a he:link:1 he:near:1",
        ),
        ('FIND NODES WHERE kind = "vessel" RETURN edges', "he:near:2"),
        ('FIND EDGES WHERE kind = "near" RETURN nodes', "vessel:1 vessel:2 rf:a vessel:3 vessel:4"),
        ('FIND EDGES WHERE kind = "link" RETURN subgraph', "vessel:1 host:ip:192.0.2.1 he:link:1"),
        ('kind = "vessel" AND metadata.sog_kn = 0', "vessel:2"),
    ],
)  # fmt: skip
def test_row_30_each_clause_filters_exactly(graph: Hypergraph, text: str, found: str) -> None:
    result = asked(graph, text)
    assert ids(result) == found.split()
    assert result.sequence == len(WORLD)
    assert result.cursor is None


def test_row_30_since_goes_by_the_playback_pointer_while_playing(graph: Hypergraph) -> None:
    assert ids(asked(graph, "FIND NODES SINCE 10m", playback_ts=10_300.0)) == ["rf:a", "vessel:2", "vessel:3"]
    assert ids(asked(graph, "FIND NODES SINCE 10m", playback_ts=10_500.0)) == ["rf:a", "vessel:3"]


def test_since_of_a_past_picture_goes_by_that_pictures_time(graph: Hypergraph) -> None:
    # Ingest times of this world are its sequence numbers: nothing was seen within ten minutes before 12.
    assert len(asked(graph, "FIND NODES SINCE 10m", now=None).nodes) == 8
    assert len(asked(graph, "FIND NODES SINCE 10m AS OF 12").nodes) == 8


def test_a_past_picture_is_asked_like_the_present(graph: Hypergraph) -> None:
    past = run(graph.as_of(2), parse_query('FIND NODES WHERE kind = "vessel"'), now=NOW)
    assert (ids(past), past.sequence) == (["vessel:1", "vessel:2"], 2)


def test_rooms_told_by_others_count_too(graph: Hypergraph) -> None:
    found = asked(graph, 'FIND NODES IN ROOM "b"', rooms={"b": ["vessel:4", "gone"]})
    assert ids(found) == ["vessel:4"]


def test_return_count_answers_the_number_alone(graph: Hypergraph) -> None:
    result = asked(graph, 'FIND NODES WHERE kind = "vessel" RETURN count')
    assert (result.count, ids(result)) == (4, [])


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ('FIND NODES WITHIN 5km OF "nobody"', 'WITHIN OF "nobody": there is no such node'),
        ('FIND NODES WITHIN 5km OF "rf:b"', 'WITHIN OF "rf:b": it has no position'),
        ('FIND NEIGHBORS OF "nobody"', 'OF "nobody": there is no such node'),
    ],
)
def test_a_name_that_is_not_there_is_named(graph: Hypergraph, text: str, cause: str) -> None:
    with pytest.raises(QueryError, match=cause):
        asked(graph, text)


def test_pages_follow_each_other(graph: Hypergraph) -> None:
    text = 'FIND NODES WHERE kind = "vessel" ORDER BY metadata.sog_kn DESC'
    first = asked(graph, text, page=3)
    assert (ids(first), first.count) == (["vessel:1", "vessel:3", "vessel:2"], 4)
    last = asked(graph, text, page=3, cursor=first.cursor)
    assert (ids(last), last.count, last.cursor) == (["vessel:4"], 4, None)


def test_limit_bounds_all_pages_together(graph: Hypergraph) -> None:
    first = asked(graph, "FIND NODES LIMIT 3", page=2)
    assert (len(first.nodes), first.count) == (2, 3)
    last = asked(graph, "FIND NODES LIMIT 3", page=2, cursor=first.cursor)
    assert (len(last.nodes), last.cursor) == (1, None)


@pytest.mark.parametrize("cursor", ["", "x", "!", "ü", "AAAA", "x" * 9000, "gaRhYWFh"])
def test_a_cursor_that_is_none_is_refused(graph: Hypergraph, cursor: str) -> None:
    with pytest.raises(QueryError, match="read cursor: it is not one of ours"):
        asked(graph, "FIND NODES", cursor=cursor)


def test_a_cursor_of_another_query_is_refused(graph: Hypergraph) -> None:
    first = asked(graph, "FIND NODES", page=2)
    with pytest.raises(QueryError, match="another query"):
        asked(graph, "FIND EDGES", cursor=first.cursor)


def test_what_is_changed_between_two_pages_shifts_nothing() -> None:
    graph = folded(WORLD)
    first = asked(graph, "FIND NODES", page=3)
    folded([(NODE_UPDATE, Patch(id="a:new", kind="host"), 1.0)], graph)
    second = asked(graph, "FIND NODES", page=99, cursor=first.cursor)
    assert sorted(ids(first) + ids(second)) == sorted(set(graph.nodes) - {"a:new"})


def test_a_query_over_its_bounds_is_refused_not_cut() -> None:
    graph = folded([(NODE_UPDATE, Patch(id=f"n:{n}", kind="host"), 1.0) for n in range(3000)])
    with pytest.raises(QueryError, match="looks at more than 2000"):
        asked(graph, "FIND NODES", limits=Limits(looks=2000))
    with pytest.raises(QueryError, match="answers with more than 100"):
        asked(graph, "FIND NODES", limits=Limits(entities=100))

    class Hasty(FakeClock):
        def monotonic(self) -> float:
            self.advance(1.0)
            return super().monotonic()

    with pytest.raises(QueryError, match="query takes longer than 2 s"):
        asked(graph, "FIND NODES", limits=Limits(seconds=2.0), clock=Hasty())


@given(st.integers(0, 63), PLAIN, st.integers(1, 3))
@settings(max_examples=400, deadline=None)
def test_row_31_any_query_equals_the_naive_one_page_by_page(seed: int, query: Query, page: int) -> None:
    graph = world(seed)
    if not naive.names_are_there(graph, query):
        with pytest.raises(QueryError):
            run(graph, query, now=NOW)
        return
    found = naive.ordered(naive.fitting(graph, query, NOW), query)
    nodes, edges = naive.subgraph(graph, query, found)
    whole = run(graph, query, now=NOW)
    got_nodes: list[str] = []
    got_edges: list[str] = []
    cursor = None
    for _ in range(50):
        result = run(graph, query, now=NOW, page=page, cursor=cursor)
        assert result.count == whole.count
        if query.returns == "subgraph":
            inside = {node.id for node in result.nodes}
            assert all(inside.issuperset(edge.nodes) for edge in result.edges)
        got_nodes += [node.id for node in result.nodes]
        got_edges += [edge.id for edge in result.edges]
        cursor = result.cursor
        if cursor is None:
            break
    assert cursor is None
    match query.returns:
        case "count":
            assert (whole.count, got_nodes, got_edges) == (len(found), [], [])
        case "subgraph":
            assert whole.count == len(found)
            assert (set(got_nodes), sorted(got_edges)) == (nodes, sorted(edges))
            assert {node.id for node in whole.nodes} == nodes
        case "nodes" if query.find != "edges":
            assert (got_nodes, got_edges) == ([one.id for one in found], [])
            assert whole.count == len(found)
        case "edges" if query.find == "edges":
            assert (got_nodes, got_edges) == ([], [one.id for one in found])
        case "nodes":
            assert (sorted(got_nodes), whole.count) == (sorted(nodes), len(nodes))
        case _:
            assert (sorted(got_edges), whole.count) == (sorted(edges), len(edges))


def test_the_order_holds_what_cannot_be_compared() -> None:
    values = {"a": "text", "b": 3, "c": None, "d": True, "e": [7, 1], "f": "abc", "g": 10**400, "h": {"x": 1}}
    graph = folded([(NODE_UPDATE, Patch(id=key, metadata={"v": value}), 1.0) for key, value in values.items()])
    query = parse_query("FIND NODES ORDER BY metadata.v")
    assert ids(run(graph, query, now=NOW)) == ["d", "b", "e", "g", "f", "a", "c", "h"]
    back = structs.replace(query, descending=True)
    assert ids(run(graph, back, now=NOW)) == ["a", "f", "g", "e", "b", "d", "c", "h"]
