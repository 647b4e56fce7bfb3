"""Events in, decisions out: guards the counters, keeps the watermarks, shows each event to those who care.

The result depends on the order of the events alone: never on how they were cut into batches, on a restart from
a dump, or on a clock. Payloads of a whole batch are decoded before the first detector sees any, so a batch that
is refused has changed nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from dsmil.analytics.detector import Detector, Found, Lost, Seen, trusted_time
from dsmil.analytics.window import Table
from dsmil.errors import BadEvent, Corrupt
from dsmil.events import ids
from dsmil.events.decision import Decision, category_of, severity_of
from dsmil.events.enums import TsBasis
from dsmil.events.envelope import Event, pack

GRID_S = 10.0
"""Step of the event-time grid on which absences are looked for: well below the shortest of them (20 min)."""
FUTURE_MAX_S = 86_400.0
"""A time this far after its own arrival is a wrong clock or zone (14 h at most): it moves no watermark."""
REWIND_MIN_S = 3600.0
"""A new run of a source that begins this much earlier is a rewind (a loop, a seek), not a late record."""
SOURCES_MAX = 4096
SOURCES_IDLE_S = 7 * 86_400.0
"""Sources remembered: one per file or port; a week covers a file that is dropped again."""
EPOCHS_MAX = 4
"""Runs of a source whose counters are kept: repeats come from the last run or the one before."""
VERSION = "1"
"""Version of the rules: part of every decision's id. Raise it when a detector decides differently."""

Decoder = Callable[[bytes], Any]
Observe = Callable[[Seen], Iterable[Found]]
News = tuple[int, Any]
"""An event that was no repeat and of a kind with a shape: its place in the batch, and its payload."""


class Origin(Struct, kw_only=True):
    """What is known of one source. `step` is the last step of the grid its watermark crossed."""

    seen: float
    epochs: dict[str, int] = {}
    watermark: float = -1.0
    step: int = -1
    event_id: str = ""


class Saved(Struct, frozen=True):
    """The engine's whole memory, as `dump` writes it."""

    version: str
    epoch: str
    seq: int
    sources: bytes
    detectors: dict[str, bytes]


class Engine:
    """Runs detectors over a stream of events. `shapes` gives the payload type of each kind; `epoch` names the
    run in the decisions it numbers."""

    def __init__(
        self,
        detectors: Sequence[Detector],
        shapes: dict[str, type[Struct]],
        *,
        source: str,
        layer: int,
        epoch: str,
    ) -> None:
        self.repeats = self.refused = self.decided = self.events = 0
        self._detectors = {detector.name: detector for detector in detectors}
        self._routes: dict[str, tuple[Decoder, tuple[tuple[Detector, Observe], ...]]] = {}
        for kind in sorted(set(shapes).union(*(detector.kinds for detector in detectors))):
            wanted = tuple((one, one.observe) for one in detectors if kind in one.kinds)
            self._routes[kind] = (msgspec.json.Decoder(shapes[kind]).decode, wanted)
        self._tickers = [(one, one.tick) for one in detectors if hasattr(one, "tick")]
        self._guards = [(one, one.lost) for one in detectors if hasattr(one, "lost")]
        self._clocked = [(one, one.clock_tick) for one in detectors if hasattr(one, "clock_tick")]
        self._source, self._layer = source, layer
        self._epoch_first, self._resets = epoch, 0
        self._epoch, self._seq = epoch, 0
        self._sources = _sources()

    def process(self, events: Sequence[Event], news: list[News] | None = None) -> list[Event]:
        """The decisions these events lead to; into `news` go those that are no repeats. BadEvent names one whose
        payload is not of its kind; nothing has changed then. After any other error the memory is undefined: restore
        it first."""
        ready = [self._decode(event) for event in events]
        out: list[Event] = []
        for place, (event, payload) in enumerate(zip(events, ready, strict=True)):
            if self._take(event, payload, out) and news is not None and payload is not None:
                news.append((place, payload))
        return out

    def clock_tick(self, now: float) -> list[Event]:
        """What the time (Unix seconds) alone gives away about live sources. Call it only when no entry waits."""
        # Not numbered: what the clock finds is not the same in a replay, and would shift all later numbers.
        return [
            self._decision(detector, found, now, {"ts_basis": TsBasis.INGEST})
            for detector, clock_tick in self._clocked
            for found in clock_tick(now)
        ]

    def dump(self) -> bytes:
        """Everything remembered, for a checkpoint."""
        memory = {name: detector.dump() for name, detector in self._detectors.items()}
        return msgspec.msgpack.encode(Saved(VERSION, self._epoch, self._seq, self._sources.dump(), memory))

    def restore(self, data: bytes) -> None:
        """Take over what `dump` gave; Corrupt where it is not that, or of other rules."""
        try:
            saved = msgspec.msgpack.decode(data, type=Saved)
            if saved.version != VERSION or saved.detectors.keys() != self._detectors.keys():
                raise Corrupt(f"restore detectors: made by version {saved.version} with other detectors")
            self._sources.restore(saved.sources)
            for name, detector in self._detectors.items():
                detector.restore(saved.detectors[name])
        except (msgspec.MsgspecError, ValueError, TypeError) as error:
            self.reset()
            raise Corrupt(f"restore detectors: {error}") from error
        self._epoch, self._seq = saved.epoch, saved.seq

    def reset(self) -> None:
        """Forget everything; decisions are numbered anew under another run's name."""
        self._resets += 1
        self._epoch, self._seq = f"{self._epoch_first}.{self._resets}", 0
        self._sources = _sources()
        for detector in self._detectors.values():
            detector.reset()

    @property
    def devices(self) -> dict[int, list[str]]:
        """The detectors each device holds."""
        held: dict[int, list[str]] = {}
        for name, detector in self._detectors.items():
            held.setdefault(detector.device, []).append(name)
        return held

    def watermarks(self) -> dict[str, float]:
        """The watermark of each source that has one (Unix seconds)."""
        return {name: origin.watermark for name, origin in self._sources if origin.watermark >= 0}

    def _decode(self, event: Event) -> Any:
        """The payload, or null where its kind has no shape."""
        route = self._routes.get(event.kind)
        if route is None:
            return None
        try:
            return route[0](event.payload)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            self.refused += 1
            raise BadEvent(f"decode payload of {event.kind} {event.event_id}: {error}") from None

    def _take(self, event: Event, payload: Any, out: list[Event]) -> bool:
        """One event through guard, watermark and detectors; false for a repeat."""
        origin = self._sources.touch(event.source, event.ingest_ts)
        if origin is None:
            origin = Origin(seen=event.ingest_ts)
            self._sources.put(event.source, origin)
        missing, fresh = self._count(origin, event)
        if missing < 0:
            self.repeats += 1
            return False
        self.events += 1
        if missing:
            hole = Lost(event.source, missing, origin.event_id, event)
            for detector, lost in self._guards:
                self._decide(out, detector, lost(hole), event)
        origin.event_id = event.event_id
        timed = trusted_time(event) and event.ts <= event.ingest_ts + FUTURE_MAX_S
        if timed:
            self._advance(origin, event, fresh, out)
        if payload is not None:
            seen = Seen(event, payload, timed, origin.watermark)
            for detector, observe in self._routes[event.kind][1]:
                found = observe(seen)
                if found:
                    self._decide(out, detector, found, event)
        return True

    @staticmethod
    def _count(origin: Origin, event: Event) -> tuple[int, bool]:
        """How many events are missing before this one (-1: it is a repeat), and whether a new run begins."""
        epoch, seq = event.source_epoch, event.source_seq
        if not epoch:
            return 0, False
        last = origin.epochs.get(epoch)
        if last is None:
            if len(origin.epochs) >= EPOCHS_MAX:
                del origin.epochs[next(iter(origin.epochs))]
            origin.epochs[epoch] = seq
            return 0, True
        if seq <= last:
            return -1, False
        origin.epochs[epoch] = seq
        return seq - last - 1, False

    def _advance(self, origin: Origin, event: Event, fresh: bool, out: list[Event]) -> None:
        """Move the watermark; let those who wait for absences look when it crosses a step of the grid."""
        ts = event.ts
        if ts <= origin.watermark:
            if fresh and ts < origin.watermark - REWIND_MIN_S:
                origin.watermark, origin.step = ts, int(ts // GRID_S)
            return
        origin.watermark = ts
        step = int(ts // GRID_S)
        if step > origin.step:
            first, origin.step = origin.step < 0, step
            if not first:
                for detector, tick in self._tickers:
                    self._decide(out, detector, tick(event.source, step * GRID_S), event)

    def _decide(self, out: list[Event], detector: Detector, findings: Iterable[Found], event: Event) -> None:
        for found in findings:
            self._seq += 1
            stamp = {"ts_basis": event.ts_basis, "source_epoch": self._epoch, "source_seq": self._seq}
            out.append(self._decision(detector, found, event.ingest_ts, stamp))

    def _decision(self, detector: Detector, found: Found, ingest_ts: float, stamp: dict[str, Any]) -> Event:
        self.decided += 1
        rule = "|".join((found.decision, *found.entities))
        return Event(
            event_id=ids.derived(found.refs, rule, VERSION),
            ts=found.ts,
            since_ts=found.since_ts,
            ingest_ts=ingest_ts,
            source_device=detector.device,
            source_layer=self._layer,
            source=self._source,
            category=category_of(found.decision),
            severity=found.severity or severity_of(found.decision),
            kind="decision",
            refs=ids.bounded_refs(found.refs),
            payload=pack(
                Decision(
                    decision=found.decision,
                    score=round(min(1.0, max(0.0, found.score)), 3),
                    entities=found.entities,
                    features=found.features,
                    explanation=found.explanation,
                )
            ),
            **stamp,
        )


def _sources() -> Table[str, Origin]:
    return Table(str, Origin, count_max=SOURCES_MAX, idle_s=SOURCES_IDLE_S)
