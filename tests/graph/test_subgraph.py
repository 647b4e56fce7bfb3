"""A subgraph is what fits and what joins it, without an edge into nowhere."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsmil.errors import QueryError
from dsmil.events.graph import EDGE_CREATE, NODE_UPDATE, Patch
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.scope import Asked
from dsmil.graph.state import restore
from dsmil.graph.subgraph import Central, extract, name_of
from dsmil.query import Query, parse_query
from tests.graph import naive
from tests.graph.chance import STEPS, world
from tests.graph.test_fold import Step, folded
from tests.query.questions import PLAIN

WORLD: list[Step] = [
    *((NODE_UPDATE, Patch(id=f"vessel:{n}", kind="vessel"), 86_400.0) for n in range(4)),
    (NODE_UPDATE, Patch(id="rf:a", kind="rf_emitter"), 86_400.0),
    (EDGE_CREATE, Patch(id="he:1", kind="near", nodes=("vessel:0", "vessel:1", "vessel:2")), 86_400.0),
    (EDGE_CREATE, Patch(id="he:2", kind="near", nodes=("vessel:0", "vessel:3")), 86_400.0),
    (EDGE_CREATE, Patch(id="he:3", kind="link", nodes=("vessel:0", "rf:a")), 86_400.0),
    (EDGE_CREATE, Patch(id="he:4", kind="self", nodes=("vessel:0", "vessel:0")), 86_400.0),
]


@pytest.fixture(scope="module")
def graph() -> Hypergraph:
    return folded(WORLD)


def test_its_form_is_that_of_the_contract(graph: Hypergraph) -> None:
    query = parse_query('FIND SUBGRAPH WHERE kind = "vessel"')
    found = extract(graph, query)
    assert found.stats.central_nodes == [
        Central("vessel:0", 3), Central("vessel:1", 1), Central("vessel:2", 1), Central("vessel:3", 1)
    ]  # fmt: skip
    told = msgspec.json.decode(msgspec.json.encode(found.to_dict()))
    assert [node["id"] for node in told["nodes"]] == ["vessel:0", "vessel:1", "vessel:2", "vessel:3"]
    assert [edge["id"] for edge in told["edges"]] == ["he:1", "he:2", "he:4"]
    assert (told["query_id"], told["sequence_id"]) == (name_of(query), 9)
    assert told["timestamp"] == "1970-01-01T00:00:09.000000Z"
    assert told["stats"]["node_count"] == 4
    assert told["stats"]["edge_count"] == 3
    assert told["stats"]["kinds"] == {"vessel": 4}
    assert told["stats"]["edge_kinds"] == {"near": 2, "self": 1}
    assert told["stats"]["central_nodes"][0] == {"id": "vessel:0", "degree": 3}


def test_touching_edges_bring_their_members(graph: Hypergraph) -> None:
    found = extract(graph, parse_query('FIND SUBGRAPH WHERE id = "vessel:3" EDGES ANY'), query_id="mine")
    assert [node.id for node in found.nodes] == ["vessel:0", "vessel:3"]
    assert [edge.id for edge in found.edges] == ["he:2"]
    assert found.query_id == "mine"


def test_queries_for_edges_bring_their_members(graph: Hypergraph) -> None:
    found = extract(graph, parse_query('FIND EDGES WHERE kind = "link"'))
    assert [node.id for node in found.nodes] == ["rf:a", "vessel:0"]
    assert [edge.id for edge in found.edges] == ["he:3"]


def test_neighbours_come_with_whose_they_are(graph: Hypergraph) -> None:
    found = extract(graph, parse_query('FIND NEIGHBORS OF "vessel:3"'))
    assert [node.id for node in found.nodes] == ["vessel:0", "vessel:3"]
    assert [edge.id for edge in found.edges] == ["he:2", "he:4"]


def test_nothing_is_empty_and_a_name_that_is_not_there_is_refused(graph: Hypergraph) -> None:
    empty = extract(graph, parse_query('FIND NODES WHERE kind = "none"'))
    assert (empty.nodes, empty.edges, empty.stats.central_nodes) == ([], [], [])
    with pytest.raises(QueryError, match='OF "gone": there is no such node'):
        extract(graph, parse_query('FIND NODES WITHIN 5km OF "gone"'))


def test_the_same_words_have_the_same_id() -> None:
    assert name_of(parse_query("find nodes limit 5")) == name_of(parse_query("FIND NODES\nLIMIT 5"))
    assert name_of(parse_query("x = 1")) != name_of(parse_query("x = true"))


@given(st.integers(0, 63), st.lists(PLAIN, min_size=1, max_size=4), st.integers(0, STEPS))
@settings(max_examples=250, deadline=None)
def test_row_31_a_subgraph_equals_the_naive_one_and_dangles_nowhere(
    seed: int, questions: list[Query], sequence: int
) -> None:
    graph = world(seed)
    for query in questions:
        for picture in (graph, graph.as_of(sequence)):
            found = extract(picture, query, asked=Asked(now=5000.0, strict=False))
            fitting = naive.ordered(naive.fitting(picture, query, 5000.0), query)
            nodes, edges = naive.subgraph(picture, query, fitting)
            assert [node.id for node in found.nodes] == sorted(nodes)
            assert [edge.id for edge in found.edges] == sorted(edges)
            assert nodes.issuperset(member for edge in found.edges for member in edge.nodes)
            assert (found.stats.node_count, found.stats.edge_count) == (len(nodes), len(edges))


@pytest.mark.parametrize("seed", range(64))
def test_lone_edges_are_known_at_every_moment(seed: int) -> None:
    graph = world(seed)
    for sequence in range(STEPS + 1):
        picture = graph.as_of(sequence)
        lone = {key for key in picture.edges if len(set(picture.edges[key].nodes)) == 1}
        assert lone <= set(picture.lone_edges())
    assert lone == set(graph.lone_edges())
    loaded = Hypergraph()
    restore(loaded, sequence=1, ts=1.0, epoch="e", nodes=graph.nodes.values(), edges=graph.edges.values())
    assert lone == set(loaded.lone_edges())
