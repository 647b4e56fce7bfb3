"""The graph as it was: the present, with what changed since laid over it.

Valid only until the next change of the live graph. Its look-ups answer what the live indices say and everything
that has changed since, so nothing that fitted then is missed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TypeVar

from dsmil.graph.entity import Edge, Node
from dsmil.graph.indices import Value
from dsmil.graph.picture import Box, Picture
from dsmil.graph.undo import Step

E = TypeVar("E", bound=Node | Edge)


class Overlaid(Mapping[str, E]):
    """A mapping with some entries replaced, added or (null) taken away."""

    def __init__(self, present: Mapping[str, E], before: Mapping[str, E | None]) -> None:
        self._present = present
        self._before = before
        gone = sum(one is None and key in present for key, one in before.items())
        new = sum(one is not None and key not in present for key, one in before.items())
        self._length = len(present) - gone + new

    def __getitem__(self, key: str) -> E:
        """The entity; KeyError where there was none."""
        found = self._before[key] if key in self._before else self._present[key]
        if found is None:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[str]:
        """The ids."""
        yield from (key for key in self._present if key not in self._before)
        yield from (key for key, one in self._before.items() if one is not None)

    def __len__(self) -> int:
        """How many there were."""
        return self._length


class Past:
    """A `Picture` of an earlier moment: `steps` are the events since, newest first."""

    def __init__(self, live: Picture, steps: Iterator[Step], *, sequence: int, ts: float) -> None:
        nodes: dict[str, Node | None] = {}
        edges: dict[str, Edge | None] = {}
        for _, _, changes in steps:
            for entity_id, before, is_edge in changes:
                # The earliest change is met last, and what was before it is what was then.
                (edges if is_edge else nodes)[entity_id] = before  # type: ignore[assignment]
        self.epoch, self.sequence, self.ts = live.epoch, sequence, ts
        self.nodes: Mapping[str, Node] = Overlaid(live.nodes, nodes)
        self.edges: Mapping[str, Edge] = Overlaid(live.edges, edges)
        self._live = live
        self._nodes, self._edges = nodes, edges
        self._joined: dict[str, list[str]] = {}
        for edge_id, edge in edges.items():
            for node_id in dict.fromkeys(edge.nodes) if edge is not None else ():
                self._joined.setdefault(node_id, []).append(edge_id)

    def members(self, edge_id: str) -> tuple[str, ...]:
        """The node ids of an edge; empty where it was not there."""
        edge = self.edges.get(edge_id)
        return () if edge is None else edge.nodes

    def memberships(self, node_id: str) -> Collection[str]:
        """The ids of the edges a node was a member of."""
        kept = [edge_id for edge_id in self._live.memberships(node_id) if edge_id not in self._edges]
        return kept + self._joined.get(node_id, [])

    def lone_edges(self) -> Collection[str]:
        """Ids of edges with one member only, and of those that changed since."""
        return self._with(self._live.lone_edges(), self._edges)

    def nodes_of_kind(self, kind: str) -> Collection[str]:
        """Ids of nodes of a kind, and of those that changed since."""
        return self._with(self._live.nodes_of_kind(kind), self._nodes)

    def edges_of_kind(self, kind: str) -> Collection[str]:
        """Ids of edges of a kind, and of those that changed since."""
        return self._with(self._live.edges_of_kind(kind), self._edges)

    def nodes_with_label(self, key: str, value: Value) -> Collection[str]:
        """Ids of nodes with a label, and of those that changed since."""
        return self._with(self._live.nodes_with_label(key, value), self._nodes)

    def edges_with_label(self, key: str, value: Value) -> Collection[str]:
        """Ids of edges with a label, and of those that changed since."""
        return self._with(self._live.edges_with_label(key, value), self._edges)

    def nodes_near(self, lat: float, lon: float, radius_m: float) -> Collection[str]:
        """Ids of nodes near a place, and of those that changed since."""
        return self._with(self._live.nodes_near(lat, lon, radius_m), self._nodes)

    def nodes_in_box(self, box: Box) -> Collection[str]:
        """Ids of nodes in a box, and of those that changed since."""
        return self._with(self._live.nodes_in_box(box), self._nodes)

    def nodes_in_band(self, low: float, high: float) -> Collection[str]:
        """Ids of nodes in a band, and of those that changed since."""
        return self._with(self._live.nodes_in_band(low, high), self._nodes)

    def nodes_since(self, ts: float) -> Collection[str]:
        """Ids of nodes seen since, and of those that changed since."""
        return self._with(self._live.nodes_since(ts), self._nodes)

    def edges_since(self, ts: float) -> Collection[str]:
        """Ids of edges seen since, and of those that changed since."""
        return self._with(self._live.edges_since(ts), self._edges)

    @staticmethod
    def _with(found: Collection[str], changed: Mapping[str, object]) -> Collection[str]:
        return {*found, *changed}
