"""The open segment: the one file of the audit log that rows are added to.

Everything kept in memory here is a copy of what the file says; after an error the object is thrown away and
made again from the file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from dsmil.errors import Corrupt
from dsmil.store import segment, segments
from dsmil.store.chain import COLUMNS, AuditRow, chained, entry_id
from dsmil.store.segment import Head, Meta
from dsmil.store.sqlite import connect_readonly, transaction, translated

MARK_ROWS = 1_000
"""Rows of a stream between two signposts: a replay reads at most so many rows in vain."""

_INSERT = f"INSERT INTO entity_audit_log ({COLUMNS}, hash) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"  # noqa: S608 - our own column names
_HEAD = """INSERT INTO stream_heads (stream, ms, n, rows) VALUES (?1, ?2, ?3, ?4)
  ON CONFLICT (stream) DO UPDATE SET rows = rows + ?4,
    ms = iif((?2, ?3) > (ms, n), ?2, ms), n = iif((?2, ?3) > (ms, n), ?3, n)"""
_MARK = "INSERT OR IGNORE INTO stream_marks (stream, ms, n, seq) VALUES (?, ?, ?, ?)"
_PRESENT = "SELECT event_id FROM entity_audit_log WHERE event_id IN (SELECT value FROM json_each(?))"

Spot = tuple[str, int, int, int]
"""(stream, ms, n) and a count or a seq."""


class Growing:
    """An open segment. Raises sqlite3.Error; the log translates."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection = segment.open_for_rows(path)
        meta = segment.read_meta(self.connection)
        if meta is None:
            self.close()
            raise Corrupt(
                f"open {path}: it says nothing of itself", hint="set it aside; see `dsmil audit verify`"
            )
        self.meta: Meta = meta
        self.head: Head = segment.head_of(self.connection, meta)
        self._heads: dict[str, tuple[int, int]] = {
            stream: (ms, n) for stream, ms, n in self.connection.execute("SELECT stream, ms, n FROM stream_heads")
        }
        self._marks: dict[str, int] = dict(
            self.connection.execute("SELECT stream, max(seq) FROM stream_marks GROUP BY stream").fetchall()
        )

    def write(self, fresh: Sequence[AuditRow], rows: Sequence[AuditRow], *, now: float) -> int:
        """Add the rows `fresh`, and count all `rows` of the batch as met. One durable transaction.

        IntegrityError where one of `fresh` is there already (nothing is then kept).
        """
        stored = chained(fresh, seq=self.head.seq + 1, previous=self.head.hash, recorded_ts=now)
        heads, marks = self._spots(fresh, rows)
        with transaction(self.connection):
            self.connection.executemany(_INSERT, stored)
            self.connection.executemany(_HEAD, heads)
            self.connection.executemany(_MARK, marks)
        if stored:
            self.head = Head(stored[-1][0], stored[-1][-1])
        for stream, ms, n, _ in heads:
            self._heads[stream] = max(self._heads.get(stream, (0, 0)), (ms, n))
        self._marks.update((stream, seq) for stream, _, _, seq in marks)
        return len(stored)

    def _spots(self, fresh: Sequence[AuditRow], rows: Sequence[AuditRow]) -> tuple[list[Spot], list[Spot]]:
        """Per stream: its greatest entry id and new rows; and a signpost where one is due."""
        spans: dict[str, list[tuple[int, int]]] = {}
        for row in rows:
            spans.setdefault(row.stream, []).append(entry_id(row.stream_id))
        counts = dict.fromkeys(spans, 0)
        for row in fresh:
            if row.stream in counts:
                counts[row.stream] += 1
        seq = self.head.seq + 1
        heads = [(stream, *max(span), counts[stream]) for stream, span in spans.items()]
        marks = [
            (stream, *min(span), seq)
            for stream, span in spans.items()
            if counts[stream]
            and min(span) > self._heads.get(stream, (0, 0))
            and seq - self._marks.get(stream, -MARK_ROWS) >= MARK_ROWS
        ]
        return heads, marks

    def present(self, event_ids: Sequence[str]) -> set[str]:
        """Those of `event_ids` that are in this segment."""
        return present(self.connection, event_ids)

    def seal(self, now: float) -> None:
        """Say that nothing comes after the last row, and close."""
        segment.seal(self.connection, self.head, now)
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.connection.close()


def find(directory: Path, now: float) -> Growing:
    """The open segment of a directory, made where there is none. Raises Unavailable, Corrupt, sqlite3.Error."""
    paths = segments.listing(directory)
    path, head, before = segments.path_of(directory, 1, now), Head(), None
    if paths:
        meta, end = inspect(paths[-1])
        if meta is not None and meta.last is None:
            return Growing(paths[-1])
        if meta is not None:
            path, head, before = segments.path_of(directory, meta.number + 1, now), end, paths[-1]
        else:  # the making of the last one was cut short: nothing is in it yet
            path = paths[-1]
            if len(paths) > 1:
                head, before = inspect(paths[-2])[1], paths[-2]
    return Growing(segment.create(path, head=head, ts=now, before=before))


def inspect(path: Path) -> tuple[Meta | None, Head]:
    """What a segment says of itself (None: it was never finished being made), and where its chain ends."""
    with closing(connect_readonly(path)) as connection, translated(f"read {path}"):
        meta = segment.read_meta(connection)
        return meta, Head() if meta is None else segment.head_of(connection, meta)


def present(connection: sqlite3.Connection, event_ids: Iterable[str]) -> set[str]:
    """Those of `event_ids` that a segment holds."""
    return {row[0] for row in connection.execute(_PRESENT, (msgspec.json.encode(list(event_ids)).decode(),))}


def without(rows: Iterable[AuditRow], known: Iterable[str]) -> list[AuditRow]:
    """`rows` less those of `known` ids and less repeats, in order."""
    passed = set(known)
    fresh = []
    for row in rows:
        if row.event_id not in passed:
            passed.add(row.event_id)
            fresh.append(row)
    return fresh
