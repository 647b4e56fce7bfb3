"""Questions about the shape of the whole graph: paths, components, who is central, walks from edge to edge.

All are exact and take a `Picture`, the live one or a past one. SciPy does the work and is loaded when first asked.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsmil.errors import DsmilError
from dsmil.graph.matrix import Incidence, incidence
from dsmil.graph.picture import Picture

PAIRS_MAX = 50_000_000
"""Pairs of overlapping edges looked at: some seconds. A node in 10,000 edges makes as many pairs by itself."""
CHUNK_PAIRS = 4_000_000
"""Of these so many at once: about 50 MB."""
DENSE_MAX = 3
"""Below this the eigenvector of a matrix is found as that of a dense one: SciPy's solver wants a few rows."""
_UNREACHED = -9999
"""What SciPy writes for a node that has no predecessor."""


def shortest_path(picture: Picture, start: str, end: str) -> list[str] | None:
    """The ids along a way of fewest edges from node `start` to node `end`: node, edge, node, ..., node. Null where
    there is none; DsmilError where one of them is not there."""
    from scipy.sparse.csgraph import breadth_first_order  # noqa: PLC0415 - see the module's docstring

    arrays = incidence(picture)
    first, last = (_number(arrays.numbers, node_id, "node") for node_id in (start, end))
    _, before = breadth_first_order(_two_sided(arrays), first, directed=False, return_predecessors=True)
    steps = _steps(before, first, last)
    return None if steps is None else [_name(arrays, number) for number in steps]


def components(picture: Picture) -> list[list[str]]:
    """The node ids of each connected part, the largest first, and of equals the one with the least id."""
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 - see the module's docstring

    arrays = incidence(picture)
    if not arrays.nodes:
        return []
    _, labels = connected_components(_two_sided(arrays), directed=False)
    return _grouped(arrays.nodes, labels[: len(arrays.nodes)])


def degree_centrality(picture: Picture) -> dict[str, int]:
    """How many edges each node is a member of."""
    arrays = incidence(picture)
    return dict(zip(arrays.nodes, arrays.degrees().tolist(), strict=True))


def eigenvector_centrality(picture: Picture) -> dict[str, float]:
    """How central each node is by how central those are that it shares edges with; all sum to 1.

    The leading eigenvector of the matrix that counts the edges two nodes share (Benson 2019, "Three hypergraph
    eigenvector centralities", CEC). Nodes outside of the densest connected part come out as 0.
    """
    arrays = incidence(picture)
    size = len(arrays.nodes)
    if size == 0:
        return {}
    vector = np.abs(_leading(arrays)) if (arrays.sizes() > 1).any() else np.ones(size)
    vector /= vector.sum()
    return dict(zip(arrays.nodes, vector.tolist(), strict=True))


def s_components(picture: Picture, s: int) -> list[list[str]]:
    """The edges in groups within which one comes from any to any other over edges that share at least `s` members
    (Aksoy et al. 2020, s-walks). Only edges of `s` members or more are in one."""
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 - see the module's docstring

    arrays = incidence(picture)
    rows, links = _overlaps(arrays, s)
    if not len(rows):
        return []
    _, labels = connected_components(links, directed=False)
    return _grouped([arrays.edges[row] for row in rows], labels)


def s_distance(picture: Picture, start: str, end: str, s: int) -> int | None:
    """Fewest steps from edge `start` to edge `end` over edges that share at least `s` members; null where no walk
    leads there. DsmilError where one is not there."""
    from scipy.sparse.csgraph import breadth_first_order  # noqa: PLC0415 - see the module's docstring

    arrays = incidence(picture)
    numbers = {edge_id: number for number, edge_id in enumerate(arrays.edges)}
    ends = [_number(numbers, edge_id, "edge") for edge_id in (start, end)]
    rows, links = _overlaps(arrays, s)
    places = {int(row): place for place, row in enumerate(rows)}
    if not all(number in places for number in ends):
        return None
    first, last = (places[number] for number in ends)
    _, before = breadth_first_order(links, first, directed=False, return_predecessors=True)
    steps = _steps(before, first, last)
    return None if steps is None else len(steps) - 1


def _number(numbers: dict[str, int], wanted: str, what: str) -> int:
    found = numbers.get(wanted)
    if found is None:
        raise DsmilError(f"look at {what} {wanted}: there is none of that id")
    return found


def _two_sided(arrays: Incidence) -> Any:
    """Nodes, then edges, each joined to its own on the other side."""
    from scipy.sparse import csr_matrix  # noqa: PLC0415 - see the module's docstring

    nodes, edges = len(arrays.nodes), len(arrays.edges)
    # Rows of nodes stay empty: undirected reads look both ways.
    starts = np.concatenate((np.zeros(nodes, dtype=np.int32), arrays.starts))
    ones = np.ones(len(arrays.columns), dtype=np.int8)
    return csr_matrix((ones, arrays.columns, starts), shape=(nodes + edges, nodes + edges))


def _name(arrays: Incidence, number: int) -> str:
    nodes = len(arrays.nodes)
    return arrays.nodes[number] if number < nodes else arrays.edges[number - nodes]


def _steps(before: NDArray[np.int32], first: int, last: int) -> list[int] | None:
    steps = [last]
    while steps[-1] != first:
        step = int(before[steps[-1]])
        if step == _UNREACHED:
            return None
        steps.append(step)
    return steps[::-1]


def _grouped(names: list[str], labels: NDArray[np.int32]) -> list[list[str]]:
    groups: dict[int, list[str]] = {}
    for name, label in zip(names, labels.tolist(), strict=True):
        groups.setdefault(label, []).append(name)
    return sorted((sorted(group) for group in groups.values()), key=lambda group: (-len(group), group[0]))


def _leading(arrays: Incidence) -> NDArray[np.float64]:
    from scipy.sparse.linalg import LinearOperator, eigsh  # noqa: PLC0415 - see the module's docstring

    member, degrees, size = arrays.matrix(), arrays.degrees(), len(arrays.nodes)

    def shared(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        flat = vector.reshape(-1)
        # A node shares no edge with itself; the matrix of pairs is never made.
        return np.asarray(member.T @ (member @ flat) - degrees * flat)

    if size < DENSE_MAX:
        dense = np.column_stack([shared(column) for column in np.eye(size)])
        return np.asarray(np.linalg.eigh(dense)[1][:, -1])
    operator = LinearOperator((size, size), matvec=shared, dtype=np.float64)
    # From ones, not from a random start: the same graph gives the same numbers.
    return np.asarray(eigsh(operator, k=1, which="LA", v0=np.ones(size))[1][:, 0])


def _overlaps(arrays: Incidence, s: int) -> tuple[NDArray[np.int64], Any]:
    """The numbers of edges with `s` members or more, and which of them share that many (CSR, in their order)."""
    from scipy.sparse import csr_matrix, vstack  # noqa: PLC0415 - see the module's docstring

    if s < 1:
        raise DsmilError(f"walk by {s} members: at least 1 is shared")
    rows = np.flatnonzero(arrays.sizes() >= s)
    member = arrays.matrix()[rows].astype(np.int32)
    pairs = member @ np.asarray(member.sum(axis=0)).reshape(-1)
    if (total := int(pairs.sum())) > PAIRS_MAX:
        raise DsmilError(
            f"walk by {s} members: {total} overlaps exceed {PAIRS_MAX}", hint="ask for a larger s, or for a part"
        )
    parts = []
    ends = np.searchsorted(
        np.cumsum(pairs), np.arange(CHUNK_PAIRS, total + CHUNK_PAIRS, CHUNK_PAIRS), side="right"
    )
    start = 0
    for end in [*np.maximum(ends, 1).tolist(), len(rows)]:
        if end > start:
            part = member[start:end] @ member.T
            part.data = (part.data >= s).astype(np.int8)
            part.eliminate_zeros()
            parts.append(part)
            start = end
    return rows, vstack(parts, format="csr") if parts else csr_matrix((0, 0), dtype=np.int8)
