"""operators.db: one file, mode 0600, many short writers.

Every write takes the lock first (BEGIN IMMEDIATE), so the API processes and the command line wait for each other
instead of failing. A copy of the file lets nobody in: it holds digests.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dsmil.errors import ConfigError, Corrupt, Unavailable
from dsmil.store import sqlite

SQL_FAMILY = "operators"
MODE = 0o600
"""Its owner's alone, and so are the files SQLite puts beside it."""
HINT = "as the user the suite runs as, or as root"


class Book:
    """The open file. Every verb of those who use it raises Unavailable while the file system refuses."""

    def __init__(self, path: Path, *, busy_ms: int = sqlite.BUSY_MS) -> None:
        self.path = path
        self._busy_ms = busy_ms
        self._opened: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open it, made where it is absent. Unavailable: not now, or not for us; ConfigError: never, as it is."""
        if self._opened is not None:
            return
        try:
            _make(self.path)
            # FULL: a token that was handed out, or taken back, stays so after a power cut.
            opened = sqlite.connect(self.path, synchronous="FULL", cache_kib=512, busy_ms=self._busy_ms)
        except OSError as error:
            raise Unavailable(f"open {self.path}: {error.strerror or error}", hint=HINT) from None
        except Corrupt as error:
            raise ConfigError(str(error)) from None
        try:
            with sqlite.translated(f"open {self.path}"):
                opened.execute("PRAGMA foreign_keys = ON")
                sqlite.migrate(opened, SQL_FAMILY, backup=self.path)
        except BaseException:
            opened.close()
            raise
        self._opened = opened

    def close(self) -> None:
        """Close it."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def __enter__(self) -> Book:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, for a look."""
        with sqlite.translated(f"read {self.path}"):
            yield self._db

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The connection inside one transaction that holds the lock."""
        with sqlite.translated(f"write {self.path}"), sqlite.transaction(self._db):
            yield self._db

    def version(self) -> tuple[int, int]:
        """Another one whenever anybody has written. Asked for each request, so without ceremony."""
        opened = self._db
        try:
            return opened.execute("PRAGMA data_version").fetchone()[0], opened.total_changes
        except sqlite3.Error:
            with self.reading():  # which says what is wrong in our words
                raise

    @property
    def _db(self) -> sqlite3.Connection:
        assert self._opened is not None, "the book is used before it is opened"
        return self._opened


def _make(path: Path) -> None:
    """An empty file of the right mode in a directory of its own; made by root, both belong to whom the directory
    above belongs to."""
    if path.exists():
        return
    made: list[Path] = []
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700)
        made.append(path.parent)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, MODE))
    if os.geteuid() == 0:
        owner = path.parent.parent.stat() if made else path.parent.stat()
        for each in (*made, path):
            os.chown(each, owner.st_uid, owner.st_gid, follow_symlinks=False)
