"""Counts that are kept up at every change and never taken anew: per kind, per label, degrees, the most connected."""

from __future__ import annotations

from collections.abc import Callable
from heapq import nsmallest

from dsmil.graph.indices import Index, Value


class Counters:
    """Reads of the graph's counts. `degree_of` answers how many edges a node is a member of."""

    def __init__(self, nodes: Index, edges: Index, degree_of: Callable[[str], int]) -> None:
        self._nodes = nodes
        self._edges = edges
        self.degree = degree_of
        self._by_degree: dict[int, set[str]] = {}

    @property
    def node_kinds(self) -> dict[str, int]:
        """Nodes per kind."""
        return {kind: len(held) for kind, held in sorted(self._nodes.kinds.items())}

    @property
    def edge_kinds(self) -> dict[str, int]:
        """Edges per kind."""
        return {kind: len(held) for kind, held in sorted(self._edges.kinds.items())}

    @property
    def labels(self) -> dict[tuple[str, Value], int]:
        """Nodes per (label, value)."""
        return {(key, value): count for key, value, count in self._nodes.label_counts()}

    def top_central(self, count: int = 5) -> list[tuple[str, int]]:
        """The `count` nodes with most edges, (id, degree), the lesser id first among equals."""
        found: list[tuple[str, int]] = []
        for degree in sorted(self._by_degree, reverse=True):
            if len(found) >= count:
                break
            found += [(one, degree) for one in nsmallest(count - len(found), self._by_degree[degree])]
        return found

    def degrees(self) -> dict[int, int]:
        """How many nodes have each degree above 0."""
        return {degree: len(held) for degree, held in sorted(self._by_degree.items())}

    def redegree(self, node_id: str, old: int, new: int) -> None:
        """A node's degree changed."""
        if old:
            held = self._by_degree[old]
            held.discard(node_id)
            if not held:
                del self._by_degree[old]
        if new:
            self._by_degree.setdefault(new, set()).add(node_id)
