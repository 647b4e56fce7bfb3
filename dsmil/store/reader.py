"""The read side of the audit log, for any process, while the drainer writes.

Rows never change once written, so pages read one after the other are consistent; no read lasts long enough
to hold the writer's log back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from hashlib import blake2b
from pathlib import Path

from dsmil.errors import Unavailable
from dsmil.store.chain import COLUMNS, AuditRow, entry_id, row_of
from dsmil.store.segment import head_of, read_meta
from dsmil.store.segments import listing
from dsmil.store.sqlite import connect_readonly, translated

PAGE_ROWS = 1_000
"""Rows fetched at a time: about 0.5 MB."""
LOOK_ROWS = 20_000
"""Rows looked through at a time, some 10 MB: no look lasts long enough to hold the writer's log back."""

_FIND = f"SELECT {COLUMNS} FROM entity_audit_log WHERE event_id = ?"  # noqa: S608 - our own column names

_BACKWARDS = f"SELECT {COLUMNS} FROM entity_audit_log WHERE seq > ? AND seq <= ? AND stream = ? AND "  # noqa: S608 - our own column names


class AuditReader:
    """Reads one audit directory. Every method raises Unavailable or Corrupt where a segment cannot be read."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def rows(self, stream: str | None = None, after_id: str = "0-0", *, after_seq: int = 0) -> Iterator[AuditRow]:
        """Rows in the order they were written: of all streams, or those of `stream` whose entry id is greater
        than `after_id` ("ms-seq"); `after_seq`: and only those written after that row."""
        after = entry_id(after_id)
        for path, connection in self._segments():
            with translated(f"read {path}"):
                start = 0 if stream is None else _start(connection, stream, after)
                if start is None:
                    continue
                for columns in _pages(connection, COLUMNS, max(start, after_seq + 1)):
                    if stream is None or (columns[2] == stream and entry_id(columns[3]) > after):
                        yield row_of(columns)

    def find(self, event_id: str) -> AuditRow | None:
        """The row of an event, or None."""
        return self.find_all([event_id]).get(event_id)

    def find_all(self, event_ids: Iterable[str]) -> dict[str, AuditRow]:
        """The rows of those of these events that are there, each segment opened at most once."""
        wanted, found = set(event_ids), dict[str, AuditRow]()
        for path, connection in self._segments(newest_first=True) if wanted else ():
            with translated(f"read {path}"):
                for event_id in wanted - found.keys():
                    columns = connection.execute(_FIND, (event_id,)).fetchone()
                    if columns is not None:
                        found[event_id] = row_of(columns)
            if len(found) == len(wanted):
                break
        return found

    def holding(self, stream: str, text: bytes) -> Iterator[AuditRow]:
        """Rows of `stream` whose bytes hold `text`, newest first. There is no index: all are looked through."""
        return self._backwards("instr(data, ?) > 0", stream, text)

    def last_before(self, stream: str, ts: float) -> AuditRow | None:
        """The last row of `stream` that came in at `ts` (Unix seconds) or earlier, or None."""
        return next(self._backwards("ingest_ts <= ?", stream, ts), None)

    def event_ids(self) -> Iterator[str]:
        """Every event id, oldest row first."""
        for path, connection in self._segments():
            with translated(f"read {path}"):
                for columns in _pages(connection, "seq, event_id", 0):
                    yield columns[1]

    def count(self) -> int:
        """How many rows there are, `history_removed` rows included."""
        total = 0
        for path, connection in self._segments():
            with translated(f"read {path}"):
                total += connection.execute("SELECT count(*) FROM entity_audit_log").fetchone()[0]
        return total

    def distinct(self) -> int:
        """How many different event ids there are (equal to `count` unless something is wrong)."""
        return len({blake2b(event_id.encode(), digest_size=12).digest() for event_id in self.event_ids()})

    def heads(self) -> dict[str, tuple[str, int]]:
        """Per stream: the greatest entry id audited, and the rows it gave since the log began."""
        for path, connection in self._segments(newest_first=True):
            with translated(f"read {path}"):
                if read_meta(connection) is not None:
                    found = connection.execute("SELECT stream, ms, n, rows FROM stream_heads ORDER BY stream")
                    return {stream: (f"{ms}-{n}", rows) for stream, ms, n, rows in found if stream}
        return {}

    def last_seq(self) -> int:
        """Number of the newest row; 0 where there is none."""
        for path, connection in self._segments(newest_first=True):
            with translated(f"read {path}"):
                meta = read_meta(connection)
                if meta is not None:
                    return head_of(connection, meta).seq
        return 0

    def _backwards(self, condition: str, stream: str, value: object) -> Iterator[AuditRow]:
        query = f"{_BACKWARDS}{condition} ORDER BY seq DESC"
        for path, connection in self._segments(newest_first=True):
            with translated(f"read {path}"):
                first, last = connection.execute("SELECT min(seq), max(seq) FROM entity_audit_log").fetchone()
                while last is not None and last >= first:
                    yield from map(row_of, connection.execute(query, (last - LOOK_ROWS, last, stream, value)))
                    last -= LOOK_ROWS

    def _segments(self, *, newest_first: bool = False) -> Iterator[tuple[Path, sqlite3.Connection]]:
        paths = listing(self.directory)
        for path in reversed(paths) if newest_first else paths:
            try:
                connection = connect_readonly(path)
                with translated(f"read {path}"):
                    made = connection.execute("PRAGMA user_version").fetchone()[0] > 0
            except Unavailable:
                if path.exists():
                    raise
                continue  # the size budget removed it while we were reading
            with closing(connection):
                if made:
                    yield path, connection


def _start(connection: sqlite3.Connection, stream: str, after: tuple[int, int]) -> int | None:
    """First seq of a segment worth reading for rows of `stream` beyond `after`; None where there is none."""
    head = connection.execute("SELECT ms, n FROM stream_heads WHERE stream = ?", (stream,)).fetchone()
    if head is None or tuple(head) <= after:
        return None
    found = connection.execute(
        "SELECT max(seq) FROM stream_marks WHERE stream = ? AND (ms, n) <= (?, ?)", (stream, *after)
    ).fetchone()[0]
    return int(found or 0)


def _pages(connection: sqlite3.Connection, columns: str, start: int) -> Iterator[tuple]:  # type: ignore[type-arg]
    query = f"SELECT {columns} FROM entity_audit_log WHERE seq >= ? ORDER BY seq LIMIT {PAGE_ROWS}"  # noqa: S608 - our own names
    while page := connection.execute(query, (start,)).fetchall():
        yield from page
        start = page[-1][0] + 1
