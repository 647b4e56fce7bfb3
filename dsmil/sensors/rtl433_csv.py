"""rtl_433's CSV (`-F csv`) to `rf.burst`: the same records as its JSON, columns by header name.

The header names the fields of every decoder that could speak, so a row is some hundred blanks around ten values.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, tzinfo
from typing import Any

from dsmil.sensors.json_records import Place, raw_text
from dsmil.sensors.lines import Line, LineCutter
from dsmil.sensors.record import Ignored, Item, Observation, Reason, Reject
from dsmil.sensors.rtl433 import burst_of
from dsmil.sensors.times import read_time

COLUMNS_MAX = 2048
"""Columns of the header: all decoders of rtl_433 22.11 together have 356."""
_TEXT_COLUMNS = frozenset(("id", "channel", "model", "time"))
_IGNORED = Ignored()


def sniff(head: bytes, name: str) -> float:
    """How much the first line looks like that header, 0..1."""
    columns = head.lstrip(b"\xef\xbb\xbf\r\n ").partition(b"\n")[0].strip().split(b",")
    return 0.9 if b"time" in columns and b"model" in columns else 0.0


def _split(line: bytes) -> list[str]:
    text = line.decode("utf-8", "replace").removeprefix("\ufeff")
    if '"' in text:
        with suppress(csv.Error):  # quotes that make no sense are taken as letters
            return next(csv.reader([text]), [])
    return text.split(",")


def _value(name: str, text: str) -> str | int | float:
    """A number where the text is one, as the JSON would have it; identities stay text."""
    if name in _TEXT_COLUMNS or len(text) > 24:
        return text
    try:
        return int(text) if text.lstrip("-").isdigit() else float(text)
    except ValueError:
        return text


class Rtl433Csv:
    """Push parser of one receiver's table. Options as those of `Rtl433Json`."""

    def __init__(
        self, *, tz: tzinfo = UTC, sensor_id: str | None = None, position: tuple[float, float] | None = None
    ) -> None:
        self._tz = tz
        self._sensor_id = sensor_id
        self._position = position
        self._lines = LineCutter()
        self._columns: list[str] = []

    def feed(self, data: bytes) -> Iterator[Item]:
        """Take more bytes, give what they complete."""
        for line in self._lines.feed(data):
            yield from self._items(line)

    def close(self) -> Iterator[Item]:
        """Settle a last row without a line end."""
        for line in self._lines.close():
            yield from self._items(line)

    def _items(self, line: Line) -> Iterator[Item]:
        offset, number, data = line
        if data is None:
            yield Reject(reason=Reason.TOO_LONG, offset=offset, line=number)
        elif data.strip():
            yield self._item(data, Place(offset, number, raw_text(data)))

    def _item(self, data: bytes, place: Place) -> Item:
        """The one boundary: whatever a row holds, it becomes one item."""
        try:
            if sniff(data, ""):
                self._columns = _split(data)[:COLUMNS_MAX]
                return _IGNORED
            if not self._columns:
                return place.reject(Reason.NOT_THIS_FORMAT, "no header with time and model")
            cells = _split(data)
            if len(cells) < len(self._columns):
                return place.reject(Reason.TRUNCATED, f"{len(cells)} of {len(self._columns)} columns")
            filled = zip(self._columns, cells, strict=False)
            record: dict[str, Any] = {name: _value(name, cell) for name, cell in filled if cell}
            burst = burst_of(record, self._sensor_id, self._position)
            if burst is None:
                return place.reject(Reason.BAD_PAYLOAD, "no model")
            ts = read_time(str(record.get("time", "")), self._tz)
            return Observation(
                kind="rf.burst", payload=burst, ts=ts, offset=place.offset, line=place.line, text=place.text
            )
        except Exception as error:  # noqa: BLE001 - a hostile row costs itself, never the daemon
            return place.reject(Reason.BAD_PAYLOAD, type(error).__name__)
