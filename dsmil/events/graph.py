"""What the suite says of the graph: one patch of one node or edge per event.

A patch touches only the keys it names; create and update mean the same (an id that is not there yet is made), so a
sensor need not know what is. In `labels` and `metadata` a null removes a key. What sensors see carries the time of
each key, so that an old file read late never moves a ship back; what people write wins by its place in the stream.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

NODE_CREATE = "graph.node_create"
NODE_UPDATE = "graph.node_update"
NODE_DELETE = "graph.node_delete"
EDGE_CREATE = "graph.edge_create"
EDGE_UPDATE = "graph.edge_update"
EDGE_DELETE = "graph.edge_delete"

KINDS = frozenset({NODE_CREATE, NODE_UPDATE, NODE_DELETE, EDGE_CREATE, EDGE_UPDATE, EDGE_DELETE})
"""The envelope kinds of GRAPH_EVENTS."""
SEEN_MAX = 16
"""Provenance rows of one entity: the sources heard last."""
COUNT_MAX = 2**53
"""Sightings a provenance row counts; beyond it stays there. Every reader of JSON holds it exactly."""
MEMBERS_MAX = 256
"""Members of one hyperedge that a single event may name (64 KiB hold them)."""

EntityId = Annotated[str, Meta(min_length=1, max_length=512)]
Word = Annotated[str, Meta(min_length=1, max_length=64)]
Key = Annotated[str, Meta(min_length=1, max_length=128)]
Position = Annotated[tuple[float, ...], Meta(min_length=2, max_length=3)]
"""[lat, lon] or [lat, lon, alt]: WGS-84 degrees, lat within 90 and lon within 180, and metres."""
Megahertz = Annotated[float, Meta(ge=0.0, le=1_000_000.0)]
Facts = dict[Key, Any]


class Seen(Struct, frozen=True, array_like=True):
    """That `source` saw an entity `count` times between two times (Unix seconds)."""

    source: str
    first_ts: float
    last_ts: float
    count: Annotated[int, Meta(ge=0, le=COUNT_MAX)] = 1


class Patch(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The payload of every kind in `KINDS`; a delete names the id alone.

    `times` holds the observation time of those keys (`position`, `labels.name`, `metadata.sog_kn`, ...) that were
    seen before the event's `ts`. `by` is who wrote it (an operator's id); empty: it was observed.
    """

    id: EntityId
    kind: Word | UnsetType = UNSET
    position: Position | UnsetType | None = UNSET
    frequency: Megahertz | UnsetType | None = UNSET
    nodes: Annotated[tuple[EntityId, ...], Meta(min_length=1, max_length=MEMBERS_MAX)] | UnsetType = UNSET
    weight: float | UnsetType = UNSET
    labels: Facts | UnsetType = UNSET
    metadata: Facts | UnsetType = UNSET
    seen: Annotated[tuple[Seen, ...], Meta(max_length=SEEN_MAX)] = ()
    times: dict[str, float] = {}
    by: str = ""
