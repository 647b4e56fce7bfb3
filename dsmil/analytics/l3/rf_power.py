"""`rf.power_anomaly`: an emitter's level steps away from its own spread and stays there.

Robust z on dB: median and median absolute deviation of its own past, so a few odd bursts neither hide a step nor
make one. Repeats of one transmission fade together and count once.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from dsmil.analytics import nodes
from dsmil.analytics.detector import NOTHING, Found, Seen
from dsmil.analytics.window import Table, median, spread
from dsmil.config.detectors import L3, L3Rf
from dsmil.events.rf import Burst

PAST_MIN, PAST_MAX = 20, 60
"""Levels an emitter's usual level is reckoned from: fewer have no spread, more follow a slow change late."""
REPEAT_S = 1.0
"""Bursts closer than this are repeats of one transmission."""
Z_MIN = 4.0
"""Robust standard deviations a step must exceed: a moving emitter's level wanders by more than 8 dB."""
SPREAD_MIN_DB = 0.5
"""Receivers print tenths and quantise coarser: a smaller spread is not one."""


class Level(Struct):
    """Levels of one emitter in dB: the latest (`last`, with their event ids) and those before them (`past`)."""

    seen: float
    ts: float
    measure: str
    past: list[float] = []
    last: list[tuple[float, float, str]] = []


class PowerAnomaly:
    """Remembers the levels of each emitter at each source."""

    name = "rf.power_anomaly"
    device = 16
    kinds = frozenset({"rf.burst"})

    def __init__(self, settings: L3Rf, bounds: L3) -> None:
        self._set = settings
        self._bounds = bounds
        self.reset()

    def reset(self) -> None:
        """Forget all levels."""
        self._levels: Table[tuple[str, str], Level] = Table(
            tuple[str, str], Level, count_max=self._bounds.entities_max, idle_s=self._bounds.idle_s
        )

    def dump(self) -> bytes:
        """All levels."""
        return self._levels.dump()

    def restore(self, data: bytes) -> None:
        """Take over the levels of `dump`."""
        self._levels.restore(data)

    def observe(self, seen: Seen) -> Iterable[Found]:
        """One burst."""
        burst: Burst = seen.payload
        measure = "rssi" if burst.rssi_db is not None else "snr"
        value = burst.rssi_db if burst.rssi_db is not None else burst.snr_db
        if value is None:
            return NOTHING
        event = seen.event
        key = (event.source, nodes.rf(burst.model, burst.device_id))
        level = self._levels.touch(key, event.ingest_ts)
        if level is None or level.measure != measure:
            level = Level(event.ingest_ts, event.ts, measure)
            self._levels.put(key, level)
        elif seen.timed and abs(event.ts - level.ts) < REPEAT_S:
            return NOTHING
        level.ts = event.ts
        return self._step(level, value, key[1], seen)

    def _step(self, level: Level, value: float, emitter: str, seen: Seen) -> list[Found]:
        """Judge the latest levels as one against those before them."""
        level.last.append((value, seen.event.ts, seen.event.event_id))
        if len(level.last) > self._set.power_bursts:
            level.past = [*level.past, level.last.pop(0)[0]][-PAST_MAX:]
        if len(level.past) < PAST_MIN:
            return []
        usual = median(level.past)
        off = value - usual
        if abs(off) < self._set.power_step_db / 2:
            return []
        wide = max(SPREAD_MIN_DB, spread(level.past))
        now = median([one for one, _, _ in level.last])
        limit = max(self._set.power_step_db, Z_MIN * wide)
        # All of them stand off, on one side, and half of them by the whole step: no few odd bursts among many.
        half = min((one - usual) * (1 if off > 0 else -1) for one, _, _ in level.last)
        if abs(now - usual) < limit or half < limit / 2:
            return []
        found = self._found(level, emitter, (usual, wide, now), seen)
        level.past, level.last = [one for one, _, _ in level.last], []  # its usual level from here on
        return [found]

    def _found(self, level: Level, emitter: str, levels: tuple[float, float, float], seen: Seen) -> Found:
        burst, event = seen.payload, seen.event
        usual, wide, now = levels
        step = now - usual
        z = step / wide
        return Found(
            decision=self.name,
            score=min(0.99, 0.5 + abs(step) / 50.0 + 0.02 * min(10.0, abs(z))),
            entities=(emitter,),
            explanation=f"{level.measure.upper()} of {burst.model} id {burst.device_id or 'none'} stepped from "
            f"{usual:.1f} to {now:.1f} dB ({step:+.1f} dB, {abs(z):.0f} times its own spread of {wide:.1f} dB) "
            f"and stayed there for {len(level.last)} bursts.",
            refs=tuple(ref for _, _, ref in level.last),
            ts=event.ts,
            since_ts=min(ts for _, ts, _ in level.last),
            features={
                "measure": level.measure, "before_db": round(usual, 2), "after_db": round(now, 2),
                "step_db": round(step, 2), "spread_db": round(wide, 2), "z": round(z, 1),
                "bursts": len(level.last),
            },
        )  # fmt: skip
