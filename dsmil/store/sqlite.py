"""Opening SQLite the one way that holds: WAL, explicit BEGIN IMMEDIATE, numbered migrations.

A deferred transaction that reads and then writes fails at once under a second writer, whatever the busy
time-out says; so every write transaction here takes the lock first (reliability 3).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from dsmil.errors import ConfigError, Corrupt, DsmilError, Unavailable

BUSY_MS = 5_000
"""How long a writer waits for another: worst wait seen with 8 writers was 863 ms."""
OPEN_TRIES = 20
"""Setting WAL on a fresh file can be refused although the busy time-out has not run out (3 of 240 opens)."""
JOURNAL_BYTES_MAX = 16 << 20
"""A write-ahead log larger than this is cut back after a checkpoint."""
SQL_NAME_DIGITS = 4

_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_CLOSED = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)


def connect(  # noqa: PLR0913 - all but one are keywords
    path: Path,
    *,
    synchronous: Literal["FULL", "NORMAL", "OFF"],
    cache_kib: int = 16_384,
    checkpoint_pages: int = 1_000,
    journal_bytes: int = JOURNAL_BYTES_MAX,
    busy_ms: int = BUSY_MS,
) -> sqlite3.Connection:
    """Open `path` for writing, made if absent; usable from any thread, one at a time.

    Raises Unavailable (cannot be opened, disk full), Corrupt (not a database).
    """
    with translated(f"open {path}"):
        connection = sqlite3.connect(
            path, timeout=busy_ms / 1000, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        try:
            _set_wal(connection)
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            connection.execute(f"PRAGMA cache_size = -{cache_kib}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {checkpoint_pages}")
            connection.execute(f"PRAGMA journal_size_limit = {journal_bytes}")
            connection.execute("PRAGMA temp_store = MEMORY")
        except BaseException:
            connection.close()
            raise
        return connection


def connect_readonly(path: Path) -> sqlite3.Connection:
    """Open an existing `path` for reading only, beside its writer. Raises Unavailable, Corrupt.

    Who may not write in its directory can read it all the same, also while no writer has it open.
    """
    with translated(f"open {path}"):
        connection = _readonly(path, "mode=ro")
        if not _lacks_log(connection, path):
            return connection
        connection.close()
        return _readonly(path, "mode=ro&immutable=1")


def _readonly(path: Path, how: str) -> sqlite3.Connection:
    uri = f"{path.resolve().as_uri()}?{how}"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False)


def _lacks_log(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether its last writer has put everything into the one file and taken those beside it away, which SQLite
    would make anew even for a reader, and this one may not."""
    try:
        connection.execute("PRAGMA schema_version")
    except sqlite3.Error as error:
        refused = getattr(error, "sqlite_errorcode", 0) & 0xFF in _CLOSED
        real = path.resolve()
        return refused and not real.with_name(f"{real.name}-wal").exists()
    return False


def _set_wal(connection: sqlite3.Connection) -> None:
    for attempt in range(OPEN_TRIES):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if attempt == OPEN_TRIES - 1 or "locked" not in str(error):
                raise


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """BEGIN IMMEDIATE ... COMMIT; whatever is raised inside rolls everything back."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk may have rolled back by itself already.
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn SQLite's errors into ours: "`what`: cause"."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(error, what) from error


def _translate(error: sqlite3.Error, what: str) -> DsmilError:
    # Corrupt for broken files, Unavailable for anything that may pass.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _CORRUPT or (code == 0 and "malformed" in str(error)):
        return Corrupt(f"{what}: {error}", hint="set the file aside and restore a copy; do not delete its -wal")
    if code == sqlite3.SQLITE_FULL:
        return Unavailable(f"{what}: {error}", hint="free space on that file system")
    return Unavailable(f"{what}: {error}")


def is_full(error: sqlite3.Error) -> bool:
    """Whether the file system, or the page limit, is exhausted."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL


def sql_dir(family: str) -> Path:
    """Directory of a family's numbered SQL files: the checkout's `sql/`, or the packaged copy."""
    package = Path(__file__).resolve().parent.parent
    for root in (package.parent / "sql", package / "_data" / "sql"):
        if (root / family).is_dir():
            return root / family
    raise ConfigError(
        f"find sql/{family}: neither in the checkout nor in the package", hint="install dsmil again"
    )


def migrate(connection: sqlite3.Connection, family: str, *, backup: Path | None = None) -> int:
    """Bring a database to the newest schema of `family`; returns its version.

    Each step is one transaction. Before the first step of a database that has rows to lose, it is copied to
    `backup` (with `.v<version>` added). ConfigError where the database is newer than this program.
    """
    steps = {int(file.name[:SQL_NAME_DIGITS]): file for file in sorted(sql_dir(family).glob("[0-9]*.sql"))}
    newest = max(steps)
    with translated(f"migrate {family} database"):
        version = _version(connection)
        if version > newest:
            raise ConfigError(
                f"open {family} database: its schema version {version} is newer than ours, {newest}",
                hint="run the dsmil that wrote it, or a later one",
            )
        if 0 < version < newest and backup is not None:
            _copy(connection, backup.with_name(f"{backup.name}.v{version}"))
        for number in range(version + 1, newest + 1):
            _step(connection, number, steps[number].read_text("utf-8"))
    return newest


def _step(connection: sqlite3.Connection, number: int, script: str) -> None:
    with transaction(connection):
        if _version(connection) >= number:
            return  # another process was faster
        for statement in _statements(script):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")


def _statements(script: str) -> Iterator[str]:
    # The files set pragmas for people at the sqlite3 prompt; here `connect` has set them, and journal_mode
    # cannot change inside a transaction.
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            if not _bare(statement).upper().startswith("PRAGMA"):
                yield statement
            statement = ""
    assert not _bare(statement), "a shipped SQL file ends inside a statement"


def _bare(statement: str) -> str:
    lines = (line for line in statement.splitlines() if not line.lstrip().startswith("--"))
    return "\n".join(lines).strip()


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _copy(connection: sqlite3.Connection, target: Path) -> None:
    # VACUUM INTO sees the write-ahead log too; the target is replaced at once or not at all.
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    connection.execute("VACUUM INTO ?", (str(part),))
    fsync(part)
    part.replace(target)
    fsync(target.parent)


def fsync(path: Path) -> None:
    """Make a file, or the names in a directory, survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
