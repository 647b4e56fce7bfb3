"""What can be asked of the graph, of the live one and of a past one alike.

Look-ups by index answer ids of at least those that fit: of a past moment some that do not fit any more come along,
and ids that are not in that picture may too. Whoever asks holds each candidate against the exact condition.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from dsmil.errors import DsmilError
from dsmil.graph.entity import Edge, Node
from dsmil.graph.indices import Value

Box = tuple[float, float, float, float]


class TooOld(DsmilError):
    """A moment before the earliest that is kept: ask for a later one."""


class Picture(Protocol):
    """The state after the event numbered `sequence`, which dsmil first saw at `ts` (Unix seconds)."""

    @property
    def epoch(self) -> str:
        """Which run of numbers `sequence` belongs to."""

    @property
    def sequence(self) -> int:
        """Number of the last event in it; 0 before the first."""

    @property
    def ts(self) -> float:
        """Ingest time of that event."""

    @property
    def nodes(self) -> Mapping[str, Node]:
        """Nodes by id."""

    @property
    def edges(self) -> Mapping[str, Edge]:
        """Edges by id."""

    def members(self, edge_id: str) -> tuple[str, ...]:
        """The node ids of an edge; empty where it is not there."""

    def memberships(self, node_id: str) -> Collection[str]:
        """The ids of the edges a node is a member of."""

    def lone_edges(self) -> Collection[str]:
        """Ids of edges with one member only, however often they name it."""

    def nodes_of_kind(self, kind: str) -> Collection[str]:
        """Ids of nodes of a kind."""

    def edges_of_kind(self, kind: str) -> Collection[str]:
        """Ids of edges of a kind."""

    def nodes_with_label(self, key: str, value: Value) -> Collection[str]:
        """Ids of nodes whose label `key` is, or lists, `value`; a number also finds texts that read as it."""

    def edges_with_label(self, key: str, value: Value) -> Collection[str]:
        """The same of edges."""

    def nodes_near(self, lat: float, lon: float, radius_m: float) -> Collection[str]:
        """Ids of nodes within `radius_m` metres of a place."""

    def nodes_in_box(self, box: Box) -> Collection[str]:
        """Ids of nodes in [lat1, lon1, lat2, lon2]; lon1 > lon2 crosses the antimeridian."""

    def nodes_in_band(self, low: float, high: float) -> Collection[str]:
        """Ids of nodes with low <= frequency <= high (MHz)."""

    def nodes_since(self, ts: float) -> Collection[str]:
        """Ids of nodes seen at `ts` or later."""

    def edges_since(self, ts: float) -> Collection[str]:
        """Ids of edges seen at `ts` or later."""
