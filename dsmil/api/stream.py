"""GRAPH_EVENTS as the API sees it: acts of operators go in, and what came since a number comes out.

An act is one event with an id of its own, and its place in the stream is its `sequence_id`. Where the answer of Redis
is lost with the connection nobody knows whether the act was taken: that is said, with the id to look for.
"""

from __future__ import annotations

import threading
from typing import Any, cast

import msgspec

from dsmil.clock import SYSTEM, Clock
from dsmil.errors import BadEvent, Unavailable
from dsmil.events import ids
from dsmil.events.enums import Category, StreamName
from dsmil.events.envelope import DEPTH_MAX, FIELD, Event, depth, encode, pack
from dsmil.events.graph import Patch
from dsmil.fabric.frame import xadds
from dsmil.fabric.pressure import EPOCH_KEY
from dsmil.fabric.wire import Wire, WireError, checked

STREAM = StreamName.GRAPH_EVENTS
DEVICE = 13
"""Session Manager: the device that speaks for people."""
NOT_YET = "the projector has not made the graph's stream yet"
HINT = "is dsmil-projector running? see dsmil status"


class Unknown(Unavailable):
    """Whether the act was taken is not known: its answer was lost."""


class TooFar(Unavailable):
    """What came since that number is not in the stream: load the graph afresh."""


class GraphStream:
    """One connection, one command at a time, for any thread. `run` names this process among the sources.

    It has no cap: acts of people are few, and the janitor holds the stream's size.
    """

    def __init__(self, wire: Wire, *, run: str, clock: Clock = SYSTEM) -> None:
        self._wire = wire
        self._run = run
        self._clock = clock
        self._seq = 0
        self._busy = threading.Lock()
        self.turn = threading.Lock()
        """Held over looking and writing, so that of two acts in this process the second sees the first."""

    def open(self) -> None:
        """Nothing: the connection is made when first needed."""

    def close(self) -> None:
        """Drop the connection."""
        with self._busy:
            self._wire.close()

    def last(self) -> int:
        """The number of the newest entry, 0 where there is none, ready to be written behind. Unavailable: Redis is
        away, or the stream is not made yet."""
        with self._busy:
            epoch, newest = self._ask(("GET", EPOCH_KEY), ("XREVRANGE", STREAM.value, "+", "-", "COUNT", 1))
        if not epoch:
            raise Unavailable(f"write to the graph: {NOT_YET}", hint=HINT)
        return _number(newest[0][0]) if newest else 0

    def write(self, kind: str, patch: Patch) -> int:
        """Add an act; its number. BadEvent: no event can hold it; Unknown: the answer was lost; Unavailable: it
        was not taken."""
        now = self._clock.now()
        with self._busy:
            self._seq += 1
            event = Event(
                event_id=ids.act(now), ts=now, ingest_ts=now, source_device=DEVICE, source_layer=0, source="api",
                source_epoch=self._run, source_seq=self._seq, category=Category.APP, kind=kind,
                payload=_packed(patch),
            )  # fmt: skip
            try:
                data = encode(event)
            except ValueError:
                raise BadEvent(f"write {patch.id}: larger than an event may be", hint="at most 64 KiB") from None
            self._ask(("PING",))  # what stands before the act fails before the act
            try:
                self._wire.send(xadds([(STREAM, data)])[0])
                (reply,) = self._wire.receive(1)
            except Unavailable as error:
                raise Unknown(
                    f"write {patch.id}: the answer was lost ({Exception.__str__(error)})",
                    hint=f"event {event.event_id} may have been taken: read {patch.id} before you send it again",
                ) from None
        if reply is None:
            raise Unavailable(f"write {patch.id}: {NOT_YET}", hint=HINT)
        return _number(cast(bytes, _good(reply)))

    def since(self, sequence: int, limit: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Events with numbers above `sequence`, at most `limit`, and {sequence_id, epoch}: the newest number, and
        which run of numbers it is of. TooFar where some of them are gone."""
        with self._busy:
            rows, epoch, first, about = self._ask(
                ("XRANGE", STREAM.value, f"(0-{sequence}", "+", "COUNT", limit),
                ("GET", EPOCH_KEY),
                ("XRANGE", STREAM.value, "-", "+", "COUNT", 1),
                ("XINFO", "STREAM", STREAM.value),
                missing=True,
            )
        if about is None:
            raise Unavailable(f"read {STREAM}: {NOT_YET}", hint=HINT)
        facts = dict(zip(about[::2], about[1::2], strict=True))
        newest = _number(facts[b"last-generated-id"])
        oldest = _number(first[0][0]) if first else newest + 1
        if sequence > newest or (sequence + 1 < oldest):
            raise TooFar(f"read events since {sequence}: the stream holds {oldest} to {newest}")
        return [_told(row) for row in rows], {"sequence_id": newest, "epoch": (epoch or b"").decode()}

    def about(self, sequence: int) -> dict[str, Any]:
        """{last_sequence, length, behind, first_ts} as seen from an engine that holds `sequence`: how many events
        it has not got, and the ingest time of the first of them, null where there is none."""
        with self._busy:
            length, newest, rows = self._ask(
                ("XLEN", STREAM.value),
                ("XREVRANGE", STREAM.value, "+", "-", "COUNT", 1),
                ("XRANGE", STREAM.value, f"(0-{sequence}", "+", "COUNT", 1),
            )
        last = _number(newest[0][0]) if newest else 0
        event = _told(rows[0])["event"] if rows else None
        first_ts = event.get("ingest_ts") if isinstance(event, dict) else None
        behind = max(0, last - sequence)
        return {"last_sequence": last, "length": length, "behind": behind, "first_ts": first_ts}

    def _ask(self, *commands: tuple[Any, ...], missing: bool = False) -> list[Any]:
        """Replies, an absent key's as null where `missing` is allowed; Unavailable for any other refusal."""
        return [
            None if missing and isinstance(reply, WireError) and "no such key" in str(reply) else _good(reply)
            for reply in self._wire.pipeline(commands)
        ]


def _packed(patch: Patch) -> msgspec.Raw:
    try:
        payload = pack(patch)
    except (OverflowError, UnicodeEncodeError, RecursionError) as error:
        raise BadEvent(f"write {patch.id!r}: {error}") from None
    if depth(bytes(payload)) > DEPTH_MAX:
        raise BadEvent(f"write {patch.id}: nested deeper than {DEPTH_MAX}")
    return payload


def _good(reply: object) -> Any:
    try:
        return checked(reply)
    except WireError as error:
        raise Unavailable(f"use {STREAM}: {Exception.__str__(error)}") from None


def _number(entry_id: bytes) -> int:
    return int(entry_id.partition(b"-")[2])


def _told(row: list[Any]) -> dict[str, Any]:
    """An entry as JSON values: its number and its event."""
    fields = dict(zip(row[1][::2], row[1][1::2], strict=True))
    try:
        event = msgspec.json.decode(fields[FIELD])
    except (KeyError, msgspec.MsgspecError):  # somebody else's entry: its number is spent all the same
        event = None
    return {"sequence_id": _number(row[0]), "event": event}
