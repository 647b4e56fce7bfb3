"""The hypergraph in memory: nodes, edges over any number of them, and indices that are right after every event.

Reading is open to all; only `dsmil.graph.fold` changes it, through `replace_node` and `replace_edge`, so that what is
in it is exactly what the events say. Entities are frozen: a reader may keep one, a past picture is made of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from dsmil.graph.bands import Bands
from dsmil.graph.counters import Counters, Leaders
from dsmil.graph.entity import Edge, Node
from dsmil.graph.indices import Index, Value
from dsmil.graph.past import Past
from dsmil.graph.picture import Box, Picture
from dsmil.graph.spatial import Spatial
from dsmil.graph.undo import UNDO_MAX, Undo

FEW = 8
"""Edges of a node up to which a tuple holds them in a third of a set's memory."""

Joined = tuple[str, ...] | set[str]


class Hypergraph:
    """A `Picture` of the present. `sequence` is the number of the last event folded in, `ts` its ingest time;
    `version` grows with every change, `refused` counts events that could not be read."""

    def __init__(self, *, epoch: str = "", undo_max: int = UNDO_MAX) -> None:
        self.epoch = epoch
        self.sequence = 0
        self.ts = 0.0
        self.version = 0
        self.refused = 0
        self._nodes: dict[str, Node] = {}
        self._edges: dict[str, Edge] = {}
        self._joined: dict[str, Joined] = {}
        self._lone: set[str] = set()
        self._node_index = Index()
        self._edge_index = Index()
        self.places = Spatial()
        self._bands = Bands()
        self.undo = Undo(undo_max)
        self.nodes: Mapping[str, Node] = MappingProxyType(self._nodes)
        self.edges: Mapping[str, Edge] = MappingProxyType(self._edges)
        self._leaders = Leaders(self._joined)
        self.counters = Counters(self._node_index, self._edge_index, self._leaders, self.degree)

    def degree(self, node_id: str) -> int:
        """How many edges a node is a member of."""
        return len(self._joined.get(node_id, ()))

    def members(self, edge_id: str) -> tuple[str, ...]:
        """The node ids of an edge; empty where it is not there."""
        edge = self._edges.get(edge_id)
        return () if edge is None else edge.nodes

    def memberships(self, node_id: str) -> Collection[str]:
        """The ids of the edges a node is a member of; not to be kept over a change."""
        return self._joined.get(node_id, ())

    def lone_edges(self) -> Collection[str]:
        """Ids of edges with one member only, however often they name it."""
        return self._lone

    def nodes_of_kind(self, kind: str) -> Collection[str]:
        """Ids of nodes of a kind."""
        return self._node_index.with_kind(kind)

    def edges_of_kind(self, kind: str) -> Collection[str]:
        """Ids of edges of a kind."""
        return self._edge_index.with_kind(kind)

    def nodes_with_label(self, key: str, value: Value) -> Collection[str]:
        """Ids of nodes whose label `key` is, or lists, `value`; a number also finds texts that read as it."""
        return self._node_index.with_label(key, value)

    def edges_with_label(self, key: str, value: Value) -> Collection[str]:
        """The same of edges."""
        return self._edge_index.with_label(key, value)

    def nodes_near(self, lat: float, lon: float, radius_m: float) -> Collection[str]:
        """Ids of nodes within `radius_m` metres of a place (great circle)."""
        return self.places.near(lat, lon, radius_m)

    def nodes_in_box(self, box: Box) -> Collection[str]:
        """Ids of nodes in [lat1, lon1, lat2, lon2]; lon1 > lon2 crosses the antimeridian."""
        return self.places.in_box(box)

    def nodes_in_band(self, low: float, high: float) -> Collection[str]:
        """Ids of nodes with low <= frequency <= high (MHz)."""
        return self._bands.within(low, high)

    def nodes_since(self, ts: float) -> Collection[str]:
        """Ids of nodes seen at `ts` or later, and of some a little earlier."""
        return self._node_index.since(ts)

    def edges_since(self, ts: float) -> Collection[str]:
        """The same of edges."""
        return self._edge_index.since(ts)

    def as_of(self, sequence: int) -> Picture:
        """The picture after event `sequence`, valid until the next change; TooOld before what is kept here."""
        if sequence >= self.sequence:
            return self
        return Past(self, self.undo.after(sequence), sequence=sequence, ts=self.undo.ts_of(sequence))

    def sequence_at(self, ts: float) -> int:
        """The number of the last event that came in at `ts` (Unix seconds) or earlier; TooOld before what is kept."""
        return self.undo.moment(ts)[0]

    def touched(self, from_sequence: int, to_sequence: int) -> tuple[set[str], set[str]]:
        """Ids of the nodes and of the edges that events in (from, to] changed; TooOld before what is kept."""
        nodes: set[str] = set()
        edges: set[str] = set()
        for sequence, _, changes in self.undo.after(from_sequence):
            if sequence <= to_sequence:
                for entity_id, _, is_edge in changes:
                    (edges if is_edge else nodes).add(entity_id)
        return nodes, edges

    def replace_node(self, node_id: str, old: Node | None, new: Node | None) -> None:
        """For `fold` alone: a node is another one now; null: it was not, or is not any more."""
        if new is None:
            del self._nodes[node_id]
        else:
            self._nodes[node_id] = new
        was = old or _NO_NODE
        now = new or _NO_NODE
        index = self._node_index
        if old is None or new is None or old.kind != new.kind:
            index.rekind(node_id, None if old is None else old.kind, None if new is None else new.kind)
        if was.labels is not now.labels and was.labels != now.labels:
            index.relabel(node_id, was.labels, now.labels)
        if was.updated_at != now.updated_at or old is None or new is None:
            index.reseen(
                node_id, None if old is None else old.updated_at, None if new is None else new.updated_at
            )
        if was.position != now.position:
            self.places.move(node_id, was.position, now.position)
        if was.frequency != now.frequency:
            self._bands.move(node_id, was.frequency, now.frequency)

    def replace_edge(self, edge_id: str, old: Edge | None, new: Edge | None) -> None:
        """For `fold` alone: an edge is another one now; null: it was not, or is not any more."""
        if new is None:
            del self._edges[edge_id]
        else:
            self._edges[edge_id] = new
        was = old or _NO_EDGE
        now = new or _NO_EDGE
        index = self._edge_index
        if old is None or new is None or old.kind != new.kind:
            index.rekind(edge_id, None if old is None else old.kind, None if new is None else new.kind)
        if was.labels is not now.labels and was.labels != now.labels:
            index.relabel(edge_id, was.labels, now.labels)
        if was.timestamp != now.timestamp or old is None or new is None:
            index.reseen(edge_id, None if old is None else old.timestamp, None if new is None else new.timestamp)
        if was.nodes != now.nodes:
            self._rejoin(edge_id, was.nodes, now.nodes)

    def fill(self, nodes: Iterable[Node], edges: Iterable[Edge]) -> None:
        """For `restore` alone: all nodes and edges of an empty graph, in a third of the time it takes one by one."""
        self._nodes.update((node.id, node) for node in nodes)
        self._edges.update((edge.id, edge) for edge in edges)
        self._node_index.fill((node.id, node.kind, node.labels, node.updated_at) for node in self._nodes.values())
        self._edge_index.fill((edge.id, edge.kind, edge.labels, edge.timestamp) for edge in self._edges.values())
        for node in self._nodes.values():
            if node.position is not None:
                self.places.move(node.id, None, node.position)
            if node.frequency is not None:
                self._bands.move(node.id, None, node.frequency)
        joined: dict[str, list[str]] = {}
        for edge in self._edges.values():
            members = set(edge.nodes)
            if len(members) < 2:
                self._lone.add(edge.id)
            for node_id in members:
                joined.setdefault(node_id, []).append(edge.id)
        for node_id, held in joined.items():
            self._joined[node_id] = tuple(held) if len(held) <= FEW else set(held)
        self._leaders.fill({node_id: len(held) for node_id, held in joined.items()})

    def _rejoin(self, edge_id: str, old: tuple[str, ...], new: tuple[str, ...]) -> None:
        if new and new.count(new[0]) == len(new):
            self._lone.add(edge_id)
        elif old:
            self._lone.discard(edge_id)
        for node_id in set(old).difference(new) if old else ():
            self._part(node_id, edge_id)
        for node_id in set(new).difference(old):
            self._join(node_id, edge_id)

    def _join(self, node_id: str, edge_id: str) -> None:
        held = self._joined.get(node_id, ())
        if isinstance(held, set):
            held.add(edge_id)
        else:
            held = self._joined[node_id] = (*held, edge_id) if len(held) < FEW else {*held, edge_id}
        self._leaders.gained(node_id, len(held))

    def _part(self, node_id: str, edge_id: str) -> None:
        held = self._joined[node_id]
        if isinstance(held, set):
            held.discard(edge_id)
        else:
            held = self._joined[node_id] = tuple(one for one in held if one != edge_id)
        self._leaders.lost(node_id, len(held))
        if not held:
            del self._joined[node_id]


_NO_NODE = Node("", "", None, None, {}, {}, 0.0, 0.0, frozenset(), {}, ())
_NO_EDGE = Edge("", "", (), 0.0, {}, {}, 0.0, 0.0, frozenset(), {}, ())
