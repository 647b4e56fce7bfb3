"""The suite as its heartbeats and streams show it, for /metrics and /health/detailed.

Read when asked for and kept for a second, so any number of scrapers costs what one does.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from dsmil.clock import SYSTEM, Clock
from dsmil.config import Settings
from dsmil.errors import DsmilError
from dsmil.fabric.heartbeat import heartbeat_key
from dsmil.fabric.wire import Wire
from dsmil.runtime.health import decode

if TYPE_CHECKING:
    from redis import Redis

KEPT_S = 1.0
REDIS_S = 2.0
"""Longest wait for one reply: with a Redis that hangs, who asks is to be told so before he gives up."""
ERROR_CHARS_MAX = 300


class Suite:
    """Looks at the suite, for any thread. Unavailable where Redis is away."""

    def __init__(self, settings: Settings, *, clock: Clock = SYSTEM) -> None:
        self._settings = settings
        self._clock = clock
        self._busy = threading.Lock()
        self._client: Redis | None = None
        self._wire = Wire(settings.redis.address(), name="api-side", timeout_s=REDIS_S)
        self._played: float | None = None
        self._played_until = float("-inf")
        self._text = ""
        self._until = float("-inf")

    def text(self) -> str:
        """All metrics, at most a second old."""
        # The machinery is loaded by the first who asks: 10 MB that an API nobody scrapes need not hold.
        from dsmil.watch import exporter  # noqa: PLC0415

        with self._busy:
            if self._clock.monotonic() >= self._until:
                self._text = exporter.text(self._redis(), self._settings, self._clock.now())
                self._until = self._clock.monotonic() + KEPT_S
            return self._text

    def states(self) -> list[dict[str, Any]]:
        """Name, state, age of the last heartbeat, lag and last error of every daemon."""
        from dsmil.fabric.client import translated  # noqa: PLC0415
        from dsmil.watch import readings  # noqa: PLC0415

        with self._busy, translated("read the suite"):
            client, now = self._redis(), self._clock.now()
            rows = readings.daemons(client, now, readings.streams(client, now))
        return [
            {
                "name": row.daemon, "state": row.state.value, "age_s": row.age_s, "lag_s": row.lag_s,
                "version": row.beat.version if row.beat else None,
                "error": (row.beat.error or "")[:ERROR_CHARS_MAX] or None if row.beat else None,
            }
            for row in rows
        ]  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        """{sequence_id, age_s, latency_s} of the projector's newest snapshot; null what is not known."""
        from dsmil.watch import standing  # noqa: PLC0415

        kept = standing.snapshots(self._settings)
        newest = kept[0] if kept else None
        return {
            "sequence_id": newest.sequence if newest else None,
            "age_s": max(0.0, self._clock.now() - newest.created_ts) if newest else None,
            "latency_s": self._latency_s(),
        }

    def playback(self) -> float | None:
        """Where the recordings being played are (Unix seconds); null while none are, or Redis is away."""
        now = self._clock.monotonic()
        with self._busy:
            if now >= self._played_until:
                self._played, self._played_until = self._pointer(), now + KEPT_S
            return self._played

    def open(self) -> None:
        """Nothing: the connection is made when first needed."""

    def close(self) -> None:
        """Drop the connection."""
        self._wire.close()
        if self._client is not None:
            self._client.close()

    def _pointer(self) -> float | None:
        from dsmil.sensors.playback import SharedPointer  # noqa: PLC0415

        try:
            pointer = SharedPointer(self._wire.call).read()
            return float(pointer["position_ts"]) if pointer.get("state") == "play" else None
        except (DsmilError, KeyError, ValueError):
            return None

    def _latency_s(self) -> float | None:
        """What the projector says its last snapshot took."""
        try:
            with self._busy:
                beat = self._wire.call("GET", heartbeat_key("projector"))
            taken = decode(beat).stats.get("snapshot_s") if isinstance(beat, bytes) else None
        except DsmilError:
            return None
        return float(taken) if isinstance(taken, int | float) and taken > 0 else None

    def _redis(self) -> Redis:
        from dsmil.fabric.client import connect  # noqa: PLC0415

        if self._client is None:
            self._client = connect(self._settings.redis, "api-look", timeout_s=REDIS_S)
        return self._client
