"""The loss ledger: what is known to be gone, or may be, for good. One writer, beside the audit segments.

It also remembers the identity each stream had, so that a Redis which came back as another is noticed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

from msgspec import Struct
from msgspec.structs import astuple

from dsmil.events import ids
from dsmil.store.sqlite import connect, connect_readonly, migrate, transaction, translated

FILE = "loss.db"
ROWS_MAX = 10_000
"""Rows one reading gives, the newest."""

_COLUMNS = "ts, kind, stream, reader, first_id, last_id, count, detail"
_INSERT = f"INSERT OR IGNORE INTO loss_log ({_COLUMNS}, digest) VALUES (?,?,?,?,?,?,?,?,?)"  # noqa: S608 - our own column names
_SELECT = f"SELECT {_COLUMNS} FROM loss_log ORDER BY id DESC LIMIT ?"  # noqa: S608 - our own column names


class LossRow(Struct, frozen=True):
    """One loss, noticed at `ts` (Unix seconds) by the group `reader`; `count` None where nobody can know."""

    ts: float
    kind: str
    stream: str = ""
    reader: str = ""
    first_id: str = ""
    last_id: str = ""
    count: int | None = None
    detail: str = ""


class LossLog:
    """Writes the ledger of an audit directory. Raises Unavailable; opens itself again after an error."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE
        self._connection: sqlite3.Connection | None = None

    def add(self, rows: Sequence[LossRow]) -> int:
        """Store records, durably, each once; returns how many were new."""
        if not rows:
            return 0
        values = [(*astuple(row), ids.digest(*map(str, astuple(row)))) for row in rows]
        try:
            with translated("write the loss ledger"):
                connection = self._ready()
                before = connection.total_changes
                with transaction(connection):
                    connection.executemany(_INSERT, values)
                return connection.total_changes - before
        except BaseException:
            self.close()
            raise

    def recorded(self) -> int:
        """How many records it ever took."""
        with translated("read the loss ledger"):
            return int(self._ready().execute("SELECT coalesce(max(id), 0) FROM loss_log").fetchone()[0])

    def epochs(self) -> dict[str, str]:
        """The identity each stream had when it was last seen."""
        with translated("read the loss ledger"):
            return dict(self._ready().execute("SELECT stream, epoch FROM stream_epochs").fetchall())

    def remember(self, epochs: Mapping[str, str]) -> None:
        """Keep the identities of streams."""
        with translated("write the loss ledger"), transaction(self._ready()):
            self._ready().executemany("INSERT OR REPLACE INTO stream_epochs VALUES (?, ?)", list(epochs.items()))

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _ready(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = connect(self.path, synchronous="FULL")
            try:
                migrate(connection, "loss", backup=self.path)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection


def read_losses(directory: Path, limit: int = ROWS_MAX) -> list[LossRow]:
    """The newest losses, newest first; none where there is no ledger yet. Raises Unavailable, Corrupt."""
    path = directory / FILE
    if not path.exists():
        return []
    with closing(connect_readonly(path)) as connection, translated(f"read {path}"):
        return [LossRow(*row) for row in connection.execute(_SELECT, (min(limit, ROWS_MAX),)).fetchall()]
