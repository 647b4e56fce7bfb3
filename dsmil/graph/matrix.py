"""The graph as arrays, for reads of the whole of it: which node is a member of which edge (compressed sparse rows).

Made when first asked for and kept until the graph's version counter has moved: a pass over 100,000 nodes in arrays
takes a tenth of one over dicts, and making them takes as long as a few such passes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import chain
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.picture import Picture

Counts = NDArray[np.int32]
Marks = NDArray[np.bool_]


class Incidence(Struct, frozen=True, eq=False):
    """`columns[starts[i]:starts[i + 1]]` are the numbers of the nodes in edge `edges[i]`, each once, ascending.

    `nodes[j]` is the id of node `j`, `numbers` its inverse.
    """

    nodes: list[str]
    edges: list[str]
    numbers: dict[str, int]
    starts: Counts
    columns: Counts

    def degrees(self) -> Counts:
        """How many edges each node is a member of."""
        return np.bincount(self.columns, minlength=len(self.nodes)).astype(np.int32)

    def sizes(self) -> Counts:
        """How many different members each edge has."""
        return np.diff(self.starts).astype(np.int32)

    def marked(self, node_ids: Iterable[str]) -> Marks:
        """A mark for each node that is in `node_ids`."""
        marks = np.zeros(len(self.nodes), dtype=np.bool_)
        numbers = [number for node_id in node_ids if (number := self.numbers.get(node_id)) is not None]
        marks[numbers] = True
        return marks

    def inside(self, marks: Marks) -> list[str]:
        """Ids of the edges all of whose members are marked."""
        return self._picked(self._hits(marks) == np.diff(self.starts))

    def touching(self, marks: Marks) -> list[str]:
        """Ids of the edges with a marked member."""
        return self._picked(self._hits(marks) > 0)

    def matrix(self) -> Any:
        """Edges by nodes, ones where a node is a member (scipy CSR, float64)."""
        from scipy.sparse import csr_matrix  # noqa: PLC0415 - 0.1 s that only whole-graph reads pay

        ones = np.ones(len(self.columns))
        return csr_matrix((ones, self.columns, self.starts), shape=(len(self.edges), len(self.nodes)))

    def _hits(self, marks: Marks) -> NDArray[np.int64]:
        sums = np.concatenate(([0], np.cumsum(marks[self.columns], dtype=np.int64)))
        return sums[self.starts[1:]] - sums[self.starts[:-1]]

    def _picked(self, marks: Marks) -> list[str]:
        return [self.edges[number] for number in np.flatnonzero(marks)]


def incidence(picture: Picture) -> Incidence:
    """The arrays of a picture; of the live graph kept as long as its version stands."""
    if not isinstance(picture, Hypergraph):
        return _made(picture)
    known = _kept.get(picture)
    if known is None or known[0] != picture.version:
        known = _kept[picture] = (picture.version, _made(picture))
    return known[1]


def _made(picture: Picture) -> Incidence:
    nodes = list(picture.nodes)
    numbers = {node_id: number for number, node_id in enumerate(nodes)}
    edges = picture.edges.values()
    members = [_distinct(edge.nodes) for edge in edges]
    starts = np.zeros(len(members) + 1, dtype=np.int32)
    np.cumsum(np.fromiter(map(len, members), dtype=np.int32, count=len(members)), out=starts[1:])
    flat = np.fromiter(
        map(numbers.__getitem__, chain.from_iterable(members)), dtype=np.int32, count=int(starts[-1])
    )
    # Ascending within each edge: sort by (edge, node) as one number.
    rows = np.repeat(np.arange(len(members), dtype=np.int64), np.diff(starts))
    order = np.argsort(rows * (len(nodes) + 1) + flat, kind="stable")
    return Incidence(nodes, [edge.id for edge in edges], numbers, starts, flat[order])


def _distinct(members: tuple[str, ...]) -> Collection[str]:
    return members if len(members) == 1 else dict.fromkeys(members)


_kept: WeakKeyDictionary[Hypergraph, tuple[int, Incidence]] = WeakKeyDictionary()
"""Goes with the graph it is of."""
