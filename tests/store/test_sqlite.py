"""Databases are opened in one way, migrated step by step, and never opened when they are newer than we are."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dsmil.errors import ConfigError, Corrupt, Unavailable
from dsmil.store import sqlite


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A family of SQL files of our own, with one file in it."""
    place = tmp_path / "sql"
    place.mkdir()
    (place / "0001_init.sql").write_text(
        "-- what; it is\nPRAGMA journal_mode = WAL;\nCREATE TABLE t (a TEXT DEFAULT 'x;y'); -- why\n"
        "INSERT INTO t VALUES ('one');\nPRAGMA user_version = 1;\n"
    )
    monkeypatch.setattr(sqlite, "sql_dir", lambda family: place)
    return place


def rows(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT a FROM t")]


def test_steps_are_taken_once_and_a_copy_is_kept_before(steps: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite.connect(path, synchronous="FULL")) as connection:
        assert sqlite.migrate(connection, "t", backup=path) == 1
        assert sqlite.migrate(connection, "t", backup=path) == 1
        assert rows(connection) == ["one"]
        assert not list(tmp_path.glob("a.db.v*")), "nothing to lose yet"
        (steps / "0002_more.sql").write_text("ALTER TABLE t ADD COLUMN b;\nINSERT INTO t (a) VALUES ('two');\n")
        assert sqlite.migrate(connection, "t", backup=path) == 2
        assert rows(connection) == ["one", "two"]
    with closing(sqlite3.connect(tmp_path / "a.db.v1")) as old:
        assert rows(old) == ["one"]


def test_a_step_that_fails_leaves_nothing_behind(steps: Path, tmp_path: Path) -> None:
    with closing(sqlite.connect(tmp_path / "a.db", synchronous="FULL")) as connection:
        sqlite.migrate(connection, "t")
        (steps / "0002_more.sql").write_text("INSERT INTO t VALUES ('two');\nINSERT INTO nowhere VALUES (1);\n")
        with pytest.raises(Unavailable, match="nowhere"):
            sqlite.migrate(connection, "t")
        assert rows(connection) == ["one"]
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)


def test_a_newer_database_is_refused(steps: Path, tmp_path: Path) -> None:
    with closing(sqlite.connect(tmp_path / "a.db", synchronous="FULL")) as connection:
        connection.execute("PRAGMA user_version = 7")
        with pytest.raises(ConfigError, match="newer than ours"):
            sqlite.migrate(connection, "t")


@pytest.mark.parametrize("family", ["hot", "audit", "loss"])
def test_every_shipped_schema_opens_from_many_threads_at_once(tmp_path: Path, family: str) -> None:
    faults: list[Exception] = []

    def opening() -> None:
        try:
            with closing(sqlite.connect(tmp_path / "a.db", synchronous="NORMAL")) as connection:
                assert sqlite.migrate(connection, family) == 1
        except Exception as error:  # noqa: BLE001 - told by the main thread
            faults.append(error)

    threads = [threading.Thread(target=opening) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults


def test_errors_are_named_for_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="open"):
        sqlite.connect(tmp_path / "nowhere" / "a.db", synchronous="FULL")
    (tmp_path / "b.db").write_bytes(b"no database " * 100)
    with pytest.raises(Corrupt):
        sqlite.connect(tmp_path / "b.db", synchronous="FULL")
    with pytest.raises(ConfigError, match="install dsmil again"):
        sqlite.sql_dir("nothing")


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    with closing(sqlite.connect(tmp_path / "a.db", synchronous="OFF")) as connection:
        connection.execute("CREATE TABLE t (a)")
        with pytest.raises(ZeroDivisionError), sqlite.transaction(connection):  # noqa: PT012
            connection.execute("INSERT INTO t VALUES (1)")
            raise ZeroDivisionError
        assert rows(connection) == []


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder strangers may look into; those of pytest are closed to them."""
    with tempfile.TemporaryDirectory(prefix="dsmil-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone can become somebody who may not write there")
def test_who_may_only_read_reads_beside_the_writer_and_without_one(open_folder: Path) -> None:
    """SQLite would want to make the files that belong to a write-ahead log."""
    path = open_folder / "a.db"

    def as_a_stranger() -> list[str]:
        os.seteuid(65534)
        try:
            with closing(sqlite.connect_readonly(path)) as connection:
                return rows(connection)
        finally:
            os.seteuid(0)

    with closing(sqlite.connect(path, synchronous="FULL")) as connection:
        connection.execute("CREATE TABLE t (a)")
        connection.execute("INSERT INTO t VALUES ('one')")
        assert as_a_stranger() == ["one"]
    assert [found.name for found in open_folder.iterdir()] == ["a.db"]
    assert as_a_stranger() == ["one"]
