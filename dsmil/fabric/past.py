"""The past of a group, batch by batch: out of its journal rows, or out of the streams themselves.

Everything is read in bounded pages. What should be there and is not is reported, never passed over.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import msgspec
from msgspec import Struct

from dsmil.events.enums import StreamName
from dsmil.fabric.entry import ZERO, Batch, Entry, id_key, order, take
from dsmil.fabric.frame import journal_key
from dsmil.fabric.wire import Wire, checked

ROWS_PAGE = 50
"""Journal rows fetched at a time."""
PAGE = 200
"""Entries fetched at a time where there are no rows."""


class Run(Struct, frozen=True, array_like=True):
    """`count` entries of one stream, from `first` to `last`."""

    stream: StreamName
    first: str
    last: str
    count: int


class Row(Struct, frozen=True, array_like=True):
    """One handled batch: its number, and what was in it."""

    seq: int
    runs: tuple[Run, ...]


def runs_of(entries: Sequence[Entry], *, whole: bool, single: bool = False) -> tuple[Run, ...]:
    """The runs of a batch. `whole`: per stream it left out no entry that the handler will accept. `single`: it
    is of one stream."""
    if not whole:
        return tuple(Run(entry.stream, entry.id, entry.id, 1) for entry in entries)
    if single:
        return (Run(entries[0].stream, entries[0].id, entries[-1].id, len(entries)),)
    spans: dict[StreamName, tuple[str, str, int]] = {}
    for entry in entries:
        first, _, count = spans.get(entry.stream, (entry.id, "", 0))
        spans[entry.stream] = (first, entry.id, count + 1)
    return tuple(Run(stream, *span) for stream, span in spans.items())


class Past:
    """Reads what a group has handled. `gap(row number, missing)` is told of entries that were trimmed."""

    def __init__(
        self, wire: Wire, group: str, streams: Sequence[StreamName], gap: Callable[[int, int], None]
    ) -> None:
        self._wire = wire
        self._group = group
        self._streams = tuple(streams)
        self._gap = gap

    def ends(self) -> tuple[int, int]:
        """Numbers of the first and the last row; zeros where there is none."""
        key = journal_key(self._group)
        ends = [checked(reply) for reply in self._wire.pipeline([("LINDEX", key, 0), ("LINDEX", key, -1)])]
        first, last = (msgspec.json.decode(cast(bytes, end), type=Row).seq if end else 0 for end in ends)
        return first, last

    def rows(self, after: int) -> Iterator[list[Entry]]:
        """The batches of the rows after `after`."""
        first, _ = self.ends()
        index = max(0, after + 1 - first)
        while page := cast(list[bytes], self._page(index)):
            for raw in page:
                row = msgspec.json.decode(raw, type=Row)
                yield self._fetch(row)
            index += len(page)

    def _page(self, index: int) -> object:
        return self._wire.call("LRANGE", journal_key(self._group), index, index + ROWS_PAGE - 1)

    def _fetch(self, row: Row) -> list[Entry]:
        batch = Batch()
        found = self._wire.pipeline([("XRANGE", run.stream.value, run.first, run.last) for run in row.runs])
        for run, reply in zip(row.runs, found, strict=True):
            take(batch, run.stream, cast(list[Any], checked(reply)))
        expected = sum(run.count for run in row.runs)
        if len(batch.entries) < expected:
            self._gap(row.seq, expected - len(batch.entries))
        batch.entries.sort(key=order)
        return batch.entries

    def rest(self, positions: Mapping[str, str]) -> Iterator[list[Entry]]:
        """What was acknowledged and is still there, of all streams, in the order of ids."""
        entries = heapq.merge(
            *(self._of(stream, positions.get(stream.value, ZERO)) for stream in self._streams), key=order
        )
        page: list[Entry] = []
        for entry in entries:
            page.append(entry)
            if len(page) >= PAGE:
                yield page
                page = []
        if page:
            yield page

    def _of(self, stream: StreamName, start: str) -> Iterator[Entry]:
        last = self._delivered(stream)
        while id_key(start) < id_key(last):
            reply = checked(self._wire.call("XRANGE", stream.value, f"({start}", last, "COUNT", PAGE))
            rows = cast(list[Any], reply)
            if not rows:
                return
            start = rows[-1][0].decode()
            open_ids = self._open(stream, rows[0][0].decode(), start)
            batch = Batch()
            take(batch, stream, [row for row in rows if row[0] not in open_ids])
            yield from batch.entries

    def _open(self, stream: StreamName, first: str, last: str) -> set[bytes]:
        rows = self._wire.call("XPENDING", stream.value, self._group, first, last, PAGE)
        return {row[0] for row in cast(list[Any], rows)}

    def _delivered(self, stream: StreamName) -> str:
        exists = self._wire.call("EXISTS", stream.value)
        groups = cast(list[Any], self._wire.call("XINFO", "GROUPS", stream.value)) if exists else []
        for flat in groups:
            facts = dict(zip(flat[::2], flat[1::2], strict=False))
            if facts[b"name"] == self._group.encode():
                return cast(bytes, facts[b"last-delivered-id"]).decode()
        return ZERO
