"""Which files have been ingested, by content, and how far: `<data>/ingest/ingest.db`.

A mark is committed only after its events were published, so a crash repeats at most one batch of events, under
their old ids and counters, and a file that is through is never ingested again under any name.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from msgspec import Struct

from dsmil.clock import Clock
from dsmil.errors import ConfigError, Corrupt, Unavailable
from dsmil.store import sqlite

SQL_FAMILY = "ingest"


class Mark(Struct, frozen=True, kw_only=True):
    """One round over one content: `seq` events are known to be out, the last from byte `offset`."""

    sha256: str
    family: str
    loop: int = 0
    state: str = "open"
    seq: int = 0
    offset: int = 0
    received: int = 0

    @property
    def ingested(self) -> bool:
        """True where nothing is left to publish, and something was: a file without records may come again."""
        return self.state != "open" and self.received > 0


class Ledger:
    """The ledger's one table. Every verb raises Unavailable while the file system refuses, Corrupt where the
    file is no database."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._opened: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open the file, made where it is absent. Unavailable: not now; ConfigError: never, as it is."""
        if self._opened is not None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # As far as the umask lets: on an installed machine `dsmil ingest` of the group's members writes here too,
            # and SQLite gives the files beside it the same mode.
            self._path.touch(mode=0o660)
            # NORMAL: a power cut may take back the last marks; then some events go out twice under their ids.
            self._opened = sqlite.connect(self._path, synchronous="NORMAL")
            sqlite.migrate(self._opened, SQL_FAMILY, backup=self._path)
        except OSError as error:
            raise Unavailable(f"open {self._path}: {error.strerror or error}", hint="make it writable") from None
        except Corrupt as error:
            raise ConfigError(str(error)) from None

    @property
    def _db(self) -> sqlite3.Connection:
        assert self._opened is not None, "the ledger is used before it is opened"
        return self._opened

    def begin(self, sha256: str, family: str, *, path: str, loop: int = 0) -> Mark:
        """Where that round stands; a round nobody has begun is begun."""
        with sqlite.translated("write ingest ledger"), sqlite.transaction(self._db):
            self._db.execute(
                "INSERT INTO files (sha256, family, loop, path, state, begun_ts) VALUES (?, ?, ?, ?, 'open', ?)"
                " ON CONFLICT DO NOTHING",
                (sha256, family, loop, _utf8(path), self._clock.now()),
            )
            row = self._db.execute(
                "SELECT state, seq, offset, received FROM files WHERE sha256 = ? AND family = ? AND loop = ?",
                (sha256, family, loop),
            ).fetchone()
        state, seq, offset, received = row
        return Mark(
            sha256=sha256, family=family, loop=loop, state=state, seq=seq, offset=offset, received=received
        )

    def last_loop(self, sha256: str, family: str) -> int:
        """The number of the latest round over that content; -1 where there was none."""
        with sqlite.translated("read ingest ledger"):
            row = self._db.execute(
                "SELECT MAX(loop) FROM files WHERE sha256 = ? AND family = ?", (sha256, family)
            ).fetchone()
        return -1 if row[0] is None else int(row[0])

    def advance(self, mark: Mark, *, seq: int, offset: int) -> None:
        """`seq` events of this round are out."""
        self._update(mark, "seq = ?, offset = ?", seq, offset)

    def publish(self, mark: Mark, *, seq: int, received: int, accepted: int) -> None:
        """All of this round is out; its file has yet to be put away."""
        values = (seq, received, accepted, self._clock.now())
        self._update(mark, "state = 'published', seq = ?, received = ?, accepted = ?, ended_ts = ?", *values)

    def finish(self, mark: Mark) -> None:
        """This round is over and its file put away."""
        self._update(mark, "state = 'done'")

    def close(self) -> None:
        """Close the file."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _update(self, mark: Mark, what: str, *values: object) -> None:
        with sqlite.translated("write ingest ledger"), sqlite.transaction(self._db):
            self._db.execute(
                f"UPDATE files SET {what} WHERE sha256 = ? AND family = ? AND loop = ?",  # noqa: S608 - ours
                (*values, mark.sha256, mark.family, mark.loop),
            )


def _utf8(path: str) -> str:
    return path.encode("utf-8", "replace").decode()
