"""What each of the last events changed: a bounded ring of the entities as they were before.

Entities are frozen, so "before" costs a reference. With it any moment the ring reaches back to can be put together
from the present, and what lies between two moments can be named.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from dsmil.graph.entity import Edge, Node
from dsmil.graph.picture import TooOld

UNDO_MAX = 20_000
"""Events kept: at least 10,000 are promised; 20,000 with their former states take some 15 MB."""

Before = tuple[str, Node | Edge | None, bool]
"""An entity's id, what it was (null: not there), and whether it is an edge."""
Step = tuple[int, float, tuple[Before, ...]]
"""One event: its sequence, its ingest time, what it changed."""


class Undo:
    """The ring. `sequence` and `ts` are of the earliest moment that can be put together."""

    def __init__(self, size: int = UNDO_MAX) -> None:
        self._steps: deque[Step] = deque()
        self._size = size
        self.sequence = 0
        self.ts = 0.0

    def __len__(self) -> int:
        """How many events are kept."""
        return len(self._steps)

    def begin(self, sequence: int, ts: float) -> None:
        """Forget everything: the present is the earliest moment."""
        self._steps.clear()
        self.sequence, self.ts = sequence, ts

    def note(self, step: Step) -> None:
        """Keep one event."""
        steps = self._steps
        if len(steps) >= self._size:
            self.sequence, self.ts = steps.popleft()[:2]
        steps.append(step)

    def after(self, sequence: int) -> Iterator[Step]:
        """The events later than `sequence`, newest first. TooOld where the ring does not reach back to it."""
        self.reach(sequence)
        for step in reversed(self._steps):
            if step[0] <= sequence:
                return
            yield step

    def reach(self, sequence: int) -> None:
        """TooOld where the moment `sequence` cannot be put together any more."""
        if sequence < self.sequence:
            raise TooOld(
                f"look at sequence {sequence}: before the earliest kept moment, {self.sequence}",
                hint="snapshots and the audit log may reach further back",
            )

    def moment(self, ts: float) -> tuple[int, float]:
        """(sequence, ingest time) of the last event that came in at `ts` or earlier. TooOld before the ring."""
        for sequence, ingest_ts, _ in reversed(self._steps):
            if ingest_ts <= ts:
                return sequence, ingest_ts
        if self.ts <= ts or not self.sequence:
            return self.sequence, self.ts
        raise TooOld(
            f"look at time {ts}: before the earliest kept moment, {self.ts}",
            hint="snapshots and the audit log may reach further back",
        )

    def ts_of(self, sequence: int) -> float:
        """Ingest time of the last event up to `sequence`."""
        for number, ingest_ts, _ in reversed(self._steps):
            if number <= sequence:
                return ingest_ts
        return self.ts
