"""The files of the audit log: one open segment that grows, and sealed ones that never change again.

A segment is `segment-<number>-<UTC day>.db`; numbers have no gaps, so a missing file is seen.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from dsmil.store.sqlite import connect, fsync

PATTERN = "segment-*.db"
SEALED_MODE = 0o440


def day_of(ts: float) -> str:
    """UTC date of Unix seconds, "2024-01-31"."""
    return datetime.fromtimestamp(ts, UTC).date().isoformat()


def path_of(directory: Path, number: int, ts: float) -> Path:
    """The file of a segment begun at `ts`."""
    return directory / f"segment-{number:06d}-{day_of(ts)}.db"


def listing(directory: Path) -> list[Path]:
    """The segment files, oldest first."""
    return sorted(directory.glob(PATTERN), key=number_of)


def sealed_before(directory: Path, number: int) -> list[Path]:
    """The segments older than segment `number`, oldest first."""
    return [path for path in listing(directory) if number_of(path) < number]


def number_of(path: Path) -> int:
    """The number in a segment's name; 0 where it has none."""
    digits = path.name.split("-")[1] if "-" in path.name else ""
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def size_of(path: Path) -> int:
    """Bytes of a segment with its write-ahead log."""
    parts = (path, path.with_name(path.name + "-wal"))
    return sum(part.stat().st_size for part in parts if part.exists())


def harden(path: Path) -> bool:
    """Make a sealed segment one read-only file; False while a reader still has it open (try again later)."""
    if path.stat().st_mode & 0o777 == SEALED_MODE:
        return True
    with closing(connect(path, synchronous="FULL")) as connection:
        try:
            connection.execute("PRAGMA busy_timeout = 0")
            connection.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.OperationalError:
            return False
    path.chmod(SEALED_MODE)
    fsync(path.parent)
    return True
