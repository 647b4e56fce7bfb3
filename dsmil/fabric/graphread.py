"""Entries of GRAPH_EVENTS by their numbers, a bounded page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import msgspec
from msgspec import Struct

from dsmil.fabric.field import data_of
from dsmil.fabric.graphstream import STREAM, number_of
from dsmil.fabric.wire import Wire

PAGE = 500
"""Entries read at once: about 0.3 MB."""

Numbered = tuple[int, bytes]
"""An entry: its sequence, and the JSON of its event (empty where it has none)."""


class _Named(Struct):
    event_id: str


def entries(wire: Wire, after: int, *, until: int | None = None) -> Iterator[list[Numbered]]:
    """Pages of entries with numbers above `after`, up to `until` where it is given; none where nobody has made the
    stream."""
    last = "+" if until is None else f"0-{until}"
    while page := numbered(wire.call("XRANGE", STREAM.value, f"(0-{after}", last, "COUNT", PAGE)):
        yield page
        after = page[-1][0]


def entry_at(wire: Wire, sequence: int) -> bytes | None:
    """The JSON of the event with that number; null where it is not there."""
    found = numbered(wire.call("XRANGE", STREAM.value, f"0-{sequence}", f"0-{sequence}"))
    return found[0][1] if found else None


def event_id_of(data: bytes | None) -> str:
    """The id of an encoded event; empty where it is none."""
    try:
        return msgspec.json.decode(data, type=_Named).event_id if data else ""
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""


def numbered(rows: object) -> list[Numbered]:
    """Rows of a reply as entries; an id that is no number of ours (`ms-n`) is left out."""
    found = []
    for entry_id, fields in cast(list[Any], rows or []):
        if entry_id.startswith(b"0-"):
            found.append((number_of(entry_id), data_of(fields or ()) or b""))
    return found
