"""What the hot database throws away, and when: by age, and from a high-water mark on by size.

Deleting needs room itself, so it has to begin before the file system is full (reliability 3).
"""

from __future__ import annotations

import sqlite3

from msgspec import Struct

from dsmil.store.hot_rows import key_at
from dsmil.store.sqlite import transaction

CHUNK_ROWS = 2_000
"""Rows deleted in one transaction: about 20 ms with six indexes, so other writers hardly wait."""
HIGH_WATER = 0.70
"""Share of the budget the used pages may take."""
PAGES_CAP = 0.80
"""Share of the budget the file may take; the rest is for the write-ahead log."""
CHUNKS_MAX = 1_000
"""Most chunks of one clean-up; the next one goes on."""


class Ages(Struct, frozen=True):
    """Seconds the rows of each event table are kept, by ingest time."""

    raw_events_fast: float = 86_400.0
    model_outputs_fast: float = 86_400.0
    shrink_metrics: float = 86_400.0
    soc_events_cache: float = 7 * 86_400.0


def by_age(connection: sqlite3.Connection, ages: Ages, now: float) -> int:
    """Delete the rows that are older than they may be; returns how many."""
    total = 0
    for table in ages.__struct_fields__:
        cut = key_at(max(0.0, now - getattr(ages, table)))
        for _ in range(CHUNKS_MAX):
            gone = _delete(connection, table, before=cut)
            total += gone
            if gone < CHUNK_ROWS:
                break
    return total


def by_size(connection: sqlite3.Connection, ages: Ages, now: float, *, bytes_max: float) -> int:
    """Delete the rows nearest to their end of life until the used pages fit `bytes_max`; returns how many."""
    total = 0
    for _ in range(CHUNKS_MAX):
        if used_bytes(connection) <= bytes_max:
            break
        table = _nearest_its_end(connection, ages, now)
        if table is None:
            break
        total += _delete(connection, table, before=None)
    return total


def used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the pages that hold something."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _nearest_its_end(connection: sqlite3.Connection, ages: Ages, now: float) -> str | None:
    shares = {}
    for table in ages.__struct_fields__:
        oldest = connection.execute(f"SELECT min(id) FROM {table}").fetchone()[0]  # noqa: S608 - our own table names
        if oldest is not None:
            shares[table] = (key_at(now) - oldest) / getattr(ages, table)
    return max(shares, key=shares.__getitem__, default=None)


def _delete(connection: sqlite3.Connection, table: str, *, before: int | None) -> int:
    limit = "" if before is None else f"WHERE id < {before:d}"
    with transaction(connection):
        return connection.execute(
            f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} {limit} ORDER BY id LIMIT {CHUNK_ROWS})"  # noqa: S608
        ).rowcount
