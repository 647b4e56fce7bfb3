"""`rf.new_emitter`: a transmitter (model and id) heard for the first time after its source's learning hour.

Time is the source's own, so a recording without times teaches nothing and accuses nobody.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from dsmil.analytics import nodes
from dsmil.analytics.detector import NOTHING, Found, Seen
from dsmil.analytics.window import Table, pack_parts, restore_parts
from dsmil.config.detectors import L3, L3Rf
from dsmil.events.rf import Burst

SOURCES_MAX = 4096


class Heard(Struct):
    """An emitter, or a source and when its time began."""

    seen: float
    first_ts: float


class NewEmitter:
    """Remembers every emitter heard and when each source began."""

    name = "rf.new_emitter"
    device = 16
    kinds = frozenset({"rf.burst"})

    def __init__(self, settings: L3Rf, bounds: L3) -> None:
        self._set = settings
        self._bounds = bounds
        self.reset()

    def reset(self) -> None:
        """Forget all emitters."""
        self._sources: Table[str, Heard] = Table(str, Heard, count_max=SOURCES_MAX, idle_s=float("inf"))
        # A remote control may rest for months: emitters are forgotten by number, not by idle time.
        self._emitters: Table[str, Heard] = Table(
            str, Heard, count_max=self._bounds.entities_max, idle_s=float("inf")
        )

    def dump(self) -> bytes:
        """All sources and emitters."""
        return pack_parts(self._sources, self._emitters)

    def restore(self, data: bytes) -> None:
        """Take over what `dump` gave."""
        restore_parts(data, self._sources, self._emitters)

    def observe(self, seen: Seen) -> Iterable[Found]:
        """One burst."""
        if not seen.timed:
            return NOTHING
        burst: Burst = seen.payload
        event = seen.event
        source = self._sources.touch(event.source, event.ingest_ts)
        if source is None:
            # A live receiver began to listen when we heard of it; a relayed old burst does not say since when.
            live = event.raw is not None and event.raw.peer is not None
            source = Heard(event.ingest_ts, max(event.ts, event.ingest_ts) if live else event.ts)
            self._sources.put(event.source, source)
        emitter = nodes.rf(burst.model, burst.device_id)
        if self._emitters.touch(emitter, event.ingest_ts) is not None:
            return NOTHING
        self._emitters.put(emitter, Heard(event.ingest_ts, event.ts))
        listened = event.ts - source.first_ts
        if listened <= self._set.learning_s:
            return NOTHING
        level = f", {burst.rssi_db:.1f} dB" if burst.rssi_db is not None else ""
        freq = f" on {burst.freq_hz / 1e6:.3f} MHz" if burst.freq_hz else ""
        return [
            Found(
                decision=self.name,
                score=0.6,
                entities=(emitter,),
                explanation=f"Emitter {burst.model} id {burst.device_id or 'none'}{freq}{level} was not heard in "
                f"the {listened / 3600:.1f} h this receiver has listened before.",
                refs=(event.event_id,),
                ts=event.ts,
                features={
                    "model": burst.model, "device_id": burst.device_id, "freq_hz": burst.freq_hz,
                    "rssi_db": burst.rssi_db, "snr_db": burst.snr_db, "listened_s": round(listened, 1),
                },
            )
        ]  # fmt: skip
