"""The router at work: what must happen beside its batches, each in its time.

Routing comes first. Rows for the hot database are gathered and written a few times a second, because it is a
cache: where it is away, the router goes on and the rows are dropped there, never events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from dsmil.clock import Clock
from dsmil.config import Settings
from dsmil.config.soc import SocRouter
from dsmil.events.enums import Category, Severity
from dsmil.events.envelope import Event
from dsmil.soc import suppression
from dsmil.soc.presence import Presence, StatusRows
from dsmil.soc.router import Router, outputs
from dsmil.soc.shrink import ShrinkPoller

TICK_S = 1.0
"""Between two looks for windows that ended while nothing came."""
BUMP_S = 1.0
"""Between two writes of changed counts, which come one to a transaction."""
BUMP_SHARE_MAX = 0.05
"""Part of the time those writes may take: where thousands of counts change a second, they are written later."""
Stat = float | int | str | bool


class Batches(Protocol):
    """The consumer whose handler the router is."""

    def step(self, timeout_s: float) -> int: ...
    def drain(self) -> None: ...
    def stats(self) -> Mapping[str, Stat]: ...


class Rows(StatusRows, Protocol):
    """The part of the hot database the router writes. Every call answers False where it cannot."""

    def insert_soc(self, events: Sequence[Event]) -> bool: ...
    def bump_soc(self, event_id: str, count: int, last_ts: float) -> bool: ...
    def add_shrink(self, metrics: Mapping[str, Any], ts: float) -> bool: ...


class RouterService:
    """Satisfies `runtime.daemon.Work`. `publish` sends encoded events to SOC_EVENTS, or raises Unavailable."""

    def __init__(  # noqa: PLR0913 - all but two are keywords
        self,
        router: Router,
        batches: Batches,
        *,
        publish: Callable[[Sequence[bytes]], None],
        shrink: ShrinkPoller,
        hot: Rows,
        settings: SocRouter,
        clock: Clock,
        refill: Callable[[], bool] = lambda: False,
        count: Callable[[Severity, Category, int], None] = lambda *_: None,
    ) -> None:
        self._router = router
        self._batches = batches
        self._publish = publish
        self._shrink = shrink
        self._hot = hot
        self._settings = settings
        self._clock = clock
        self._refill = refill
        self._count = count
        self._presence = Presence(hot, (52,), every_s=settings.heartbeat_s, clock=clock)
        self._unsent: list[bytes] = []
        self._rows: list[Event] = []
        self._flush_due = self._bump_due = self._tick_due = clock.monotonic()
        self._replayed: Stat = 0
        self._filling = False

    def step(self, timeout_s: float) -> int:
        """One batch, then whatever is due beside it."""
        done = self._batches.step(self._wait_s(timeout_s))
        self._gather()
        self._filling = self._refill()
        now = self._clock.monotonic()
        if now >= self._flush_due:
            self._flush_due = now + self._settings.hot_flush_s
            self._flush()
        replayed = self._batches.stats()["replayed"]
        caught_up, self._replayed = replayed == self._replayed, replayed
        if done == 0 and caught_up and now >= self._tick_due:
            self._tick_due = now + TICK_S
            self._tick()
        return done

    def drain(self) -> None:
        """Finish the batch in hand, write the last rows, say OFFLINE."""
        self._batches.drain()
        self._gather()
        self._bump_due = 0.0
        self._flush()
        self._presence.leave()

    def stats(self) -> dict[str, Stat]:
        """Counts of the batches and of the router, and whether SHRINK answers."""
        return {**self._batches.stats(), **self._router.counts(), "shrink": self._shrink.signal().available}

    def reload(self, settings: Settings) -> None:
        """Take up new suppression rules; ConfigError leaves the old ones in force."""
        self._router.suppression = suppression.load(settings.soc_router.rules_dir)

    def _wait_s(self, timeout_s: float) -> float:
        """No longer than until gathered rows must be written."""
        if self._filling:
            return 0.0
        if not self._rows:
            return timeout_s
        return max(0.0, min(timeout_s, self._flush_due - self._clock.monotonic()))

    def _gather(self) -> None:
        fresh = self._router.take_fresh()
        if fresh:
            self._rows += fresh
            for (severity, category), number in Counter((e.severity, e.category) for e in fresh).items():
                self._count(severity, category, number)

    def _flush(self) -> None:
        rows, self._rows = self._rows, []
        if rows:
            self._hot.insert_soc(rows)
        if self._clock.monotonic() >= self._bump_due:
            self._bump()
        for reading in self._shrink.take_rows():
            known = {"crisis_level": reading.known.crisis_level}
            self._hot.add_shrink({**reading.metrics, **known}, reading.ts)
        if self._presence.due:
            self._presence.show(self.stats())

    def _bump(self) -> None:
        began = self._clock.monotonic()
        for bump in self._router.take_bumps():
            self._hot.bump_soc(bump.soc_id, bump.count, bump.last_ts)
        ended = self._clock.monotonic()
        self._bump_due = ended + max(BUMP_S, (ended - began) / BUMP_SHARE_MAX)

    def _tick(self) -> None:
        """Send reports of windows that ended while nothing came; what could not be sent goes first next time."""
        if not self._unsent:
            self._unsent = [output.data for output in outputs(self._router.tick(self._clock.now()))]
        if self._unsent:
            self._publish(self._unsent)
            self._unsent = []
