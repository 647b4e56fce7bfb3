"""What comes in from outside by HTTP: SDR frames to L3_IN, external intelligence to L4_IN.

Frames pass the gate of `sensors.sdr_frame` and are stamped like those of any other receiver; a posted batch goes out
as one transaction or not at all. The cooldown is this process's own, as it is each ingest daemon's.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from dsmil.clock import SYSTEM, Clock
from dsmil.errors import BadEvent, Unavailable
from dsmil.events import ids
from dsmil.events.enums import Category, Compartment, Severity, TsBasis
from dsmil.events.envelope import DEPTH_MAX, Event, depth, encode
from dsmil.events.rf import MIN_SNR_DB, Frame
from dsmil.fabric.publisher import Publisher
from dsmil.fabric.reply import WireError
from dsmil.sensors.record import Observation, Reject
from dsmil.sensors.sdr_frame import Gate
from dsmil.sensors.stamp import Stamper, live_origin

RF_DEVICE = 10
INTEL_DEVICE = 13
"""Frames are the USB receivers' (device 10); what is told over HTTP comes by the Session Manager."""
INTEL_LAYER = 4


class Kept(Struct, frozen=True):
    """What became of one frame: the event it is, or why it is none (`snr` below the gate, `cooldown`)."""

    event_id: str | None = None
    why: str | None = None


class Intel(Struct, frozen=True, kw_only=True):
    """An external event, checked."""

    source: str
    kind: str
    payload: dict[str, Any]
    event_id: str | None = None
    ts: float | None = None
    severity: Severity = Severity.LOW
    category: Category = Category.INTEL
    compartment: Compartment = Compartment.GENERAL


class Intake:
    """Publishes for any thread, one at a time. `run` names this process among the sources."""

    def __init__(
        self,
        frames: Publisher,
        intel: Publisher,
        *,
        run: str,
        min_snr_db: float = MIN_SNR_DB,
        clock: Clock = SYSTEM,
    ) -> None:
        self._frames, self._intel, self._clock = frames, intel, clock
        self._run = run
        self._min_snr_db = min_snr_db
        self._gate = Gate(min_snr_db=min_snr_db)
        self._stamper = Stamper(live_origin("rf:http", run, device=RF_DEVICE))
        self._seq = 0
        self._turn = threading.Lock()

    def frames(self, given: Sequence[tuple[Frame, float | None, str]], *, peer: str) -> list[Kept]:
        """Publish those (frame, Unix seconds or null, raw text) that pass the gate, in order. Unavailable: none was
        taken, or nobody knows; send all again."""
        now = self._clock.now()
        with self._turn:
            data: list[bytes] = []
            kept: list[Frame] = []
            found: list[Kept] = []
            for frame, ts, text in given:
                if not self._gate.keeps(frame, now if ts is None else ts):
                    found.append(Kept(why="snr" if frame.snr_db < self._min_snr_db else "cooldown"))
                    continue
                encoded = self._stamper.stamp(_observed(frame, ts, text), now_s=now, peer=peer)
                assert not isinstance(encoded, Reject), "a frame within its bounds is an event"
                kept.append(frame)
                data.append(encoded)
                found.append(Kept(event_id=msgspec.json.decode(encoded)["event_id"]))
            try:
                _publish(self._frames, data)
            except Unavailable:
                for frame in kept:
                    self._gate.release(frame)
                raise
        return found

    def intel(self, given: Sequence[Intel], *, by: str) -> list[str]:
        """Publish external events; their ids. BadEvent: one of them no event can hold, and none was taken."""
        now = self._clock.now()
        with self._turn:
            events = [self._event(each, now, by) for each in given]
            _publish(self._intel, [_encoded(event) for event in events])
        return [event.event_id for event in events]

    def settle(self) -> None:
        """See that what was published lately is still there."""
        with self._turn:
            self._frames.settle()
            self._intel.settle()

    def _event(self, told: Intel, now: float, by: str) -> Event:
        self._seq += 1
        payload = _payload(told)
        name = told.event_id
        if name is None:
            # Posted again, it is the same event; without a time of its own nobody can say that it is.
            same = ids.digest("intel", told.source, repr(told.ts), bytes(payload).decode())
            name = ids.act(now) if told.ts is None else same
        return Event(
            event_id=name, ts=now if told.ts is None else told.ts, ingest_ts=now,
            ts_basis=TsBasis.INGEST if told.ts is None else TsBasis.SOURCE,
            source_device=INTEL_DEVICE, source_layer=INTEL_LAYER, source=f"intel:{told.source}",
            source_epoch=f"{self._run}:{by}", source_seq=self._seq, category=told.category, severity=told.severity,
            compartment=told.compartment, kind=told.kind, payload=payload,
        )  # fmt: skip


def _observed(frame: Frame, ts: float | None, text: str) -> Observation:
    return Observation(kind="rf.frame", payload=frame, ts=ts, text=text)


def _publish(publisher: Publisher, data: Sequence[bytes]) -> None:
    if not data:
        return
    try:
        publisher.publish(data)
    except WireError as error:
        raise Unavailable(f"publish to {publisher.stream}: {Exception.__str__(error)}") from None


def _payload(told: Intel) -> msgspec.Raw:
    try:
        payload = msgspec.json.encode(told.payload, order="sorted")
    except (OverflowError, UnicodeEncodeError, RecursionError) as error:
        raise BadEvent(f"take an event of {told.source!r}: {error}") from None
    if depth(payload) > DEPTH_MAX:
        raise BadEvent(f"take an event of {told.source!r}: nested deeper than {DEPTH_MAX}")
    return msgspec.Raw(payload)


def _encoded(event: Event) -> bytes:
    try:
        return encode(event)
    except ValueError:
        raise BadEvent(
            f"take event {event.event_id}: larger than an event may be", hint="at most 64 KiB"
        ) from None
