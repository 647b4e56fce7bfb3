"""The databases: what the tmpfs cache and the audit log may take up, and for how long.

Both have a size budget as well as an age, because a burst fills a disk long before a day is over.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

MIB = 1 << 20
GIB = 1 << 30


class Hot(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[hot]`: hotpath.db, the cache on the tmpfs."""

    budget_bytes: Annotated[int, Meta(ge=MIB, le=1 << 40)] = 1 * GIB
    """Bytes the database may take, write-ahead log included; at most 60 % of its file system is used of it."""
    retention_s: Annotated[float, Meta(ge=60, le=366 * 86_400)] = 86_400.0
    """Seconds raw events, model outputs and SHRINK metrics are kept, counted from their ingest time."""
    soc_retention_s: Annotated[float, Meta(ge=60, le=366 * 86_400)] = 7 * 86_400.0
    """Seconds SOC events are kept."""
    cleanup_s: Annotated[float, Meta(ge=1, le=3600)] = 10.0
    """Seconds between two clean-ups."""
    fallback: Annotated[str, Meta(max_length=4096)] = ""
    """File used while the tmpfs is away. Empty: hotpath-fallback.db among the durable stores."""


class Audit(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[audit]`: the durable log of every event."""

    budget_bytes: Annotated[int, Meta(ge=8 * MIB, le=1 << 44)] = 20 * GIB
    """Bytes all segments may take. Beyond it the oldest sealed one goes, and a history_removed row says so."""
    segment_bytes: Annotated[int, Meta(ge=MIB, le=16 * GIB)] = 1 * GIB
    """A segment is sealed at midnight UTC, or at this size."""
    anchor_rows: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    """Rows between two anchors at most."""
    anchor_s: Annotated[float, Meta(ge=1, le=3600)] = 60.0
    """Seconds between two anchors at most: how much of a cut tail could go unnoticed."""
    janitor_s: Annotated[float, Meta(ge=1, le=3600)] = 5.0
    """Seconds between two trims of the streams."""
