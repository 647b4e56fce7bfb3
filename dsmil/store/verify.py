"""Whether the audit log is still what was written: chain, segments, anchors, read with no trust in any of them.

The chain finds a row changed, removed or moved; the numbering finds a segment gone; the anchors find a tail
cut off, and a chain that was made again from end to end.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from dsmil.errors import Corrupt, DsmilError
from dsmil.store import anchors
from dsmil.store.chain import COLUMNS, GENESIS, link
from dsmil.store.history import KIND, Removed
from dsmil.store.segment import Head, Meta, read_meta
from dsmil.store.segments import listing, number_of
from dsmil.store.sqlite import connect_readonly, translated

PAGE_ROWS = 2_000
FAULTS_MAX = 20
"""Faults that are named; the first is what matters, a wiped log would give millions."""
TRIES = 3
"""The size budget may remove a segment while we read; then the reading is worth nothing and begins anew."""

_ROWS = f"SELECT {COLUMNS}, hash FROM entity_audit_log WHERE seq > ? ORDER BY seq LIMIT {PAGE_ROWS}"  # noqa: S608 - our own names


class Fault(Struct, frozen=True):
    """One thing that is wrong: in which segment, at which row (None: the segment or file itself), and what."""

    segment: str
    seq: int | None
    what: str


class Report(Struct, frozen=True):
    """The outcome. `rows_after_anchor` rows at the end are covered by no anchor yet: a cut there goes unseen."""

    ok: bool
    rows: int
    segments: int
    anchors: int
    last_seq: int
    rows_after_anchor: int
    faults: tuple[Fault, ...]


class _Check:
    def __init__(self, directory: Path) -> None:
        # Anchors first: rows that come meanwhile only lie beyond the last of them.
        self.known = anchors.read(directory)
        self.paths = listing(directory)
        self.hashes: dict[int, str] = {}
        self.anchored = {anchor.seq for anchor in self.known.anchors}
        self.removed: dict[int, str] = {}
        self.faults: list[Fault] = []
        self.rows = 0
        self.head = Head()
        self.number = 0
        self.first: Meta | None = None

    def run(self) -> None:
        for path in self.paths:
            self.segment(path)
        self.beginning()
        self.anchors()

    def fault(self, segment: str, seq: int | None, what: str) -> None:
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(Fault(segment, seq, what))

    def segment(self, path: Path) -> None:
        try:
            with closing(connect_readonly(path)) as connection, translated(f"read {path}"):
                meta = read_meta(connection)
                if meta is None:
                    if path != self.paths[-1]:
                        self.fault(path.name, None, "it says nothing of itself")
                    return
                self.joins(path, meta)
                self.chain(path, connection)
                self.ends(path, meta)
        except DsmilError as error:
            where = self.head.seq + 1 if isinstance(error, Corrupt) else None
            self.fault(path.name, where, f"it cannot be read: {error}")

    def joins(self, path: Path, meta: Meta) -> None:
        """Whether a segment goes on where the one before ended."""
        if meta.number != number_of(path):
            self.fault(path.name, None, f"it says it is segment {meta.number}")
        if self.first is None:
            self.first = meta
            self.head = Head(meta.first_seq - 1, meta.prev_hash)
            self.hashes[self.head.seq] = self.head.hash.hex()
            if meta.number == 1 and (meta.prev_hash != GENESIS or meta.first_seq != 1):
                self.fault(path.name, None, "the first segment does not begin the chain")
        elif meta.number != self.number + 1:
            gone = (
                f"{self.number + 1}"
                if meta.number == self.number + 2
                else f"{self.number + 1} to {meta.number - 1}"
            )
            self.fault(path.name, None, f"segment {gone} before it is missing")
            self.head = Head(meta.first_seq - 1, meta.prev_hash)
        elif (meta.first_seq, meta.prev_hash) != (self.head.seq + 1, self.head.hash):
            self.fault(path.name, meta.first_seq, "it does not go on where the segment before it ended")
        self.number = meta.number

    def chain(self, path: Path, connection: sqlite3.Connection) -> None:
        seq, previous = self.head.seq, self.head.hash
        for row in _rows(connection):
            if row[0] != seq + 1:
                self.fault(path.name, seq + 1, f"row {seq + 1} is missing, the next is {row[0]}")
                previous = b""  # what it was chained to is gone: start anew from its own hash
            elif link(previous, row[:11]) != row[11]:
                self.fault(path.name, row[0], "the row is not what was written there")
            seq, previous = row[0], bytes(row[11]) if isinstance(row[11], bytes) else b""
            self.rows += 1
            if seq in self.anchored:
                self.hashes[seq] = previous.hex()
            if row[6] == KIND and not row[2]:
                self.note_removed(row[10])
            self.head = Head(seq, previous)

    def note_removed(self, data: bytes) -> None:
        with suppress(msgspec.MsgspecError):  # a forged row; the chain tells
            told = msgspec.json.decode(data, type=Removed)
            self.removed[told.segment] = told.last_hash

    def ends(self, path: Path, meta: Meta) -> None:
        last = meta.last
        if last is not None and last.seq > self.head.seq:
            self.fault(path.name, self.head.seq + 1, f"it was sealed at row {last.seq}: its tail was cut off")
        elif last is not None and last != self.head:
            self.fault(path.name, self.head.seq, f"it was sealed at row {last.seq} and does not end so")
        if meta.last is None and path != self.paths[-1] and _made(self.paths[-1]):
            self.fault(path.name, None, "it was never sealed, yet another follows")

    def beginning(self) -> None:
        """Whether the segments before the first one were removed by the log itself."""
        first = self.first
        if first is not None and first.number > 1 and self.removed.get(first.number - 1) != first.prev_hash.hex():
            self.fault(
                self.paths[0].name, None, f"segment {first.number - 1} before it is missing, and no row says why"
            )

    def anchors(self) -> None:
        if not self.known.present and (self.rows or self.paths):
            self.fault(anchors.FILE, None, "the file of anchors is missing")
        if self.known.broken:
            self.fault(anchors.FILE, None, f"{self.known.broken} lines are no anchors")
        lowest = self.first.first_seq - 1 if self.first else 0
        good = lowest
        for anchor in self.known.anchors:
            if anchor.seq < lowest or (self.first is None and not anchor.seq):
                continue
            if anchor.seq > self.head.seq:
                self.fault(
                    _name(self.paths, anchor.segment), self.head.seq + 1,
                    f"the log ends at row {self.head.seq}, but it had row {anchor.seq}: its tail was cut off",
                )  # fmt: skip
                return
            if self.hashes.get(anchor.seq) != anchor.hash:
                self.fault(
                    _name(self.paths, anchor.segment), anchor.seq,
                    f"the chain was written anew between rows {good + 1} and {anchor.seq}",
                )  # fmt: skip
                return
            good = anchor.seq


def verify(directory: Path) -> Report:
    """Check a whole audit directory, also while it is being written. Faults come in order of discovery."""
    for _ in range(TRIES):
        check = _Check(directory)
        check.run()
        if all(path.exists() for path in check.paths):
            break
    last_anchor = max((anchor.seq for anchor in check.known.anchors), default=0)
    return Report(
        ok=not check.faults,
        rows=check.rows,
        segments=len(check.paths),
        anchors=len(check.known.anchors),
        last_seq=check.head.seq,
        rows_after_anchor=max(0, check.head.seq - last_anchor),
        faults=tuple(check.faults),
    )


def _rows(connection: sqlite3.Connection) -> Iterator[tuple]:  # type: ignore[type-arg]
    seq = -1
    while page := connection.execute(_ROWS, (seq,)).fetchall():
        yield from page
        seq = page[-1][0]


def _made(path: Path) -> bool:
    with closing(connect_readonly(path)) as connection:
        return read_meta(connection) is not None


def _name(paths: list[Path], number: int) -> str:
    return next((path.name for path in paths if number_of(path) == number), f"segment {number}")
