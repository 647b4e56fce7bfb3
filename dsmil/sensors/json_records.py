"""JSON objects out of bytes, one a line, each with its place, and a reject for all that is none.

A flow is not lost for a bad byte in a host name: a line that is not UTF-8 is read with U+FFFD in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from dsmil.sensors.lines import Line, LineCutter
from dsmil.sensors.record import Item, Reason, Reject

RAW_BYTES_MAX = 2048
"""Bytes of a record that ride along as its raw text (the envelope holds no more)."""
_BOM = b"\xef\xbb\xbf"


class Place(NamedTuple):
    """Where a record stood, and how it began."""

    offset: int
    line: int
    text: str

    def reject(self, reason: Reason, detail: str = "") -> Reject:
        """Refuse the record that stood here."""
        return Reject(reason=reason, detail=detail, offset=self.offset, line=self.line, text=self.text)


def raw_text(data: bytes) -> str:
    """The raw text of a record: its first 2 KiB."""
    return data[:RAW_BYTES_MAX].decode("utf-8", "replace")


def read_object(data: bytes | memoryview) -> dict[str, Any] | Reason:
    """The JSON object in `data`, or why there is none. NaN, infinities and endless numbers are refused."""
    try:
        value = msgspec.json.decode(data)
    except UnicodeDecodeError:
        replaced = bytes(data).decode("utf-8", "replace").encode()
        return read_object(replaced)
    except msgspec.DecodeError:
        return Reason.BAD_PAYLOAD
    except RecursionError:
        return Reason.TOO_DEEP
    return value if isinstance(value, dict) else Reason.NOT_THIS_FORMAT


Reader = Callable[[dict[str, Any], Place], Item]
"""Makes one item of one object."""


class JsonRecords:
    """Cuts bytes at line ends and gives `read` each object; blank lines are nothing."""

    def __init__(self, read: Reader) -> None:
        self._lines = LineCutter()
        self._read = read

    def feed(self, data: bytes) -> Iterator[Item]:
        """Take more bytes, give what their lines hold."""
        for line in self._lines.feed(data):
            yield from self._item(line)

    def close(self) -> Iterator[Item]:
        """Settle a last line without a line end."""
        for line in self._lines.close():
            yield from self._item(line)

    def _item(self, line: Line) -> Iterator[Item]:
        offset, number, data = line
        if data is None:
            yield Reject(reason=Reason.TOO_LONG, offset=offset, line=number)
            return
        if number == 1:
            data = data.removeprefix(_BOM)
        if not data.strip():
            return
        place = Place(offset, number, raw_text(data))
        found = read_object(data)
        if isinstance(found, Reason):
            yield place.reject(found)
        else:
            yield self._read(found, place)
