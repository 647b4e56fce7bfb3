"""`rf.emitter_silent`: a transmitter that kept a period has missed many of them.

Its silence is measured by the watermark of the source, which only moves while others are received; bursts that
were lost on the way make an interval two or three periods long, and are read as such.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from dsmil.analytics import nodes
from dsmil.analytics.detector import NOTHING, Found, Seen
from dsmil.analytics.window import Table, median, pack_parts, restore_parts, variation
from dsmil.config.detectors import L3, L3Rf
from dsmil.events.rf import Burst

INTERVALS_MIN, INTERVALS_MAX = 8, 16
"""Intervals a period is reckoned from."""
REPEAT_S = 2.0
"""Bursts closer than this are repeats of one transmission, not periods."""
MISSED_MAX = 4
"""An interval of up to so many periods plus one is that many bursts lost; a longer one is a rest."""
HOLE_S = 300.0
"""A source silent for so long was off: silence counts from its return."""
STEP_S = 10.0


class Beat(Struct):
    """The rhythm of one emitter. `due` is the step of the event-time grid its silence is looked at, or -1."""

    seen: float
    ts: float
    event_id: str
    model: str
    device_id: str | None
    due: int = -1
    intervals: list[float] = []


class Pulse(Struct):
    """A source: when it was last heard, and when it last came back."""

    seen: float
    last_ts: float
    resumed_ts: float


class EmitterSilent:
    """Remembers the rhythm of each emitter at each source."""

    name = "rf.emitter_silent"
    device = 16
    kinds = frozenset({"rf.burst"})

    def __init__(self, settings: L3Rf, bounds: L3) -> None:
        self._set = settings
        self._bounds = bounds
        self.reset()

    def reset(self) -> None:
        """Forget all rhythms."""
        bounds = self._bounds
        self._beats: Table[tuple[str, str], Beat] = Table(
            tuple[str, str], Beat, count_max=bounds.entities_max, idle_s=bounds.idle_s
        )
        self._pulses: Table[str, Pulse] = Table(str, Pulse, count_max=bounds.entities_max, idle_s=bounds.idle_s)
        self._due: dict[str, dict[int, list[str]]] = {}

    def dump(self) -> bytes:
        """All rhythms."""
        return pack_parts(self._beats, self._pulses)

    def restore(self, data: bytes) -> None:
        """Take over what `dump` gave."""
        restore_parts(data, self._beats, self._pulses)
        self._due = {}
        for (source, emitter), beat in self._beats:
            if beat.due >= 0:
                self._due.setdefault(source, {}).setdefault(beat.due, []).append(emitter)

    def observe(self, seen: Seen) -> Iterable[Found]:
        """One burst: a beat of its emitter."""
        if not seen.timed:
            return NOTHING
        burst: Burst = seen.payload
        event = seen.event
        self._note(event.source, event.ts, event.ingest_ts)
        emitter = nodes.rf(burst.model, burst.device_id)
        key = (event.source, emitter)
        beat = self._beats.touch(key, event.ingest_ts)
        if beat is None:
            self._beats.put(key, Beat(event.ingest_ts, event.ts, event.event_id, burst.model, burst.device_id))
            return NOTHING
        interval = event.ts - beat.ts
        if 0 <= interval < REPEAT_S:
            return NOTHING
        if interval > 0:
            beat.intervals = [*beat.intervals, interval][-INTERVALS_MAX:]
        else:
            beat.intervals = []  # the recording began again
        beat.ts, beat.event_id = event.ts, event.event_id
        if beat.due < 0 and (period := self._period(beat)) is not None:
            self._schedule(event.source, emitter, beat, event.ts + self._set.silent_periods * period)
        return NOTHING

    def tick(self, source: str, watermark: float) -> Iterable[Found]:
        """Look at the emitters whose silence is due."""
        waiting = self._due.get(source)
        if not waiting:
            return NOTHING
        now = int(watermark // STEP_S)
        out: list[Found] = []
        for step in sorted(step for step in waiting if step <= now):
            for emitter in sorted(set(waiting.pop(step))):
                beat = self._beats.get((source, emitter))
                if beat is not None and beat.due == step:
                    beat.due = -1
                    out += self._look(source, emitter, beat, watermark)
        return out

    def _note(self, source: str, ts: float, seen: float) -> None:
        pulse = self._pulses.touch(source, seen)
        if pulse is None:
            self._pulses.put(source, Pulse(seen, ts, ts))
            return
        if ts - pulse.last_ts > HOLE_S:
            pulse.resumed_ts = ts
        pulse.last_ts = max(ts, pulse.last_ts)

    def _period(self, beat: Beat) -> float | None:
        """The emitter's period in seconds, or null where it keeps none."""
        if len(beat.intervals) < INTERVALS_MIN:
            return None
        middle = median(beat.intervals)
        folded = [
            interval / max(1, round(interval / middle))
            for interval in beat.intervals
            if interval <= (MISSED_MAX + 1.5) * middle
        ]
        if len(folded) < INTERVALS_MIN or variation(folded) >= self._set.variation_max:
            return None
        return sum(folded) / len(folded)

    def _schedule(self, source: str, emitter: str, beat: Beat, ts: float) -> None:
        beat.due = int(ts // STEP_S) + 1
        self._due.setdefault(source, {}).setdefault(beat.due, []).append(emitter)

    def _look(self, source: str, emitter: str, beat: Beat, now: float) -> list[Found]:
        period = self._period(beat)
        if period is None:
            return []
        pulse = self._pulses.get(source)
        need = self._set.silent_periods * period
        since = max(beat.ts, pulse.resumed_ts) if pulse is not None else beat.ts
        if now - since < need or (pulse is not None and now - pulse.last_ts > HOLE_S):
            self._schedule(source, emitter, beat, max(since + need, now))
            return []
        silent = now - beat.ts
        missed = int(silent / period)
        return [
            Found(
                decision=self.name,
                score=min(0.9, 0.5 + 0.01 * missed),
                entities=(emitter,),
                explanation=f"Emitter {beat.model} id {beat.device_id or 'none'}, which sends each {period:.0f} s, "
                f"has been silent for {silent:.0f} s: {missed} of its periods.",
                refs=(beat.event_id,),
                ts=now,
                since_ts=beat.ts,
                features={
                    "period_s": round(period, 2), "silent_s": round(silent, 1), "missed": missed,
                    "model": beat.model, "device_id": beat.device_id,
                },
            )
        ]  # fmt: skip
