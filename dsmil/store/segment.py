"""One segment of the audit log: what it says of itself, how it is begun, opened and sealed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from dsmil.store.chain import GENESIS
from dsmil.store.segments import day_of, number_of
from dsmil.store.sqlite import connect, connect_readonly, fsync, migrate, transaction, translated

CACHE_KIB = 65_536
"""Page cache of the open segment: event ids are random, so their index must stay in memory to be quick."""
CHECKPOINT_PAGES = 8_192
"""32 MiB of write-ahead log between two checkpoints: each writes a hot index page once instead of many times."""


class Head(Struct, frozen=True):
    """Where the chain stands: the last row's `seq` and `hash` (before any row: 0 and 32 zero bytes)."""

    seq: int = 0
    hash: bytes = GENESIS


class Meta(Struct, frozen=True):
    """What a segment says of itself. `last` is None while it is open."""

    number: int
    day: str
    first_seq: int
    prev_hash: bytes
    last: Head | None


def create(path: Path, *, head: Head, ts: float, before: Path | None) -> Path:
    """Make the segment `path`, continuing the chain at `head` and the stream positions of the segment `before`.

    Also finishes one whose making a crash cut short. Raises Unavailable, sqlite3.Error.
    """
    with closing(connect(path, synchronous="FULL")) as connection, translated(f"create {path.name}"):
        migrate(connection, "audit")
        path.chmod(0o640)
        with transaction(connection):
            if read_meta(connection) is None:
                connection.execute(
                    "INSERT INTO segment (number, day, created_ts, first_seq, prev_hash) VALUES (?, ?, ?, ?, ?)",
                    (number_of(path), day_of(ts), ts, head.seq + 1, head.hash),
                )
                heads = _heads(before) if before else []
                connection.executemany("INSERT OR REPLACE INTO stream_heads VALUES (?, ?, ?, ?)", heads)
    fsync(path.parent)
    return path


def open_for_rows(path: Path) -> sqlite3.Connection:
    """Open the growing segment: what is committed there survives a power cut. Raises Unavailable, Corrupt."""
    connection = connect(path, synchronous="FULL", cache_kib=CACHE_KIB, checkpoint_pages=CHECKPOINT_PAGES)
    try:
        migrate(connection, "audit", backup=path)
    except BaseException:
        connection.close()
        raise
    return connection


def seal(connection: sqlite3.Connection, head: Head, ts: float) -> None:
    """Say in the segment that nothing comes after `head`."""
    with transaction(connection):
        connection.execute(
            "UPDATE segment SET sealed_ts = ?, last_seq = ?, last_hash = ?", (ts, head.seq, head.hash)
        )


def read_meta(connection: sqlite3.Connection) -> Meta | None:
    """What an open segment says of itself, or None where it was never finished being made."""
    try:
        row = connection.execute(
            "SELECT number, day, first_seq, prev_hash, last_seq, last_hash FROM segment"
        ).fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise
    if row is None:
        return None
    number, day, first_seq, prev_hash, last_seq, last_hash = row
    last = None if last_seq is None else Head(last_seq, bytes(last_hash))
    return Meta(number, day, first_seq, bytes(prev_hash), last)


def head_of(connection: sqlite3.Connection, meta: Meta) -> Head:
    """Where the chain stands after this segment's last row."""
    row = connection.execute("SELECT seq, hash FROM entity_audit_log ORDER BY seq DESC LIMIT 1").fetchone()
    return Head(row[0], bytes(row[1])) if row else Head(meta.first_seq - 1, meta.prev_hash)


def _heads(path: Path) -> list[tuple[str, int, int, int]]:
    with closing(connect_readonly(path)) as connection:
        return connection.execute("SELECT stream, ms, n, rows FROM stream_heads").fetchall()
