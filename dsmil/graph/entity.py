"""Nodes and edges: plain, frozen, so that a past state is simply one that is still held.

A change makes a new one (`dsmil.graph.fold`); nobody else does. Their JSON form is that of the API.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from dsmil.events.graph import Seen

Facts = dict[str, Any]
Place = tuple[float, ...]


class Node(Struct, frozen=True, gc=False):
    """One entity. `position` [lat, lon] or [lat, lon, alt] in WGS-84 degrees and metres, `frequency` MHz;
    `created_at` and `updated_at` are the least and the greatest time it was seen (Unix seconds).

    `fresh` and `times` say when each key was seen (`dsmil.graph.stamps`), `seen` by which sources; the dicts are
    never written to again.
    """

    id: str
    kind: str
    position: Place | None
    frequency: float | None
    labels: Facts
    metadata: Facts
    created_at: float
    updated_at: float
    fresh: frozenset[str]
    times: dict[str, float]
    seen: tuple[Seen, ...]

    def to_dict(self) -> Facts:
        """Its JSON form (contract 6)."""
        return {
            "id": self.id, "kind": self.kind, "position": self.position, "frequency": self.frequency,
            "labels": self.labels, "metadata": told(self.metadata, self.seen),
            "created_at": self.created_at, "updated_at": self.updated_at,
        }  # fmt: skip


class Edge(Struct, frozen=True, gc=False):
    """One edge over `nodes` (ids, in the order they were given); with two or more it is a hyperedge.
    `timestamp` is the greatest time it was seen (Unix seconds)."""

    id: str
    kind: str
    nodes: tuple[str, ...]
    weight: float
    labels: Facts
    metadata: Facts
    created_at: float
    timestamp: float
    fresh: frozenset[str]
    times: dict[str, float]
    seen: tuple[Seen, ...]

    def to_dict(self) -> Facts:
        """Its JSON form (contract 6)."""
        return {
            "id": self.id, "kind": self.kind, "nodes": self.nodes, "weight": self.weight,
            "labels": self.labels, "metadata": told(self.metadata, self.seen), "timestamp": self.timestamp,
        }  # fmt: skip


Entity = Node | Edge


def told(metadata: Facts, seen: tuple[Seen, ...]) -> Facts:
    """Metadata with the provenance rows in it, as the outside sees it."""
    if not seen:
        return metadata
    rows = [
        {"source": row.source, "first_ts": row.first_ts, "last_ts": row.last_ts, "count": row.count}
        for row in seen
    ]
    return {**metadata, "provenance": rows}
