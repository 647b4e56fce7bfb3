"""The projector: how often it keeps what it knows, and how much of it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class Projector(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[projector]`: device 62, which keeps the graph for good and shows it."""

    batch: Annotated[int, Meta(ge=1, le=5000)] = 500
    """Entries read at once."""
    snapshot_s: Annotated[float, Meta(ge=30, le=300)] = 60.0
    """Seconds between two snapshots of the graph, where it has changed: how much is replayed after a crash. In a
    flood they come sooner, every 25,000 events."""
    keep: Annotated[int, Meta(ge=2, le=100)] = 5
    """Newest snapshots that are kept; GRAPH_EVENTS is not trimmed beyond the oldest of them, up to 25,000 events."""
    keep_hours: Annotated[int, Meta(ge=0, le=8784)] = 24
    """Hours for which one snapshot of each is kept besides, so that as_of reaches so far back; 0: none."""
    heartbeat_s: Annotated[float, Meta(ge=1, le=30)] = 30.0
    """Seconds between two rows of device 62 in device_status; a device silent for 60 s is OFFLINE."""
