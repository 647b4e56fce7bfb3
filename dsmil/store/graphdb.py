"""graph.db: the graph's snapshots, and its nodes and edges as rows that anybody may query. One writer, the projector.

The rows follow a batch behind, each batch in one transaction together with the number it reached, so they are
always a whole moment. They and the snapshots can be made again from the audit log: a commit need not be synced.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from dsmil.errors import Corrupt, DsmilError, Unavailable
from dsmil.runtime import logs
from dsmil.store.sqlite import connect, connect_readonly, migrate, transaction, translated

HOUR_S = 3600
CACHE_KIB = 8_192
ROWS_AT_A_TIME = 500
"""Rows a statement takes: what is given lazily is never held whole."""

_ABOUT = "sequence, epoch, ts, event_id, created_ts, nodes, edges, bytes, checksum"
_LIST = f"SELECT {_ABOUT} FROM snapshots ORDER BY sequence DESC"  # noqa: S608 - our own column names
_DATA = "SELECT data FROM snapshots WHERE sequence = ?"
_KEEP = f"INSERT OR REPLACE INTO snapshots ({_ABOUT}, data) VALUES (?,?,?,?,?,?,?,?,?,?)"  # noqa: S608
_NODE = "INSERT OR REPLACE INTO nodes VALUES (?,?,?,?,?,?,?,?,?,?,?)"
_EDGE = "INSERT OR REPLACE INTO edges VALUES (?,?,?,?,?,?,?,?)"
_FAR = "SELECT epoch, sequence, soc_id, soc FROM reached"
_REACHED = "UPDATE reached SET epoch = ?, sequence = ?, soc_id = ?, soc = ?"

Row = tuple[Any, ...]
"""A row of `nodes` or `edges`, its columns in the order of the table."""

log = logs.get()


class About(Struct, frozen=True):
    """A snapshot without its data: the number, epoch, ingest time and id of the last event in it; when it was made
    (Unix seconds); how many nodes, edges and bytes it has; its sum."""

    sequence: int
    epoch: str
    ts: float
    event_id: str
    created_ts: float
    nodes: int
    edges: int
    bytes: int
    checksum: str


class Reached(Struct, frozen=True):
    """How far the rows have come; `soc` counts SOC events by severity, up to the entry `soc_id`."""

    epoch: str = ""
    sequence: int = 0
    soc_id: str = "0-0"
    soc: dict[str, int] = {}


class Changes(Struct):
    """What one batch does to the rows: those that are new or other, and the ids of those that are gone. `afresh`:
    all that was there before goes."""

    nodes: Iterable[Row] = ()
    edges: Iterable[Row] = ()
    gone_nodes: Sequence[str] = ()
    gone_edges: Sequence[str] = ()
    afresh: bool = False


class GraphDb:
    """The writer. Raises Unavailable (disk full or away: nothing of the batch is kept, give it again) and opens
    itself again after an error. A damaged file is set aside: Unavailable is raised once, the next call makes anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open the file, made if absent."""
        with self._settled("open"):
            self._ready()

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def reached(self) -> Reached:
        """How far the rows have come."""
        with self._settled("read") as database:
            epoch, sequence, soc_id, soc = database.execute(_FAR).fetchone()
        return Reached(epoch, sequence, soc_id, msgspec.json.decode(soc, type=dict[str, int]))

    def write(self, changes: Changes, reached: Reached) -> None:
        """One batch, in one transaction."""
        with self._settled("write") as database, transaction(database):
            if changes.afresh:
                database.execute("DELETE FROM nodes")
                database.execute("DELETE FROM edges")
            database.executemany("DELETE FROM edges WHERE id = ?", ((one,) for one in changes.gone_edges))
            database.executemany("DELETE FROM nodes WHERE id = ?", ((one,) for one in changes.gone_nodes))
            for statement, rows in ((_NODE, iter(changes.nodes)), (_EDGE, iter(changes.edges))):
                while page := list(islice(rows, ROWS_AT_A_TIME)):
                    database.executemany(statement, page)
            soc = msgspec.json.encode(reached.soc).decode()
            database.execute(_REACHED, (reached.epoch, reached.sequence, reached.soc_id, soc))

    def keep(self, about: About, data: bytes, *, last: int, hours: int) -> None:
        """Store a snapshot; of the others the newest `last` in all stay, and the newest of each hour for so many
        `hours`."""
        with self._settled("write") as database, transaction(database):
            database.execute(_KEEP, (*astuple(about), data))
            rows = [About(*row) for row in database.execute(_LIST).fetchall()]
            stay = {one.sequence for one in rows[:last]}
            stay |= _hourly(rows, since=about.created_ts - hours * HOUR_S) if hours else set()
            gone = [(one.sequence,) for one in rows if one.sequence not in stay]
            database.executemany("DELETE FROM snapshots WHERE sequence = ?", gone)

    def drop(self, sequences: Sequence[int]) -> None:
        """Remove snapshots that are no good."""
        with self._settled("write") as database, transaction(database):
            database.executemany("DELETE FROM snapshots WHERE sequence = ?", [(one,) for one in sequences])

    @contextmanager
    def _settled(self, verb: str) -> Iterator[sqlite3.Connection]:
        try:
            with translated(f"{verb} {self.path}"):
                yield self._ready()
        except Corrupt as error:
            self.close()
            self._set_aside()
            raise Unavailable(str(error), hint="it was set aside as graph.db.bad, and is made anew") from error
        except DsmilError:
            self.close()
            raise

    def _set_aside(self) -> None:
        """All of it can be made again, so nobody need wait for a hand; what is there is kept to be looked at."""
        log.error("graph_db_damaged", path=str(self.path), mend="it is made anew out of the audit log")
        for suffix in ("", "-wal", "-shm"):
            path = self.path.with_name(self.path.name + suffix)
            with suppress(FileNotFoundError):
                path.replace(path.with_name(f"{self.path.name}.bad{suffix}"))

    def _ready(self) -> sqlite3.Connection:
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = connect(self.path, synchronous="NORMAL", cache_kib=CACHE_KIB)
            try:
                migrate(connection, "graph", backup=self.path)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection


def snapshots(path: Path) -> list[About]:
    """The snapshots that are kept, newest first; none where there is no file yet. Raises Unavailable, Corrupt."""
    with _reading(path) as database:
        return [] if database is None else [About(*row) for row in database.execute(_LIST).fetchall()]


def snapshot_data(path: Path, sequence: int) -> bytes | None:
    """The bytes of one snapshot; null where it is not kept any more. Raises Unavailable, Corrupt."""
    with _reading(path) as database:
        row = None if database is None else database.execute(_DATA, (sequence,)).fetchone()
        return None if row is None else bytes(row[0])


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    """Null where there is nothing to read yet."""
    if not path.exists():
        yield None
        return
    with closing(connect_readonly(path)) as database, translated(f"read {path}"):
        made = database.execute("PRAGMA user_version").fetchone()[0] > 0
        yield database if made else None


def _hourly(rows: Sequence[About], *, since: float) -> set[int]:
    """The newest snapshot of each hour that began after `since`; `rows` are newest first."""
    found: dict[int, int] = {}
    for one in rows:
        if one.created_ts >= since:
            found.setdefault(int(one.created_ts // HOUR_S), one.sequence)
    return set(found.values())
