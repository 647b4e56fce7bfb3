"""Paths, components, centralities and s-walks are those that networkx and XGI find, on any hypergraph."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import xgi
from hypothesis import given, settings
from hypothesis import strategies as st

from dsmil.errors import DsmilError
from dsmil.events.graph import EDGE_UPDATE, NODE_UPDATE, Patch
from dsmil.graph import algorithms
from dsmil.graph.algorithms import (
    components,
    degree_centrality,
    eigenvector_centrality,
    s_components,
    s_distance,
    shortest_path,
)
from dsmil.graph.fold import apply
from dsmil.graph.hypergraph import Hypergraph

NAMES = [f"n{n}" for n in range(9)]
EDGES = st.lists(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5), max_size=12)


def graph_of(edges: list[list[str]]) -> Hypergraph:
    graph = Hypergraph()
    for name in NAMES:
        apply(graph, graph.sequence + 1, NODE_UPDATE, Patch(id=name), ts=1.0, ingest_ts=1.0)
    for n, members in enumerate(edges):
        patch = Patch(id=f"e{n}", nodes=tuple(members))
        apply(graph, graph.sequence + 1, EDGE_UPDATE, patch, ts=1.0, ingest_ts=1.0)
    return graph


def peer_of(edges: list[list[str]]) -> xgi.Hypergraph:
    peer = xgi.Hypergraph()
    peer.add_nodes_from(NAMES)
    for n, members in enumerate(edges):
        peer.add_edge(set(members), idx=f"e{n}")
    return peer


def star_of(edges: list[list[str]]) -> nx.Graph:
    star = nx.Graph()
    star.add_nodes_from(NAMES)
    star.add_edges_from((f"e{n}", member) for n, members in enumerate(edges) for member in members)
    return star


@settings(max_examples=100, deadline=None)
@given(EDGES)
def test_a_path_is_a_way_through_edges_and_none_is_shorter(edges: list[list[str]]) -> None:
    graph, star = graph_of(edges), star_of(edges)
    for end in NAMES:
        path = shortest_path(graph, "n0", end)
        if path is None:
            assert not nx.has_path(star, "n0", end)
            continue
        assert (path[0], path[-1]) == ("n0", end)
        assert len(path) - 1 == nx.shortest_path_length(star, "n0", end)
        for node, edge, after in zip(path[::2], path[1::2], path[2::2], strict=False):
            assert {node, after} <= set(graph.edges[edge].nodes)


@settings(max_examples=100, deadline=None)
@given(EDGES)
def test_components_and_degrees_are_those_of_xgi(edges: list[list[str]]) -> None:
    graph, peer = graph_of(edges), peer_of(edges)
    found = components(graph)
    assert {frozenset(part) for part in found} == {frozenset(part) for part in xgi.connected_components(peer)}
    assert [len(part) for part in found] == sorted(map(len, found), reverse=True)
    assert degree_centrality(graph) == dict(peer.degree())


@settings(max_examples=100, deadline=None)
@given(EDGES)
def test_eigenvector_centrality_is_that_of_the_clique_matrix(edges: list[list[str]]) -> None:
    """Against a dense solver; where two eigenvalues are as great, any mixture of their vectors is right."""
    found = eigenvector_centrality(graph_of(edges))
    assert sum(found.values()) == pytest.approx(1.0) and min(found.values()) >= 0.0
    member = np.array([[float(name in members) for name in NAMES] for members in edges]).reshape(-1, len(NAMES))
    shared = member.T @ member
    np.fill_diagonal(shared, 0.0)
    greatest = np.linalg.eigvalsh(shared)[-1]
    vector = np.array([found[name] for name in NAMES])
    assert shared @ vector == pytest.approx(greatest * vector, abs=1e-6)


def test_eigenvector_centrality_is_that_of_xgi_and_the_same_each_time() -> None:
    edges = [
        ["n0", "n1", "n2"],
        ["n2", "n3"],
        ["n3", "n4", "n5", "n6"],
        ["n6", "n7"],
        ["n7", "n8", "n0"],
        ["n1", "n2"],
    ]
    found, peer = (
        eigenvector_centrality(graph_of(edges)),
        xgi.clique_eigenvector_centrality(peer_of(edges), tol=1e-12),
    )
    assert found == pytest.approx(peer, abs=1e-6)
    assert eigenvector_centrality(graph_of(edges)) == found


@settings(max_examples=100, deadline=None)
@given(EDGES, st.integers(1, 3))
def test_s_walks_are_those_of_the_s_line_graph(edges: list[list[str]], s: int) -> None:
    graph = graph_of(edges)
    line = xgi.to_line_graph(peer_of(edges), s=s)
    line.remove_nodes_from([f"e{n}" for n, members in enumerate(edges) if len(set(members)) < s])
    assert {frozenset(part) for part in s_components(graph, s)} == set(
        map(frozenset, nx.connected_components(line))
    )
    for number in range(len(edges)):
        start, end = "e0", f"e{number}"
        reached = start in line and end in line and nx.has_path(line, start, end)
        assert s_distance(graph, start, end, s) == (
            nx.shortest_path_length(line, start, end) if reached else None
        )


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    edges = [[NAMES[n % 9], NAMES[(n + 1) % 9], NAMES[(n * n) % 9]] for n in range(40)]
    whole = s_components(graph_of(edges), 2), s_distance(graph_of(edges), "e0", "e5", 2)
    for size in (1, 7, 100):
        monkeypatch.setattr(algorithms, "CHUNK_PAIRS", size)
        assert (s_components(graph_of(edges), 2), s_distance(graph_of(edges), "e0", "e5", 2)) == whole


def test_what_is_not_there_and_what_is_too_much_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = graph_of([["n0", "n1"]] * 5)
    with pytest.raises(DsmilError, match="node nobody: there is none"):
        shortest_path(graph, "n0", "nobody")
    with pytest.raises(DsmilError, match="edge nothing: there is none"):
        s_distance(graph, "e0", "nothing", 1)
    with pytest.raises(DsmilError, match="at least 1"):
        s_components(graph, 0)
    monkeypatch.setattr(algorithms, "PAIRS_MAX", 10)
    with pytest.raises(DsmilError, match="50 overlaps exceed 10"):
        s_components(graph, 1)


def test_a_past_picture_is_asked_like_the_present() -> None:
    graph = graph_of([["n0", "n1"], ["n1", "n2"]])
    assert shortest_path(graph, "n0", "n2") == ["n0", "e0", "n1", "e1", "n2"]
    past = graph.as_of(graph.sequence - 1)
    assert shortest_path(past, "n0", "n2") is None and s_components(past, 1) == [["e0"]]


def test_small_and_empty_graphs_have_answers() -> None:
    graph = Hypergraph()
    assert (components(graph), degree_centrality(graph), eigenvector_centrality(graph)) == ([], {}, {})
    assert s_components(graph, 1) == []
    apply(graph, 1, EDGE_UPDATE, Patch(id="e", nodes=("a", "b")), ts=1.0, ingest_ts=1.0)
    assert eigenvector_centrality(graph) == pytest.approx({"a": 0.5, "b": 0.5})
    assert shortest_path(graph, "a", "a") == ["a"]
