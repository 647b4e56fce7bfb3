"""What a source has received, taken and refused, as a `source.stats` event.

The events come from the daemon, not from the source it speaks of: they carry the time of the clock, and must
move neither the counter nor the watermark of a recording that is ten years old.
"""

from __future__ import annotations

import secrets

from dsmil.clock import Clock
from dsmil.events import ids
from dsmil.events.enums import Category, TsBasis
from dsmil.events.envelope import Event, encode, pack
from dsmil.events.source import SourceStats
from dsmil.sensors.record import Tally
from dsmil.sensors.stamp import Origin

STATS_EVERY_S = 10.0
"""How often each source speaks of itself (sensors 1)."""
ERROR_MAX = 512
"""Characters of a source's last error that are told."""


class Counts(Tally):
    """A source's tally, and what its transport knows."""

    def __init__(self) -> None:
        super().__init__()
        self.dropped = 0
        self.last_data_ts: float | None = None
        self.last_error: str | None = None

    def told(self, origin: Origin, *, ended: bool = False) -> SourceStats:
        """These counts as a payload."""
        return SourceStats(
            source=origin.source,
            received=self.received,
            accepted=self.accepted,
            rejected=dict(self.rejected),
            ignored=self.ignored,
            dropped=self.dropped,
            events=self.events,
            last_data_ts=self.last_data_ts,
            last_error=self.last_error[:ERROR_MAX] if self.last_error else None,
            live=origin.live,
            ended=ended,
        )


class Speaker:
    """Encodes a daemon's `source.stats` events: one run, one counter."""

    def __init__(self, daemon: str, *, device: int, clock: Clock, run: str | None = None) -> None:
        self._daemon = daemon
        self._device = device
        self._clock = clock
        self.run = run or secrets.token_hex(8)
        self._seq = 0

    def tell(self, counts: Counts, origin: Origin, *, ended: bool = False) -> bytes:
        """The event that says how a source stands now."""
        self._seq += 1
        now = self._clock.now()
        return encode(
            Event(
                event_id=self._name(origin, ended),
                ts=now,
                ts_basis=TsBasis.INGEST,
                ingest_ts=now,
                source_device=self._device,
                source_layer=0,
                source=self._daemon,
                source_epoch=self.run,
                source_seq=self._seq,
                category=Category.SYSTEM,
                kind="source.stats",
                payload=pack(counts.told(origin, ended=ended)),
            )
        )

    def _name(self, origin: Origin, ended: bool) -> str:
        if ended and origin.sha256 is not None:
            # The sums at the end of a file are part of what the file says: the same however often it is read.
            return ids.digest("stats", origin.sha256, str(origin.loop))
        return ids.network(self._daemon, self.run, self._seq)
