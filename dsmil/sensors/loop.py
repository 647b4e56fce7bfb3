"""The loop of an ingest daemon, and of `dsmil ingest`: give each source its turn, publish, say how it goes.

One thread. What Redis will not take stops the reading, so files and streams wait; only datagram sources are
still emptied into a bounded store, because the kernel's own is small.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from dsmil.clock import SYSTEM, Clock
from dsmil.errors import Unavailable
from dsmil.events.enums import StreamName
from dsmil.fabric.pressure import SLICE_S, StreamFull
from dsmil.fabric.publisher import Publisher
from dsmil.fabric.wire import Wire
from dsmil.sensors.recording import Outcome
from dsmil.sensors.source import Kit, LiveSource, Outbox
from dsmil.sensors.stats import STATS_EVERY_S, Counts, Speaker
from dsmil.sensors.supply import FileSource

HELD_MAX = 20_000
"""Events kept for a Redis that is away before datagrams are left to the kernel: some 12 MB."""

Stat = float | int | str | bool


class Source(Protocol):
    """One source, as the loop sees it."""

    @property
    def ended(self) -> bool:
        """True when it wants no more turns."""

    @property
    def events_for_write(self) -> bool:
        """What its descriptor waits for."""

    def fileno(self) -> int | None:
        """What to wait on."""

    def due_s(self) -> float | None:
        """Seconds until it wants a turn anyway."""

    def pump(self) -> int:
        """One bounded turn."""

    def tell(self) -> None:
        """Put its `source.stats` into the outbox."""

    def shown(self) -> dict[str, Any]:
        """Its row in the status."""

    def close(self) -> None:
        """Settle and let go."""


def kit_for(wire: Wire, *, voice: str, device: int, clock: Clock = SYSTEM) -> Kit:
    """What the sources of one process share: an outbox onto L3_IN and DEAD_LETTER of that Redis, and the name
    their `source.stats` come under."""
    events, dead = Publisher(wire, StreamName.L3_IN), Publisher(wire, StreamName.DEAD_LETTER)
    return Kit(
        device=device,
        clock=clock,
        outbox=Outbox(events.publish, dead.publish, settle=events.settle),
        speaker=Speaker(voice, device=device, clock=clock),
    )


class Loop:
    """Several sources and their outbox, as a daemon's work. `finished` is called once when all have ended."""

    def __init__(
        self, sources: Sequence[Source], kit: Kit, *, finished: Callable[[], None] | None = None
    ) -> None:
        self.sources = tuple(sources)
        self._kit = kit
        self._finished = finished
        self._told_s = kit.clock.monotonic()
        self._held_back = 0

    @property
    def ended(self) -> bool:
        """True when every source has ended and everything is out."""
        return all(source.ended for source in self.sources) and not self._kit.outbox.waiting

    def step(self, timeout_s: float) -> int:
        """One turn of every source that is ready, waiting at most `timeout_s` for one; returns what was taken.
        Unavailable: Redis or the ledger is away; nothing taken is lost."""
        if not self._flush():
            return 0
        taken = self._turn(self._wait_s(timeout_s))
        now = self._kit.clock.monotonic()
        if now - self._told_s >= STATS_EVERY_S:
            self._told_s = now
            for source in self.sources:
                source.tell()
        self._flush()
        if self._finished is not None and self.ended:
            self._finished()
            self._finished = None
        return taken

    def drain(self) -> None:
        """Settle every source, say how each ended, and publish what there is."""
        for source in self.sources:
            source.close()
            source.tell()
        self._kit.outbox.flush()

    def stats(self) -> dict[str, Stat]:
        """Sums over all sources."""
        told = [source.intake.counts for source in self.sources if isinstance(source, LiveSource)]
        files = [source for source in self.sources if isinstance(source, FileSource)]
        sums: list[Counts | Outcome] = [*told, *(source.totals for source in files)]
        shown: dict[str, Stat] = {
            "published": self._kit.outbox.published,
            "received": sum(part.received for part in sums),
            "accepted": sum(part.accepted for part in sums),
            "rejected": sum(sum(part.rejected.values()) for part in sums),
            "ignored": sum(part.ignored for part in sums),
            "dropped": sum(counts.dropped for counts in told),
            "files": sum(source.files for source in files),
            "held_back": self._held_back,
        }
        reasons: dict[str, Stat] = {}
        for part in sums:
            for reason, number in part.rejected.items():
                key = f"rejected_{reason}"
                reasons[key] = int(reasons.get(key, 0)) + number
        return {**shown, **reasons, **self._trouble(told)}

    def _trouble(self, told: Sequence[Counts]) -> dict[str, Stat]:
        heard = [counts.last_data_ts for counts in told if counts.last_data_ts is not None]
        errors = [counts.last_error for counts in told if counts.last_error]
        row: dict[str, Stat] = {}
        if heard:
            row["last_data_age_s"] = round(max(0.0, self._kit.clock.now() - max(heard)), 1)
        if errors:
            row["source_errors"] = "; ".join(errors)
        return row

    def _flush(self) -> bool:
        """Publish; false where the stream is full, after a short wait, so that the caller goes round again."""
        try:
            self._kit.outbox.flush()
        except StreamFull:
            self._held_back += 1
            self._rescue()
            self._kit.clock.sleep(SLICE_S)
            return False
        except Unavailable:
            self._rescue()
            raise
        return True

    def _rescue(self) -> None:
        for source in self.sources:
            if (
                isinstance(source, LiveSource)
                and source.transport.datagrams
                and self._kit.outbox.waiting < HELD_MAX
            ):
                source.pump()

    def _wait_s(self, timeout_s: float) -> float:
        dues = [due for source in self.sources if (due := source.due_s()) is not None]
        tell_s = self._told_s + STATS_EVERY_S - self._kit.clock.monotonic()
        return max(0.0, min([timeout_s, tell_s, *dues]))

    def _turn(self, wait_s: float) -> int:
        waiting = select.poll()
        fds: dict[int, int] = {}
        for number, source in enumerate(self.sources):
            fd = source.fileno()
            if fd is not None:
                waiting.register(fd, select.POLLOUT if source.events_for_write else select.POLLIN)
                fds[number] = fd
        ready = {fd for fd, _ in waiting.poll(wait_s * 1000)}
        taken = 0
        for number, source in enumerate(self.sources):
            if fds.get(number) in ready or source.due_s() == 0.0:
                taken += source.pump()
        return taken
