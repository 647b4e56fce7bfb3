"""The graph kept for good: rows that follow batch by batch, and snapshots at their time.

Rows go down with the number they have reached, in one transaction a batch, so whatever was written twice or not at
all is set right by the next one. Only a snapshot is a place to begin from.
"""

from __future__ import annotations

from collections.abc import Callable

from dsmil.clock import Clock
from dsmil.config import Settings
from dsmil.errors import Unavailable
from dsmil.events.envelope import Event
from dsmil.fabric.entry import id_key
from dsmil.fabric.graphstream import follows
from dsmil.graph import snapshot
from dsmil.graph.bootstrap import Rebuild
from dsmil.graph.changes import all_rows, rows_since
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.intake import Intake
from dsmil.graph.picture import TooOld
from dsmil.runtime import logs
from dsmil.store.graphdb import About, Changes, GraphDb, Reached, snapshots

HOLD_MAX = 25_000
"""Entries the stream keeps for the sake of older snapshots: the audit log has them too."""
FLOOD = 25_000
"""After so many events a snapshot is made before its time: with what is held for older ones they are half of the
stream's cap, and at its cap its producers would wait for us."""
AGAIN_S = 10.0
"""Between two attempts at a snapshot the disk does not take."""

log = logs.get()


class Keeper:
    """Holds the graph of the projector, and graph.db. `observe(operation, table, seconds)` is told of each write."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        observe: Callable[[str, str, float], None] = lambda *_: None,
    ) -> None:
        self._settings = settings.projector
        self._database = GraphDb(settings.paths.graph_db)
        self._clock = clock
        self._observe = observe
        self._reached: Reached | None = None
        self._due = self._again = 0.0
        self._kept: list[int] = []
        self.intake: Intake | None = None
        self.soc: dict[str, int] = {}
        self._soc_id = "0-0"
        self.snapshot_sequence = 0
        self.snapshot_s = 0.0
        self.snapshot_bytes = 0

    def open(self) -> None:
        """Open graph.db. Unavailable where it cannot be."""
        self._database.open()
        self._reached = reached = self._database.reached()
        self.soc, self._soc_id = dict(reached.soc), reached.soc_id
        self._note(snapshots(self._database.path))

    def close(self) -> None:
        """Close it."""
        self._database.close()

    @property
    def graph(self) -> Hypergraph:
        """The graph; an empty one before `begin`."""
        return self.intake.graph if self.intake is not None else _EMPTY

    @property
    def known(self) -> int:
        """The highest number that was ever met here."""
        written = self._reached.sequence if self._reached is not None else 0
        return max(written, self.graph.sequence, *self._kept, 0)

    @property
    def held(self) -> int:
        """The number from which on the stream must keep its entries: that of the oldest of the newest snapshots, as
        long as that is not too many."""
        newest = self.snapshot_sequence
        return min((one for one in self._kept if one >= newest - HOLD_MAX), default=newest)

    def begin(self, rebuild: Rebuild) -> None:
        """Go on with the graph of `rebuild`; snapshots it found to be no good are removed."""
        self._database.drop(rebuild.unfit)
        self._note(snapshots(self._database.path))
        self.intake = rebuild.intake
        self.write()
        self._due = self._clock.monotonic() + self._settings.snapshot_s

    def gap_before(self, sequence: int) -> bool:
        """Whether entries between ours and that number have not come yet."""
        reached = self.graph.sequence
        return sequence > reached and not follows(sequence, reached)

    def count_soc(self, entry_id: str, event: Event) -> None:
        """Count a SOC event by severity, once."""
        if id_key(entry_id) > id_key(self._soc_id):
            self._soc_id = entry_id
            if event.kind == "soc":
                severity = str(event.severity)
                self.soc[severity] = self.soc.get(severity, 0) + 1

    def write(self) -> None:
        """Bring the rows up to the graph. Unavailable: the disk does not take them; the next `write` does it all."""
        graph = self.graph
        reached = Reached(graph.epoch, graph.sequence, self._soc_id, dict(self.soc))
        if reached == self._reached:
            return
        began = self._clock.monotonic()
        try:
            self._reached = self._reached or self._database.reached()
            self._database.write(self._changes(graph, self._reached), reached)
        except Unavailable:
            self._reached = None  # it may be another file by the next time
            raise
        self._reached = reached
        self._observe("upsert", "nodes", self._clock.monotonic() - began)

    def due(self) -> bool:
        """Whether it is time for a snapshot, and something has changed since the last."""
        now, since = self._clock.monotonic(), self.graph.sequence - self.snapshot_sequence
        return now >= self._again and (now >= self._due or since >= FLOOD) and self._changed()

    def keep(self, *, asked: bool = False) -> bool:
        """Make a snapshot where something has changed since the last, or where it is `asked` for; whether there is
        another one now. A disk that does not take it is tried again later."""
        if self.intake is None or not (asked or self._changed()):
            return False
        self.write()
        began = self._clock.monotonic()
        graph, event_id = self.graph, self.intake.last[0]
        data = snapshot.encode(graph, self.intake.recent)
        about = About(
            graph.sequence, graph.epoch, graph.ts, event_id, self._clock.now(), len(graph.nodes), len(graph.edges),
            len(data), snapshot.checksum(data),
        )  # fmt: skip
        try:
            self._database.keep(about, data, last=self._settings.keep, hours=self._settings.keep_hours)
        except Unavailable as error:
            log.warning("snapshot_failed", sequence=graph.sequence, error=str(error))
            self._again = self._clock.monotonic() + AGAIN_S
            return False
        self._note(snapshots(self._database.path))
        now = self._clock.monotonic()
        self.snapshot_s, self.snapshot_bytes, self._due = now - began, len(data), now + self._settings.snapshot_s
        self._observe("insert", "snapshots", self.snapshot_s)
        log.info("snapshot_kept", sequence=graph.sequence, bytes=len(data), seconds=round(self.snapshot_s, 3))
        return True

    def _changed(self) -> bool:
        return self.intake is not None and self.graph.sequence != self.snapshot_sequence

    def _changes(self, graph: Hypergraph, before: Reached) -> Changes:
        if before.epoch == graph.epoch and before.sequence <= graph.sequence:
            try:
                return rows_since(graph, before.sequence)
            except TooOld:
                log.info("rows_written_anew", sequence=graph.sequence, since=before.sequence)
        return all_rows(graph)

    def _note(self, kept: list[About]) -> None:
        newest = kept[: self._settings.keep]
        self._kept = [one.sequence for one in newest]
        self.snapshot_sequence = self._kept[0] if self._kept else 0


_EMPTY = Hypergraph()
