"""The envelope every event travels in: one stream entry, one field `event`, UTF-8 JSON.

Reading is strict: an event that breaks a bound is refused with `BadEvent`, never trimmed to fit. The payload
stays raw JSON until somebody who knows the kind asks for it, so it costs nothing to those who pass it on.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from dsmil.errors import BadEvent
from dsmil.events import ids
from dsmil.events.enums import Category, Compartment, Severity, TsBasis

FIELD = b"event"
"""The one field of a stream entry."""
EVENT_BYTES_MAX = 64 * 1024
"""Encoded size limit; larger records are paged (contract 2)."""
DEPTH_MAX = 32
"""Nesting limit of a payload; nothing we make is deeper than 8."""
TEXT_MAX = 2048
"""Bytes of raw record text that ride along."""
TS_MAX = 253_402_300_800.0
"""Year 10000: a time beyond it is a unit mistake (milliseconds), not a time."""

Id = Annotated[str, Meta(min_length=1, max_length=128)]
Name = Annotated[str, Meta(min_length=1, max_length=512)]
Ts = Annotated[float, Meta(ge=0.0, le=TS_MAX)]
P = TypeVar("P")


class RawRecord(Struct, frozen=True, omit_defaults=True):
    """Where the raw record stood: a file (`path`, `line` from 1, byte `offset`) or a `peer`, and its text."""

    path: Annotated[str, Meta(max_length=4096)] | None = None
    peer: Annotated[str, Meta(max_length=256)] | None = None
    offset: Annotated[int, Meta(ge=0)] | None = None
    line: Annotated[int, Meta(ge=0)] | None = None
    text: Annotated[str, Meta(max_length=TEXT_MAX)] | None = None


class Event(Struct, frozen=True, kw_only=True):
    """One thing that became true, and where we have it from. Field meanings: contract 2. Every field is written,
    so that whoever reads a stream with `redis-cli` or another language need not know our defaults."""

    event_id: Id
    ts: Ts
    since_ts: Ts | None = None
    ts_basis: TsBasis = TsBasis.SOURCE
    ingest_ts: Ts
    source_device: Annotated[int, Meta(ge=0, le=103)]
    source_layer: Annotated[int, Meta(ge=0, le=9)]
    source: Name
    source_epoch: Annotated[str, Meta(max_length=128)] = ""
    source_seq: Annotated[int, Meta(ge=0)] = 0
    category: Category
    severity: Severity = Severity.LOW
    compartment: Compartment = Compartment.GENERAL
    kind: Annotated[str, Meta(min_length=1, max_length=64)]
    refs: Annotated[tuple[str, ...], Meta(max_length=ids.REFS_MAX + 1)] = ()
    raw: RawRecord | None = None
    payload: Raw = Raw(b"{}")

    def to_dict(self) -> dict[str, Any]:
        """The event as plain JSON values, every field present (the documented form)."""
        out: dict[str, Any] = {name: getattr(self, name) for name in self.__struct_fields__}
        out["payload"] = msgspec.json.decode(self.payload)
        out["raw"] = msgspec.to_builtins(self.raw)
        out["refs"] = list(self.refs)
        for name in ("category", "severity", "compartment", "ts_basis"):
            out[name] = str(out[name])
        return out


_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"{}[]")
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Event)


def encode(event: Event) -> bytes:
    """The JSON of an event; ValueError where it is larger than 64 KiB (the caller should have paged it)."""
    data = _encoder.encode(event)
    if len(data) > EVENT_BYTES_MAX:
        raise ValueError(f"encode event {event.event_id}: {len(data)} bytes exceed {EVENT_BYTES_MAX}")
    return data


def decode(data: bytes) -> Event:
    """Read one event; BadEvent says what is wrong with it."""
    if len(data) > EVENT_BYTES_MAX:
        raise BadEvent(f"decode event: {len(data)} bytes exceed {EVENT_BYTES_MAX}")
    try:
        event = _decoder.decode(data)
        if bytes(event.payload)[:1] != b"{":
            raise BadEvent("decode event: payload is not an object")
        # Opening brackets bound the depth from above; only a suspicious event pays for the exact count.
        if data.count(b"{") + data.count(b"[") > DEPTH_MAX and depth(bytes(event.payload)) > DEPTH_MAX:
            raise BadEvent(f"decode event: payload nested deeper than {DEPTH_MAX}")
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ValueError) as error:
        raise BadEvent(f"decode event: {error or type(error).__name__}") from None
    return event


def depth(data: bytes) -> int:
    """How deep a JSON text nests; brackets inside strings do not count."""
    deepest = level = 0
    for byte in _STRING.sub(b"", data).translate(None, _NOT_BRACKETS):
        if byte in b"{[":
            level += 1
            deepest = max(deepest, level)
        else:
            level -= 1
    return deepest


def pack(payload: Any) -> Raw:
    """A payload (Struct or dict) as raw JSON, ready for an `Event`."""
    return Raw(_encoder.encode(payload))


def unpack(event: Event, shape: type[P]) -> P:
    """An event's payload as `shape`; BadEvent names the event and the field that does not fit."""
    try:
        return msgspec.json.decode(event.payload, type=shape)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise BadEvent(f"decode payload of {event.kind} {event.event_id}: {error}") from None


def cut_text(text: str, limit_bytes: int = TEXT_MAX) -> str:
    """`text` cut to `limit_bytes` of UTF-8 without splitting a character; lone surrogates become U+FFFD."""
    data = text.encode("utf-8", "replace")
    return data[:limit_bytes].decode("utf-8", "ignore")


def finite(value: float | None) -> float | None:
    """`value`, or null where it is NaN or infinite (JSON has neither)."""
    return value if value is not None and math.isfinite(value) else None
