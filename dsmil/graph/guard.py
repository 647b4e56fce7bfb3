"""Watches over GRAPH_EVENTS for its owner: makes it, and sees when it is not the one it was.

Redis may be emptied, lose its end with its process, or come back from an older file. The first sign is a number lower
than one we know, or another event under it. Then nobody may take a number for what it was: the stream goes on at the
next million under another epoch, and every reader begins anew. Before that, a moment is left to the drainer, which
may still be writing down what it had read of the stream that is gone.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from dsmil.clock import Clock
from dsmil.errors import DsmilError
from dsmil.fabric import graphstream
from dsmil.fabric.graphread import entry_at, event_id_of
from dsmil.fabric.graphstream import STREAM, Standing, sequence_of
from dsmil.fabric.wire import Wire
from dsmil.graph.intake import Intake
from dsmil.runtime import logs
from dsmil.store.reader import AuditReader

SETTLE_S = 1.0
"""The drainer commits a batch within some milliseconds; a slow disk may take longer."""

log = logs.get()


class Guard:
    """`stands` says whether the stream is sound; where it is not, it is made so by one of the next calls."""

    def __init__(self, wire: Wire, audit: Path, *, clock: Clock) -> None:
        self._wire = wire
        self._audit = AuditReader(audit)
        self._clock = clock
        self._wait_until: float | None = None
        self.renumbered = 0

    def stands(self, intake: Intake | None, known: int) -> Standing | None:
        """How the stream stands; null while it does not, or has just been made anew. `intake` is what was folded of
        it, `known` the highest number met. Unavailable: Redis is away."""
        standing = graphstream.look(self._wire)
        if not standing.epoch or intake is None:
            known = max(known, self._audited())
        why = self._fault(standing, intake, known)
        if not why:
            self._wait_until = None
            return standing
        fresh = not (known or standing.last)
        if self._wait_until is None:
            self._wait_until = self._clock.monotonic() + (0.0 if fresh else SETTLE_S)
        if self._clock.monotonic() >= self._wait_until:
            self.make(known, why)
        return None

    def make(self, known: int, why: str) -> None:
        """Make the stream, or let it go on at the next million; say `why`."""
        made = graphstream.create(self._wire, now=self._clock.now(), known=known, why=why)
        self._wait_until = None
        if made.last:
            self.renumbered += 1
            log.error("graph_renumbered", sequence=made.last, known=known, why=why)
        else:
            log.info("graph_stream_made", epoch=made.epoch)

    def _fault(self, standing: Standing, intake: Intake | None, known: int) -> str:
        if not standing.epoch:
            return "the stream or its epoch is gone"
        if standing.last < known:
            return f"number {known} was met, and the stream ends at {standing.last}"
        if intake is None or intake.graph.epoch != standing.epoch:
            return ""  # whoever asks begins anew, and finds out on the way
        event_id, sequence = intake.last
        if not sequence or not standing.first or standing.first > sequence:
            return ""
        if event_id_of(entry_at(self._wire, sequence)) != event_id:
            return f"another event stands under number {sequence}"
        return ""

    def _audited(self) -> int:
        """The highest number in the audit log; 0 where there is none."""
        with suppress(DsmilError):
            return sequence_of(self._audit.heads().get(STREAM.value, ("0-0", 0))[0])
        return 0
