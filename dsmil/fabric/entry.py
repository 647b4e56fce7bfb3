"""A stream entry as a handler sees it, and how a reply of Redis becomes entries.

One entry = one field `event` = one event, decoded strictly here: a handler never meets a bad one. Ids order
entries; across streams they are merged by id, then by stream name, so a batch has one order only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec import Struct

from dsmil.errors import BadEvent
from dsmil.events.enums import StreamName
from dsmil.events.envelope import Event, decode
from dsmil.fabric.field import data_of

NAMES: dict[bytes, StreamName] = {name.value.encode(): name for name in StreamName}
ZERO = "0-0"


class Entry(Struct, frozen=True, gc=False):
    """One entry: its stream, its id `ms-seq`, the JSON of its field `event`, and that event."""

    stream: StreamName
    id: str
    data: bytes
    event: Event


class Output(Struct, frozen=True, gc=False):
    """One encoded event for a stream."""

    stream: StreamName
    data: bytes


class Bad(Struct, frozen=True):
    """An entry that is no event: what it held, and what is wrong with it."""

    stream: StreamName
    id: str
    data: bytes
    error: str


class Batch(Struct):
    """What one read brought: events, entries that are none, and ids whose entries were trimmed unread."""

    entries: list[Entry] = []
    bad: list[Bad] = []
    gone: list[tuple[StreamName, str]] = []


Handler = Callable[[Sequence[Entry]], Sequence[Output]]
"""Takes a batch in order, gives what to publish. It must be idempotent by event id. `BadEvent` buries the entry
at once, `Unavailable` waits without counting an attempt, any other exception counts against the entry."""


def id_key(entry_id: str) -> tuple[int, int]:
    """An id as two integers, so that ids can be compared."""
    ms, _, seq = entry_id.partition("-")
    return int(ms), int(seq or 0)


def order(entry: Entry) -> tuple[tuple[int, int], str]:
    """The sort key of entries of several streams."""
    return id_key(entry.id), entry.stream.value


def take(batch: Batch, stream: StreamName, rows: Iterable[Any]) -> None:
    """Add the rows `[id, [field, value, ...] or nil]` of one stream to a batch."""
    add = batch.entries.append
    for raw_id, fields in rows:
        entry_id = raw_id.decode()
        if fields is None:
            batch.gone.append((stream, entry_id))
            continue
        data = data_of(fields)
        try:
            if data is None:
                raise BadEvent("decode event: the entry has no field `event`")
            add(Entry(stream, entry_id, data, decode(data)))
        except BadEvent as error:
            batch.bad.append(Bad(stream, entry_id, data or b"\n".join(fields), str(error)))


def parse(reply: Any) -> Batch:
    """A reply of XREADGROUP as a batch in one order; an empty one for nil."""
    batch = Batch()
    if not reply:
        return batch
    for name, rows in reply:
        take(batch, NAMES[name], rows)
    if len(reply) > 1:
        batch.entries.sort(key=order)
    return batch
