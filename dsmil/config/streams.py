"""The streams: how much they hold, for how long, and when an entry is given up on.

A stream at its cap slows its producers; nothing that a required group has not acknowledged is ever trimmed.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class Streams(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[streams]`: Redis Streams, their groups and their trimming."""

    cap: Annotated[int, Meta(ge=1_000, le=10_000_000)] = 100_000
    """Entries a stream may hold before it slows its producers (about 300 bytes of Redis memory each)."""
    soc_cap: Annotated[int, Meta(ge=1_000, le=10_000_000)] = 500_000
    """The same for SOC_EVENTS, which is kept longest."""
    retention_s: Annotated[float, Meta(ge=60, le=366 * 86_400)] = 86_400.0
    """Seconds acknowledged entries are kept for readers who come later."""
    soc_retention_s: Annotated[float, Meta(ge=60, le=366 * 86_400)] = 7 * 86_400.0
    """The same for SOC_EVENTS."""
    batch: Annotated[int, Meta(ge=1, le=1_000)] = 200
    """Most entries a consumer takes of one stream at a time: more saves no time and delays the stop."""
    attempts: Annotated[int, Meta(ge=1, le=100)] = 5
    """Failures of an entry alone in its batch before it goes to DEAD_LETTER."""
    crash_deliveries: Annotated[int, Meta(ge=4, le=1_000)] = 10
    """Starts of a daemon that an entry alone in its batch may end before it goes to DEAD_LETTER."""
    claim_idle_s: Annotated[float, Meta(ge=1, le=86_400)] = 60.0
    """Seconds another consumer's entries must lie untouched before they are claimed; at least three times the
    longest batch."""
    consumer_idle_s: Annotated[float, Meta(ge=60, le=366 * 86_400)] = 3_600.0
    """Seconds after which an idle consumer that holds no entries is removed from its group."""
    checkpoint_s: Annotated[float, Meta(ge=0.1, le=600)] = 5.0
    """Seconds between two checkpoints of a stateful daemon: how much it replays after a crash."""

    def cap_of(self, stream: str) -> int:
        """How many entries a stream may hold."""
        return self.soc_cap if stream == "SOC_EVENTS" else self.cap

    def retention_of(self, stream: str) -> float:
        """How many seconds a stream keeps what was acknowledged."""
        return self.soc_retention_s if stream == "SOC_EVENTS" else self.retention_s
