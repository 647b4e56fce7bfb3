"""What a stateful handler has absorbed: its checkpoint, and the batches it handled since, in their order.

Each handled batch leaves a row (its ids per stream) in the list `dsmil:journal:<group>` within the very
transaction that publishes its outputs and acknowledges it. So a restart can put the handler exactly where it
was: newest good checkpoint, then those batches again in the same order with their outputs dropped. Ids alone
would not do: two streams are read as they come, and that order is part of the state.

Where there is no checkpoint, or the rows do not reach back to it, what is still in the streams up to the last
delivered entry is replayed in the order of ids, and a loss is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from dsmil.clock import Clock
from dsmil.errors import Unavailable
from dsmil.events.enums import StreamName
from dsmil.fabric.checkpoint import Checkpoint, Saved, Stateful
from dsmil.fabric.entry import ZERO, Entry, id_key
from dsmil.fabric.feed import Place
from dsmil.fabric.frame import journal_key
from dsmil.fabric.loss import Loss
from dsmil.fabric.past import Past, Row, Run, runs_of
from dsmil.fabric.wire import Command, Wire, checked

SKIPS_MAX = 100
"""Batches a replay may leave out because the handler now refuses them; more means the handler is broken."""
CHECKPOINTS_KEY = "dsmil:checkpoints"
"""Set of the daemons that have `dsmil:checkpoint:<daemon>`: the janitor need not scan all keys."""


def checkpoint_key(daemon: str) -> str:
    """Hash of the last id per stream that a daemon's older checkpoint holds: the janitor stays behind it."""
    return f"dsmil:checkpoint:{daemon}"


class Journal:
    """Keeps one stateful handler and its place in the streams together."""

    def __init__(  # noqa: PLR0913 - all but three are keywords
        self,
        wire: Wire,
        handler: Stateful,
        checkpoint: Checkpoint,
        *,
        group: str,
        streams: Sequence[StreamName],
        lose: Callable[[Loss], None],
        clock: Clock,
    ) -> None:
        self._wire = wire
        self._handler = handler
        self._checkpoint = checkpoint
        self._group = group
        self._streams = tuple(streams)
        self._lose = lose
        self._clock = clock
        self._past = Past(wire, group, streams, self._gap)
        self._saved = Saved(seq=0, positions={})
        self._number = 0
        self._replay: Iterator[list[Entry]] | None = None
        self._kept: bytes | None = None
        self._skips: set[int] = set()
        self._due = 0.0
        self.stale = True
        self.seq = 0
        self.positions: dict[str, str] = {}
        self.epochs: dict[str, str] = {}
        self.replayed = 0

    def begin(self) -> None:
        """Set the handler back to the newest fitting checkpoint and prepare the replay."""
        first, last = self._past.ends()
        saved = self._choose(first, last)
        self._saved, self.seq = saved, max(saved.seq, last)
        self.positions = {**dict.fromkeys((stream.value for stream in self._streams), ZERO), **saved.positions}
        reaches = first <= saved.seq + 1 if last > saved.seq else bool(last or saved.seq)
        if last > saved.seq and not reaches:
            self._record("journal_gap", f"rows {saved.seq + 1} to {first - 1} are gone; replaying the streams")
        self._replay = self._past.rows(saved.seq) if reaches else self._past.rest(self.positions)
        self._number = 0
        self._hold()
        self.stale = False
        self._due = self._clock.monotonic() + self._checkpoint.every_s

    def forgotten(self, unsettled: int, before: Mapping[str, str]) -> bool:
        """Whether the handler must be set back: also where Redis has lost batches it had acknowledged, as it may
        when it is killed while the disk syncs. Of `unsettled` batches it never told. Where no identity of a
        stream is as `before`, everything is gone, and what the handler remembers is all there is."""
        known = any(before.get(name) == epoch for name, epoch in self.epochs.items())
        self.stale = self.stale or (known and self._past.ends()[1] < self.seq - unsettled)
        return self.stale

    def places(self) -> dict[StreamName, Place]:
        """Where the checkpoint last saw each stream."""
        saved = self._saved
        return {
            StreamName(name): Place(epoch, saved.positions.get(name, ZERO))
            for name, epoch in saved.epochs.items()
        }

    @property
    def replaying(self) -> bool:
        """Whether the handler is still on its way to where it was."""
        return self._replay is not None

    def go_on(self, until: float) -> int:
        """Replay silently until `until` (monotonic seconds) or the end; says how many entries."""
        assert self._replay is not None
        done = 0
        try:
            for entries in self._replay:
                self._number += 1
                if entries and self._number not in self._skips and not self._again(entries):
                    return done
                done += len(entries)
                if self._clock.monotonic() >= until:
                    return done
        except Unavailable:
            self.stale, self._replay = True, None
            raise
        self._replay = None
        return done

    def row(self, entries: Sequence[Entry], *, whole: bool) -> bytes:
        """The next row, for a batch the handler has just accepted."""
        self.seq += 1
        runs = runs_of(entries, whole=whole, single=len(self._streams) == 1)
        self._note(runs)
        return msgspec.json.encode(Row(self.seq, runs))

    def keep(self) -> None:
        """Remember the state before something that may fail."""
        self._kept = self._handler.dump()

    def back(self) -> None:
        """Return to the state remembered by `keep`."""
        assert self._kept is not None
        self._handler.restore(self._kept)
        self._kept, self.stale = None, False

    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return self.seq > self._saved.seq and self._clock.monotonic() >= self._due

    def save(self) -> None:
        """Put a checkpoint on disk; let the janitor and the list of rows follow up to the one before."""
        if self.stale or self.replaying or self.seq == self._saved.seq:
            return
        before, state = self._saved, self._handler.dump()
        self._checkpoint.save(self.positions, state, seq=self.seq, epochs=self.epochs)
        self._saved = Saved(seq=self.seq, positions=dict(self.positions), epochs=dict(self.epochs))
        self._due = self._clock.monotonic() + self._checkpoint.every_s
        first, last = self._past.ends()
        commands: list[Command] = []
        if before.positions:
            pairs = [word for pair in before.positions.items() for word in pair]
            commands.append(("HSET", checkpoint_key(self._group), *pairs))
        if last and before.seq >= first:
            commands.append(("LTRIM", journal_key(self._group), before.seq - first + 1, -1))
        if commands:
            for reply in self._wire.pipeline(commands):
                checked(reply)

    def _choose(self, first: int, last: int) -> Saved:
        good, faults = self._checkpoint.load()
        for fault in faults:
            self._record("checkpoint_torn", str(fault))
        fitting = [saved for saved in good if saved.seq <= last]
        if good and not fitting and first != 1:
            self._record("state_ahead", f"checkpoint {good[-1].seq} is ahead of row {last}: Redis went back")
            fitting = good[-1:]
        elif len(fitting) < len(good):
            self._checkpoint.drop_after(last)  # of a past that did not happen
        for saved in fitting:
            self._handler.reset()
            try:
                self._handler.restore(saved.state)
            except Exception as error:  # noqa: BLE001 - a state of another version is as good as none
                self._record("checkpoint_torn", f"restore {saved.seq}: {type(error).__name__}: {error}")
                continue
            return saved
        self._handler.reset()
        return Saved(seq=0, positions={})

    def _hold(self) -> None:
        """Keep the janitor behind our checkpoint, from the first moment on."""
        key = checkpoint_key(self._group)
        commands: list[Command] = [("HSETNX", key, stream.value, ZERO) for stream in self._streams]
        for reply in self._wire.pipeline([("SADD", CHECKPOINTS_KEY, self._group), *commands]):
            checked(reply)

    def _again(self, entries: list[Entry]) -> bool:
        """Replay one batch. Where the handler refuses what it once took, start over without it."""
        try:
            self._handler(entries)
        except Unavailable:
            raise
        except Exception as error:  # settled here: the batch is left out, and that is recorded
            if len(self._skips) >= SKIPS_MAX:
                raise
            self._skips.add(self._number)
            self._record("replay_skipped", f"{type(error).__name__}: {error}", entries)
            self.begin()
            return False
        self._note(runs_of(entries, whole=True))
        self.replayed += len(entries)
        return True

    def _note(self, runs: Sequence[Run]) -> None:
        for run in runs:
            name = run.stream.value
            self.positions[name] = max(run.last, self.positions.get(name, ZERO), key=id_key)

    def _gap(self, seq: int, missing: int) -> None:
        self._record("replay_gap", f"row {seq}: {missing} entries were trimmed")

    def _record(self, kind: str, detail: str, entries: Sequence[Entry] = ()) -> None:
        first, last = (entries[0].id, entries[-1].id) if entries else ("", "")
        self._lose(
            Loss(
                ts=self._clock.now(),
                kind=kind,
                group=self._group,
                detail=detail,
                first_id=first,
                last_id=last,
                count=len(entries) or None,
            )
        )
