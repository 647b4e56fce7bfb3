"""Counts that are kept up at every change and never taken anew: per kind, per label, degrees, the most connected."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from heapq import nsmallest

from dsmil.graph.indices import Index, Value

LEADERS_MAX = 512
"""Nodes that are watched as the most connected. A change elsewhere costs one comparison."""

Joined = Mapping[str, Collection[str]]


class Leaders:
    """The nodes of most edges, out of `joined` (edge ids by node id, at least one each); `degrees` counts nodes by
    their number of edges."""

    def __init__(self, joined: Joined, most: int = LEADERS_MAX) -> None:
        self._joined = joined
        self._most = most
        self._least = 1
        self._held: set[str] = set()
        self.degrees: dict[int, int] = {}

    def gained(self, node_id: str, degree: int) -> None:
        """A node has `degree` edges now, one more than before."""
        self._count(degree - 1, degree)
        if degree >= self._least:
            self._held.add(node_id)
            if len(self._held) > self._most:
                self._thin()

    def fill(self, degrees: Mapping[str, int]) -> None:
        """Many nodes at once that had no edge before."""
        for node_id, degree in degrees.items():
            self.degrees[degree] = self.degrees.get(degree, 0) + 1
            if degree >= self._least:
                self._held.add(node_id)
        self._thin()

    def lost(self, node_id: str, degree: int) -> None:
        """A node has `degree` edges now, one fewer than before."""
        self._count(degree + 1, degree)
        if degree < self._least:
            self._held.discard(node_id)

    def top(self, count: int) -> list[tuple[str, int]]:
        """The `count` nodes with most edges, the lesser id first among equals."""
        if len(self._held) < count and self._least > 1:
            self._held, self._least = set(self._joined), 1
            found = self._first(count)
            self._thin()
            return found
        return self._first(count)

    def _count(self, old: int, new: int) -> None:
        degrees = self.degrees
        if old:
            degrees[old] -= 1
            if not degrees[old]:
                del degrees[old]
        if new:
            degrees[new] = degrees.get(new, 0) + 1

    def _first(self, count: int) -> list[tuple[str, int]]:
        degrees = ((-len(self._joined[node_id]), node_id) for node_id in self._held)
        return [(node_id, -degree) for degree, node_id in nsmallest(count, degrees)]

    def _thin(self) -> None:
        """Keep those above the middle one: half of them, or fewer where many are equal."""
        if len(self._held) <= self._most:
            return
        ranked = sorted((len(self._joined[node_id]) for node_id in self._held), reverse=True)
        self._least = ranked[self._most // 2] + 1
        self._held = {node_id for node_id in self._held if len(self._joined[node_id]) >= self._least}


class Counters:
    """Reads of the graph's counts. `degree` answers how many edges a node is a member of."""

    def __init__(self, nodes: Index, edges: Index, leaders: Leaders, degree: Callable[[str], int]) -> None:
        self._nodes = nodes
        self._edges = edges
        self._leaders = leaders
        self.degree = degree

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

    def degrees(self) -> dict[int, int]:
        """How many nodes have each degree above 0."""
        return dict(sorted(self._leaders.degrees.items()))

    def top_central(self, count: int = 5) -> list[tuple[str, int]]:
        """The `count` nodes with most edges, (id, degree), the lesser id first among equals."""
        return self._leaders.top(count)
