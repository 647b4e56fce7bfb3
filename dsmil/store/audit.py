"""The audit log: every event of every stream once, in order, chained, in daily segments. One writer.

A row is on disk when `append` returns, so only then may its entry be acknowledged. After any error the open
segment is closed and looked at afresh: what counts is what the file holds, not what we remember of it.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from dsmil.clock import Clock
from dsmil.config.stores import Audit
from dsmil.errors import ConfigError, DsmilError, Unavailable
from dsmil.runtime import logs
from dsmil.store import anchors, growing, history, segments
from dsmil.store.anchors import Anchor
from dsmil.store.chain import AuditRow
from dsmil.store.growing import Growing
from dsmil.store.reader import AuditReader
from dsmil.store.seen import Seen
from dsmil.store.segment import Head
from dsmil.store.segments import sealed_before
from dsmil.store.sqlite import connect_readonly, translated
from dsmil.store.verify import Report, verify

LOCK = "writer.lock"
STALE_SHARE = 2
"""The array of seen ids is made afresh when it holds this many times the rows that are left."""

log = logs.get()


class AuditLog:
    """The writer of one audit directory. `append` is the whole of its daily work; `tick` the rest.

    Raises ConfigError where another process writes here, Unavailable where the disk is full or away (nothing
    of the batch is then kept; give the same batch again), Corrupt where a segment is damaged.
    """

    def __init__(
        self,
        directory: Path,
        *,
        clock: Clock,
        settings: Audit | None = None,
        on_anchor: Callable[[Anchor], None] | None = None,
    ) -> None:
        self.directory = directory
        self.settings = settings or Audit()
        self.duplicates = 0
        """Rows given to `append` that were in the log already."""
        self._clock = clock
        self._on_anchor = on_anchor or _log_anchor
        self._growing: Growing | None = None
        self._unhardened = True
        self._seen = Seen(directory)
        self._lock = _lock(directory)
        self._anchored = _last_anchor(directory)
        self._anchored_at = clock.monotonic()

    def append(self, rows: Sequence[AuditRow]) -> int:
        """Store a batch in one transaction, durably; returns how many rows were new."""
        if not rows:
            return 0
        with self._settled("append to"):
            now = self._clock.now()
            open_ = self._roll_if_due(now)
            known = self._in_sealed(rows)
            try:
                added = open_.write(growing.without(rows, known) if known else rows, rows, now=now)
            except sqlite3.IntegrityError:  # some are in the open segment, or twice in the batch
                known |= open_.present([row.event_id for row in rows])
                added = open_.write(growing.without(rows, known), rows, now=now)
        self.duplicates += len(rows) - added
        self._anchor_if_due()
        return added

    def tick(self) -> None:
        """What is due: a new segment, an anchor, hardening of sealed ones, the size budget."""
        with self._settled("tend"):
            open_ = self._roll_if_due(self._clock.now())
            if self._unhardened:
                outcome = [segments.harden(path) for path in sealed_before(self.directory, open_.meta.number)]
                self._unhardened = not all(outcome)
            self._keep_budget(open_)
        self._anchor_if_due()

    def close(self) -> None:
        """Anchor what is there and let go of the directory."""
        try:
            if self._growing is not None:
                self._anchor(self._growing)
        finally:
            self._drop()
            self._seen.close()
            os.close(self._lock)

    def reader(self) -> AuditReader:
        """The read side, which any process may also open by itself."""
        return AuditReader(self.directory)

    def event_ids(self) -> Iterator[str]:
        """Every event id, oldest row first."""
        return self.reader().event_ids()

    def find(self, event_id: str) -> AuditRow | None:
        """The row of an event, or None."""
        return self.reader().find(event_id)

    def rows(self, stream: str | None = None, after_id: str = "0-0") -> Iterator[AuditRow]:
        """Rows in the order they were written: see `AuditReader.rows`."""
        return self.reader().rows(stream, after_id)

    def count(self) -> int:
        """How many rows there are."""
        return self.reader().count()

    def verify(self) -> Report:
        """Check chain, segments and anchors."""
        return verify(self.directory)

    @property
    def head(self) -> Head:
        """Where the chain stands."""
        return self._current().head

    @contextmanager
    def _settled(self, verb: str) -> Iterator[None]:
        try:
            with translated(f"{verb} the audit log"):
                yield
        except OSError as error:
            self._drop()
            raise Unavailable(f"{verb} the audit log: {error}", hint="look at that file system") from error
        except DsmilError:
            self._drop()
            raise

    def _current(self) -> Growing:
        if self._growing is None:
            self._growing = open_ = growing.find(self.directory, self._clock.now())
            if self._anchored.seq > open_.head.seq:
                log.error("audit_tail_missing", last_seq=open_.head.seq, anchored_seq=self._anchored.seq)
            self._anchor(open_)
            self._seen.cover(sealed_before(self.directory, open_.meta.number))
        return self._growing

    def _drop(self) -> None:
        if self._growing is not None:
            with suppress(sqlite3.Error):
                self._growing.close()
            self._growing = None

    def _roll_if_due(self, now: float) -> Growing:
        open_ = self._current()
        full = segments.size_of(open_.path) >= self.settings.segment_bytes
        if open_.head.seq < open_.meta.first_seq or not (full or segments.day_of(now) > open_.meta.day):
            return open_
        self._anchor(open_)
        self._growing = None
        open_.seal(now)
        self._unhardened = True
        log.info("audit_segment_sealed", segment=open_.path.name, last_seq=open_.head.seq)
        return self._current()

    def _in_sealed(self, rows: Sequence[AuditRow]) -> set[str]:
        hits = self._seen.hits([row.event_id for row in rows])
        found: set[str] = set()
        for path in reversed(sealed_before(self.directory, self._current().meta.number) if hits else []):
            with closing(connect_readonly(path)) as connection:
                found |= growing.present(connection, [event_id for event_id in hits if event_id not in found])
            if len(found) == len(hits):
                break
        return found

    def _keep_budget(self, open_: Growing) -> None:
        first_seq = history.shrink(
            self.directory, open_, budget_bytes=self.settings.budget_bytes, now=self._clock.now()
        )
        if first_seq is None:
            return
        anchors.forget(self.directory, before_seq=first_seq - 1)
        if len(self._seen) > STALE_SHARE * (open_.head.seq - first_seq + 1):
            self._seen.cover(sealed_before(self.directory, open_.meta.number), afresh=True)

    def _anchor_if_due(self) -> None:
        open_ = self._growing
        if open_ is None or open_.head == self._anchored:
            return
        waited = self._clock.monotonic() - self._anchored_at
        rows = open_.head.seq - self._anchored.seq
        if rows >= self.settings.anchor_rows or waited >= self.settings.anchor_s:
            self._anchor(open_)

    def _anchor(self, open_: Growing) -> None:
        if open_.head == self._anchored:
            return
        anchor = Anchor(open_.head.seq, open_.meta.number, open_.head.hash.hex(), self._clock.now())
        anchors.append(self.directory, anchor)
        self._anchored, self._anchored_at = open_.head, self._clock.monotonic()
        self._on_anchor(anchor)


def _lock(directory: Path) -> int:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise Unavailable(
            f"open audit log {directory}: {error}", hint="let the drainer's user write there"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise ConfigError(
            f"open audit log {directory}: another process is writing it", hint="only one drainer may run"
        ) from None
    return handle


def _last_anchor(directory: Path) -> Head:
    known = anchors.read(directory).anchors
    return Head(known[-1].seq, bytes.fromhex(known[-1].hash)) if known else Head(-1)


def _log_anchor(anchor: Anchor) -> None:
    log.info("audit_anchor", seq=anchor.seq, segment=anchor.segment, hash=anchor.hash)
