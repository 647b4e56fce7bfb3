"""Events as rows of the hot database.

The primary key of an event row is its ingest time, so that retention by ingest time is one range of it:
Unix milliseconds << 20, plus a counter that keeps the rows of one millisecond apart.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from dsmil.errors import BadEvent
from dsmil.events import devices
from dsmil.events.envelope import Event, unpack

COUNTER_BITS = 20
AHEAD_S_MAX = 60.0
"""An ingest time further in the future is a wrong clock's: the row is filed under now, or it would never age."""
HARDWARE = "CPU"
"""dsmil computes on the CPU only."""

ROWS_AT_ONCE = 50
"""Rows of one INSERT statement: an eighth less time than one by one; more gains nothing."""

RAW = """INSERT INTO raw_events_fast (id, ts, event_id, device_id, layer, source, compartment, category, severity,
  payload, token_id, clearance) VALUES (?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (event_id) DO NOTHING"""
MODEL = """INSERT INTO model_outputs_fast (id, ts, output_id, device_id, layer, model, input_ref, output_json,
  score, latency_ms, hardware) VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (output_id) DO NOTHING"""
SOC = """INSERT INTO soc_events_cache (id, ts, event_id, severity, category, source_device, source_layer, signals,
  shrink_metrics, l8_enrichment, payload) VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (event_id) DO NOTHING"""
SHRINK = """INSERT INTO shrink_metrics (id, ts, risk_acute_stress, crisis_level, lbi_hyperfocus_density,
  sentiment_score, entropy, metrics_json) VALUES (?,?,?,?,?,?,?,?)"""
BUMP = """UPDATE soc_events_cache SET payload = json_set(payload, '$.count', ?2, '$.last_ts', ?3)
  WHERE event_id = ?1"""

TOKENS = tuple(device.tokens[0] for device in devices.DEVICES)
CLEARANCES = tuple(layer * 0x01010101 for layer in range(10))

Row = tuple[Any, ...]


def insert(connection: sqlite3.Connection, query: str, rows: Sequence[Row]) -> None:
    """Run an INSERT ... VALUES (?, ...) for all rows, many at a time."""
    head, _, rest = query.partition("VALUES ")
    values, _, tail = rest.partition(")")
    whole = len(rows) - len(rows) % ROWS_AT_ONCE
    if whole:
        many = f"{head}VALUES {','.join([f'{values})'] * ROWS_AT_ONCE)}{tail}"
        for first in range(0, whole, ROWS_AT_ONCE):
            connection.execute(many, [value for row in rows[first : first + ROWS_AT_ONCE] for value in row])
    connection.executemany(query, rows[whole:])


class RowIds:
    """Gives primary keys."""

    def __init__(self) -> None:
        self._counter = 0
        self.jump()

    def jump(self) -> None:
        """Go on somewhere else: writers of one table begin far apart, and part again where they have met."""
        self._counter = int.from_bytes(os.urandom(4), "little")

    def of(self, ingest_ts: float, now: float) -> int:
        """The key of a row first seen at `ingest_ts` (Unix seconds)."""
        self._counter += 1
        if ingest_ts > now + AHEAD_S_MAX:
            ingest_ts = now
        return key_at(ingest_ts) | (self._counter & ((1 << COUNTER_BITS) - 1))


def key_at(ts: float) -> int:
    """The least key of the rows first seen at `ts` or later."""
    return int(ts * 1000) << COUNTER_BITS


class _Concluded(Struct):
    decision: str = ""
    score: float | None = None


class _Soc(Struct):
    source_layer: int | None = None
    device_id_src: int | None = None
    signals: Raw = Raw(b"{}")
    l8_enrichment: Raw = Raw(b"{}")


class _Signals(Struct):
    shrink: Raw = Raw(b"{}")


def raw_row(event: Event, key: int) -> Row:
    """A row of raw_events_fast."""
    device, layer = event.source_device, event.source_layer
    return (
        # `_value_` is the plain attribute: `value` is looked up in Python, three times a row.
        key, event.ts, event.event_id, device, layer, event.source, event.compartment._value_,
        event.category._value_, event.severity._value_, bytes(event.payload), TOKENS[device], CLEARANCES[layer],
    )  # fmt: skip


def model_row(event: Event, key: int, latency_ms: float | None) -> Row:
    """A row of model_outputs_fast; the model is the decision's name, or the kind where there is none."""
    try:
        told = unpack(event, _Concluded)
    except BadEvent:
        told = _Concluded()
    return (
        key, event.ts, event.event_id, event.source_device, event.source_layer, told.decision or event.kind,
        event.refs[0] if event.refs else None, bytes(event.payload).decode(), told.score, latency_ms, HARDWARE,
    )  # fmt: skip


def soc_row(event: Event, key: int) -> Row:
    """A row of soc_events_cache: device and layer are those that gave the signal, where the payload says so."""
    try:
        told = unpack(event, _Soc)
        shrink = msgspec.json.decode(told.signals, type=_Signals).shrink
    except (BadEvent, msgspec.MsgspecError):
        told, shrink = _Soc(), Raw(b"{}")
    device = event.source_device if told.device_id_src is None else told.device_id_src
    layer = event.source_layer if told.source_layer is None else told.source_layer
    texts = (bytes(raw).decode() for raw in (told.signals, shrink, told.l8_enrichment, event.payload))
    return (key, event.ts, event.event_id, event.severity.value, event.category.value, device, layer, *texts)


def shrink_row(metrics: dict[str, Any], ts: float) -> Row:
    """A row of shrink_metrics, less its key. What SHRINK did not say is null, never zero."""

    def said(*names: str) -> float | None:
        value = next((metrics[name] for name in names if metrics.get(name) is not None), None)
        return None if value is None else float(value)

    return (
        ts, said("risk_acute_stress"), said("crisis_level", "shrink_crisis_level"),
        said("lbi_hyperfocus_density", "lbi_hyperfocus"), said("sentiment_score"), said("entropy"),
        msgspec.json.encode(metrics).decode(),
    )  # fmt: skip


def json_text(value: Any) -> str:
    """A value as JSON text, `{}` for None; TypeError where it has no JSON form."""
    return msgspec.json.encode({} if value is None else value).decode()
