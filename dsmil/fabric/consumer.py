"""One consumer of one group: reads batches, hands them over, publishes and acknowledges in one transaction.

The life of an entry: own unacknowledged ones first, then what others left, then new ones. It is decoded (what is
no event is buried at once), handled in the order of ids, and its outputs leave with its acknowledgement or not
at all. A handler that raises gets the batch again in halves; an entry that fails alone five times is buried, as
is one that has ended ten starts of the process. Redis being away counts against nobody.

With a checkpoint the handler has memory. It is then set back before every retry - checkpoint, journal, once;
after that to a copy of its state taken before each part - so what failed halfway leaves no trace in it.
The next read travels with the commit of the batch before, and Redis works while the handler does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from dsmil.clock import SYSTEM, Clock
from dsmil.config.places import BLOCK_S_MAX
from dsmil.config.streams import Streams
from dsmil.errors import Unavailable
from dsmil.events.enums import StreamName
from dsmil.fabric.checkpoint import Checkpoint, Stateful
from dsmil.fabric.entry import Bad, Batch, Entry, Handler, Output
from dsmil.fabric.feed import Feed, Place, lost_group, read_batch
from dsmil.fabric.frame import Commit
from dsmil.fabric.identity import Watch
from dsmil.fabric.journal import Journal
from dsmil.fabric.loss import Loss
from dsmil.fabric.outbox import Outbox
from dsmil.fabric.pressure import SLICE_S, Gate, StreamUnmade
from dsmil.fabric.retry import Part, Retry
from dsmil.fabric.wire import Wire, WireError

__all__ = ["Consumer", "Entry", "Handler", "Output"]

CHECK_S = 5.0
"""Between two looks at the identity of the streams, and for streams that did not exist yet."""
REPLAY_S = 1.0
"""Longest stretch of replay in one step: the watchdog must be fed in between."""


class Consumer:
    """Reads `streams` as `name` of `group` and gives batches to `handler`. Satisfies `runtime.daemon.Work`.

    `on_bad` takes what is no event in place of DEAD_LETTER (the audit must keep it itself); `seen` is what the
    caller knows of the streams from before this process. It handles nothing while one of `waits_for` is not there.
    """

    def __init__(  # noqa: PLR0913 - all but one are keywords
        self,
        wire: Wire,
        *,
        group: str,
        streams: Sequence[StreamName],
        handler: Handler | Stateful,
        name: str = "",
        batch: int | None = None,
        checkpoint: Checkpoint | None = None,
        on_loss: Callable[[Loss], None] | None = None,
        on_bad: Callable[[Sequence[Bad]], None] | None = None,
        seen: Mapping[StreamName, Place] | None = None,
        waits_for: Sequence[StreamName] = (),
        settings: Streams | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        self._settings = settings or Streams()
        self._batch = batch or self._settings.batch
        self._handler: Handler = handler
        self._wire, self._clock = wire, clock
        self._gate = Gate(self._settings.cap_of, waits_for)
        self._outbox = Outbox(wire, group=group, gate=self._gate, clock=clock, on_loss=on_loss)
        self._feed = Feed(wire, group=group, name=name or f"{group}-0", streams=streams, batch=self._batch)
        self._retry = Retry(
            self._feed, self._outbox, group=group, settings=self._settings, clock=clock, on_bad=on_bad
        )
        self._journal = None if checkpoint is None else Journal(
            wire, cast(Stateful, handler), checkpoint,
            group=group, streams=streams, lose=self._outbox.lose, clock=clock,
        )  # fmt: skip
        self._watch = Watch(group=group, clock=clock, lose=self._outbox.lose, seen=seen or {})
        self._inbox: deque[Part] = deque()
        self._unfit: deque[Batch] = deque()
        self._own = self._count_start = True
        self._fit = self._backlog = self._stopping = False
        self._next_check = self._next_claim = self._lag_s = 0.0
        self._counts = {"processed": 0, "failed": 0, "claimed": 0, "outages": 0}

    def step(self, timeout_s: float) -> int:
        """Handle one batch, waiting at most `timeout_s` for it; says how many entries. Unavailable: Redis is
        away, a stream others make is not there, or the handler said so; nothing is lost by calling again later."""
        try:
            return self._step(min(timeout_s, BLOCK_S_MAX))
        except (Unavailable, WireError) as error:
            if isinstance(error, StreamUnmade):  # the connection is good, and nothing is on its way
                raise
            self._fit = False
            self._counts["outages"] += 1
            self._outbox.abandon()
            if not lost_group(error):  # a lost group is made again by the next step
                raise
            return 0

    def drain(self) -> None:
        """Finish what is in hand and save a last checkpoint. What cannot be finished stays pending."""
        self._stopping = True
        try:
            self._collect()
            parts = self._inbox
            while self._fit and not (self._replaying or self._gate.unmade) and parts and not parts[0].careful:
                self._handle(parts.popleft())
                self._collect()
            if self._journal is not None and self._fit:
                self._journal.save()
            self._outbox.report()
        except Unavailable:
            self._outbox.abandon()

    def stats(self) -> dict[str, float | int | str | bool]:
        """Counts since the start, and the age of what was last read."""
        return {
            **self._counts, **self._outbox.counts(), "lag_s": round(self._lag_s, 3),
            "replayed": self._journal.replayed if self._journal else 0,
            "retrying": sum(part.careful for part in self._inbox), "waiting_on": ",".join(self._gate.full),
        }  # fmt: skip

    @property
    def _replaying(self) -> bool:
        return self._journal is not None and (self._journal.stale or self._journal.replaying)

    def _step(self, timeout_s: float) -> int:
        if not self._fit:
            self._recover()
        if self._replaying:
            return self._replay(timeout_s)
        self._chores()
        if not self._fit:
            return 0
        if self._gate.full and not self._room(timeout_s):
            return 0
        return self._handle(part) if (part := self._next(timeout_s)) else 0

    def _recover(self) -> None:
        """At the start, and after every outage or lost group: know where everything stands."""
        self._outbox.collect()
        self._inbox.clear()
        self._unfit.clear()
        self._outbox.look()
        before, places = self._watch.epochs, self._look()
        journal, unsettled = self._journal, self._outbox.unsettled
        self._outbox.settle(places, redo=journal is not None and journal.forgotten(unsettled, before))
        self._outbox.load_failures()
        self._own, self._fit, self._backlog = True, True, False

    def _look(self) -> dict[StreamName, Place]:
        """Make what is missing and see whether Redis has lost something."""
        places = self._feed.ensure()
        self._watch.look(places)
        self._outbox.report()
        if self._journal is not None:
            self._journal.epochs = self._watch.epochs
        self._next_check = self._clock.monotonic() + CHECK_S
        return places

    def _replay(self, timeout_s: float) -> int:
        """Bring the handler to where it was; new entries wait meanwhile."""
        journal = self._journal
        assert journal is not None
        if journal.stale:
            journal.begin()
            self._watch.look(self._watch.seen, before=journal.places())
            journal.epochs = self._watch.epochs
        journal.go_on(self._clock.monotonic() + min(timeout_s, REPLAY_S))
        self._outbox.report()
        return 0

    def _chores(self) -> None:
        """Whatever is due: a checkpoint, claims from the dead, a look at the streams. Between batches only."""
        now = self._clock.monotonic()
        if self._journal is not None and self._journal.due():
            self._collect()
            self._journal.save()
        if now >= self._next_claim:
            self._collect()
            taken = self._feed.claim(self._settings.claim_idle_s)
            self._counts["claimed"] += taken
            self._own = self._own or bool(taken)
            self._next_claim = now + self._settings.claim_idle_s / 2
        if now >= self._next_check:
            self._collect()
            self._look()

    def _room(self, timeout_s: float) -> bool:
        """Whether the streams we write to have room; waits a little where they have not."""
        self._collect()
        if not self._gate.look(self._wire):
            self._clock.sleep(min(timeout_s, SLICE_S))
        return not self._gate.full

    def _next(self, timeout_s: float) -> Part | None:
        if not self._inbox:
            self._collect()
        while not self._inbox and self._fit:
            self._bury_unfit()
            if self._own:
                self._take_own()
                continue
            if not self._accept(self._feed.read(timeout_s)):
                break
        if not self._inbox:
            self._bury_unfit()
            return None
        early_s = self._inbox[0].not_before - self._clock.monotonic()
        if early_s > 0:
            self._clock.sleep(min(early_s, timeout_s))
            return None
        return self._inbox.popleft()

    def _take_own(self) -> None:
        """Take from our own unacknowledged entries until there are none."""
        held = self._feed.pending(count_start=self._count_start)
        if held is None:
            self._own = self._count_start = False
        elif not self._retry.given_up(held):
            self._keep(held.batch, whole=False)
            self._bury_unfit()

    def _collect(self) -> None:
        read, reply = self._outbox.collect()
        if read:
            self._accept(reply)

    def _accept(self, reply: object) -> bool:
        """Take the reply of a read into the inbox; false where it brought nothing."""
        if lost_group(reply):
            self._fit = False
            return False
        batch = read_batch(reply)
        size = len(batch.entries) + len(batch.bad) + len(batch.gone)
        self._backlog = size >= self._batch
        self._lag_s = self._lag_s if size else 0.0
        self._keep(batch, whole=not batch.bad and not batch.gone)
        return size > 0

    def _keep(self, batch: Batch, *, whole: bool) -> None:
        if batch.entries:
            self._inbox.append(Part(batch.entries, whole=whole))
        if batch.bad or batch.gone:
            self._unfit.append(batch)

    def _handle(self, part: Part) -> int:
        self._bury_unfit()
        journal = self._journal
        if journal is not None and part.careful:
            self._collect()
            journal.keep()
        if self._wants_ahead() and not self._outbox.flying:
            self._outbox.send(None, self._feed.ask)
        if journal is not None:
            journal.stale = True  # until it is set back, or the outputs of what it remembers are on their way
        try:
            outputs = self._handler(part.entries)
        except Exception as error:  # settled here: waited for, retried in halves, or buried
            if journal is not None and part.careful:
                journal.back()
            if isinstance(error, Unavailable):
                raise
            self._collect()
            self._counts["failed"] += 1
            self._inbox.extendleft(reversed(self._retry.after(part, error)))
            return 0
        self._lag_s = max(0.0, self._clock.now() - part.entries[0].event.ingest_ts)
        self._collect()
        self._commit(part, outputs)
        return len(part.entries)

    def _wants_ahead(self) -> bool:
        """Whether to read while handling: only with a backlog, and never past own pending entries."""
        return self._backlog and self._fit and not (self._own or self._inbox or self._stopping)

    def _commit(self, part: Part, outputs: Sequence[Output]) -> None:
        entries = part.entries
        streams = {entry.stream for entry in entries}
        commit = Commit({s: [entry.id for entry in entries if entry.stream is s] for s in streams}, outputs)
        if self._journal is not None:
            commit.row, self._journal.stale = self._journal.row(entries, whole=part.whole), False
        if self._outbox.failures:
            cleared = self._outbox.cleared
            commit.cleared = tuple(field for entry in entries for field in cleared(entry.stream, entry.id))
        self._counts["processed"] += len(entries)
        self._outbox.send(commit, self._feed.ask if self._wants_ahead() else b"")
        if not self._backlog:
            self._collect()

    def _bury_unfit(self) -> None:
        while self._unfit:
            self._collect()
            self._retry.unfit(self._unfit[0])
            self._unfit.popleft()
