"""The file of the hot database, which may be absent, full or deleted at any time.

Nothing here raises: a cache that is away must not stop those who fill it. But nothing is silent either: the
state has a name and a message with the mend, and what could not be written is counted.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeVar

from msgspec import Struct

from dsmil.clock import Clock
from dsmil.errors import Corrupt, DsmilError
from dsmil.runtime import logs
from dsmil.store import presence, retention
from dsmil.store.hot_rows import RowIds
from dsmil.store.moved import hands_off
from dsmil.store.sqlite import BUSY_MS, connect, is_full, migrate, transaction, translated

State = Literal["ok", "fallback", "absent", "full", "closed"]
T = TypeVar("T")

RETRY_S = 1.0
"""How often a file that is away is looked for."""
TRIES_MAX = 3
"""Attempts at one batch: after making room, and after two writers chose one key."""
CACHE_KIB = 65_536
CHECKPOINT_PAGES = 1_000
JOURNAL_BYTES = 4 << 20
"""Small: on a tmpfs the write-ahead log costs memory and spares no disk."""
FILE_SHARE_MAX = 0.60
"""Most of its file system the database takes, whatever the budget says."""
MODE = 0o660
"""Members of the file's group read it with sqlite3, which has to write the shared-memory file."""

log = logs.get()


class HotConfig(Struct, frozen=True):
    """Where the hot database is and what it may take; `fallback` is used, visibly, while `path` is away.
    `busy_ms`: longest wait for another writer, after which rows are dropped and counted."""

    path: Path
    budget_bytes: int = 1 << 30
    fallback: Path | None = None
    ages: retention.Ages = retention.Ages()
    cleanup_s: float = 10.0
    busy_ms: int = BUSY_MS


class HotFile:
    """One connection to the hot database, healed as often as it takes. Safe to use from several threads."""

    def __init__(self, config: HotConfig, clock: Clock) -> None:
        self.config = config
        self.state: State = "closed"
        self.message = ""
        self.dropped = 0
        """Rows that could not be written."""
        self.generation = 0
        """How many times a file was opened: when it has grown, the file may be new and want refilling."""
        self.budget_bytes = config.budget_bytes
        self.path: Path | None = None
        """The file in use; None where there is none."""
        self.ids = RowIds()
        self._clock = clock
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._inode = (0, 0)
        self._look_at = clock.monotonic()
        self._clean_at = self._look_at + config.cleanup_s

    def write(self, count: int, act: Callable[[sqlite3.Connection], T]) -> T | None:
        """Run `act` in a transaction; None, and `count` rows dropped, where that cannot be done now."""
        with self._lock:
            connection = self._ready()
            attempt = 0
            while connection is not None:
                try:
                    with transaction(connection):
                        done = act(connection)
                    self._become("ok" if self.path == self.config.path else "fallback")
                    self._clean_if_due(connection)
                    return done
                except sqlite3.Error as error:
                    attempt += 1
                    if not self._mended(connection, error, attempt):
                        break
            self.dropped += count
            return None

    def read(self, act: Callable[[sqlite3.Connection], T]) -> T | None:
        """Run `act`, which must fetch all it wants; None where that cannot be done now."""
        with self._lock:
            connection = self._ready()
            if connection is None:
                return None
            try:
                return act(connection)
            except sqlite3.Error as error:
                self._lost(error)
                return None

    def clean(self, now: float) -> int:
        """Throw away what is too old or too much, and find out who fell silent; returns how many rows went."""
        with self._lock:
            connection = self._ready()
            if connection is None:
                return 0
            try:
                presence.sweep(connection, now)
                ages, limit = self.config.ages, retention.HIGH_WATER * self.budget_bytes
                return retention.by_age(connection, ages, now) + retention.by_size(
                    connection, ages, now, bytes_max=limit
                )
            except sqlite3.Error as error:
                self._mended(connection, error, TRIES_MAX)
                return 0

    def open(self) -> bool:
        """Open it now; whether that worked."""
        with self._lock:
            self._look_at = self._clock.monotonic()
            return self._ready() is not None

    def close(self) -> None:
        """Close it; the next use opens it again."""
        with self._lock:
            self._drop()
            self._look_at = self._clock.monotonic()
            self.state, self.message = "closed", ""

    def _ready(self) -> sqlite3.Connection | None:
        if self._connection is not None:
            if not self._is_there():
                log.warning("hot_db_deleted", path=str(self.path), mend="it is made again; refill it")
                self._drop()
                self._look_at = self._clock.monotonic()
            elif self.state == "fallback" and self._clock.monotonic() >= self._look_at:
                self._look_at = self._clock.monotonic() + RETRY_S
                if _usable(self.config.path):
                    self._drop()
                    self._look_at = self._clock.monotonic()
        if self._connection is None and self._clock.monotonic() >= self._look_at:
            self._look_at = self._clock.monotonic() + RETRY_S
            self._open()
        return self._connection

    def _open(self) -> None:
        error = self._open_at(self.config.path)
        if error is None:
            self._become("ok")
        elif self.config.fallback is not None and self._open_at(self.config.fallback) is None:
            self._become("fallback", f"{error}; using {self.config.fallback}")
        else:
            self._become("absent", str(error))

    def _open_at(self, path: Path) -> DsmilError | None:
        if not path.parent.is_dir():
            return DsmilError(f"open {path}: no directory {path.parent}", hint="mount the tmpfs there")
        if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
            # Whoever may write in the directory must not have us write through a link into another.
            return DsmilError(f"open {path}: it is no regular file", hint=f"rm {path}")
        try:
            try:
                self._connection = self._opened(path)
            except Corrupt:  # a cache: begin a new one
                path.unlink(missing_ok=True)
                self._connection = self._opened(path)
            self.path = path
            self._inode = _inode(path)
        except (DsmilError, OSError) as error:
            self._drop()
            return error if isinstance(error, DsmilError) else DsmilError(f"open {path}: {error}")
        self.generation += 1
        return None

    def _opened(self, path: Path) -> sqlite3.Connection:
        fresh = not path.exists()
        connection = connect(
            path,
            synchronous="OFF",  # fsync does nothing on a tmpfs; WAL keeps it whole over any kill
            cache_kib=CACHE_KIB,
            checkpoint_pages=CHECKPOINT_PAGES,
            journal_bytes=JOURNAL_BYTES,
            busy_ms=self.config.busy_ms,
        )
        try:
            if fresh:
                path.chmod(MODE)
            space = os.statvfs(path)
            self.budget_bytes = min(
                self.config.budget_bytes, int(FILE_SHARE_MAX * space.f_blocks * space.f_frsize)
            )
            with translated(f"open {path}"):
                size = connection.execute("PRAGMA page_size").fetchone()[0]
                pages = int(retention.PAGES_CAP * self.budget_bytes / size)
                connection.execute(f"PRAGMA max_page_count = {pages}")
            migrate(connection, "hot")
        except BaseException:
            connection.close()
            raise
        return connection

    def _mended(self, connection: sqlite3.Connection, error: sqlite3.Error, attempt: int) -> bool:
        """Whether the same batch is worth another attempt."""
        if isinstance(error, sqlite3.IntegrityError):
            if attempt < TRIES_MAX and str(error).endswith(".id"):
                self.ids.jump()  # another writer took that key in the same millisecond
                return True
            self.message = f"write to {self.path}: {error}"
            return False
        if not is_full(error):
            self._lost(error)
            return False
        try:
            limit = min(retention.HIGH_WATER * self.budget_bytes, 0.9 * retention.used_bytes(connection))
            made = retention.by_size(connection, self.config.ages, self._clock.now(), bytes_max=limit)
        except sqlite3.Error:
            made = 0
        if made and attempt < TRIES_MAX:
            return True
        self._become(
            "full", f"write to {self.path}: {error} (free space on that file system, or raise hot.budget_bytes)"
        )
        return False

    def _lost(self, error: sqlite3.Error) -> None:
        path = self.path
        self._drop()
        try:
            with translated(f"use {path}"):
                raise error
        except Corrupt as broken:
            if path is not None:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
            self._look_at = self._clock.monotonic()
            self._become("absent", f"{broken}; a new one is made")
        except DsmilError as away:
            self._become("absent", str(away))

    def _clean_if_due(self, connection: sqlite3.Connection) -> None:
        if self._clock.monotonic() >= self._clean_at:
            self._clean_at = self._clock.monotonic() + self.config.cleanup_s
            self.clean(self._clock.now())

    def _is_there(self) -> bool:
        try:
            return self.path is not None and _inode(self.path) == self._inode
        except OSError:
            return False

    def _become(self, state: State, message: str = "") -> None:
        if state == self.state:
            self.message = message or self.message
            return
        self.state, self.message = state, message
        if state == "ok":
            log.info("hot_db_ok", path=str(self.path))
        else:
            log.warning(f"hot_db_{state}", reason=message, dropped=self.dropped)

    def _drop(self) -> None:
        if self._connection is not None:
            if not self._is_there():
                hands_off(self._inode)
            with suppress(sqlite3.Error):
                self._connection.close()
        self._connection, self.path = None, None


def _inode(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino


def _usable(path: Path) -> bool:
    return path.parent.is_dir() and os.access(path.parent, os.W_OK)
