"""The arrays say what the graph says, and are made again only when it has changed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dsmil.events.graph import EDGE_UPDATE, NODE_UPDATE, Patch
from dsmil.graph.fold import apply
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.matrix import incidence

EDGES = st.lists(st.lists(st.integers(0, 6).map("n{}".format), min_size=1, max_size=4), max_size=8)


def graph_of(edges: list[list[str]]) -> Hypergraph:
    graph = Hypergraph()
    apply(graph, 1, NODE_UPDATE, Patch(id="alone"), ts=1.0, ingest_ts=1.0)
    for n, members in enumerate(edges):
        patch = Patch(id=f"e{n}", nodes=tuple(members))
        apply(graph, graph.sequence + 1, EDGE_UPDATE, patch, ts=1.0, ingest_ts=1.0)
    return graph


@given(EDGES, st.sets(st.integers(0, 6).map("n{}".format)))
def test_arrays_and_graph_agree(edges: list[list[str]], chosen: set[str]) -> None:
    graph = graph_of(edges)
    arrays = incidence(graph)
    degrees, sizes = arrays.degrees().tolist(), arrays.sizes().tolist()
    assert {node: degrees[n] for node, n in arrays.numbers.items()} == {n: graph.degree(n) for n in graph.nodes}
    assert sizes == [len(set(members)) for members in edges]
    for number, members in enumerate(edges):
        found = arrays.columns[arrays.starts[number] : arrays.starts[number + 1]].tolist()
        assert [arrays.nodes[n] for n in found] == [n for n in arrays.nodes if n in members]
    marks = arrays.marked({*chosen, "nobody"})
    assert arrays.inside(marks) == [f"e{n}" for n, members in enumerate(edges) if set(members) <= chosen]
    assert arrays.touching(marks) == [f"e{n}" for n, members in enumerate(edges) if set(members) & chosen]
    assert (arrays.matrix().toarray().sum(axis=1) == sizes).all()


def test_they_are_kept_until_the_graph_changes_and_of_a_past_picture_not_at_all() -> None:
    graph = graph_of([["a", "b"]])
    first = incidence(graph)
    assert incidence(graph) is first
    apply(graph, 3, EDGE_UPDATE, Patch(id="e1", nodes=("c",)), ts=1.0, ingest_ts=1.0)
    assert incidence(graph) is not first and incidence(graph).edges == ["e0", "e1"]
    assert incidence(graph.as_of(2)).edges == ["e0"]
    assert incidence(Hypergraph()).degrees().tolist() == []
