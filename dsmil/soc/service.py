"""The router at work: what must happen beside its batches, each in its time.

Routing comes first. Rows for the hot database are gathered and written a few times a second, because it is a
cache: where it is away, the router goes on and the rows are dropped there, never events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from dsmil.clock import Clock
from dsmil.config import Settings
from dsmil.config.soc import SocRouter
from dsmil.events.enums import Category, Severity
from dsmil.events.envelope import Event
from dsmil.runtime import logs
from dsmil.runtime.daemon import Work
from dsmil.runtime.ticker import Ticker
from dsmil.soc import suppression
from dsmil.soc.router import Router, outputs
from dsmil.soc.shrink import ShrinkPoller

BUMP_S = 1.0
"""Between two writes of changed counts."""
BUMPS_MAX = 2000
"""Counts written at once, about 30 ms; the others wait for the next time and may have grown by then."""
REASONS_SHOWN = 8
"""Suppression reasons named in the stats line, those that held back most; the metrics name all."""
Stat = float | int | str | bool

log = logs.get()


class _Said(Struct):
    """The part of a SOC event that the journal shows."""

    entity: str
    decision: str
    explanation: str


class Rows(Protocol):
    """The part of the hot database the router writes. Every call answers False where it cannot."""

    def insert_soc(self, events: Sequence[Event]) -> bool: ...
    def bump_soc(self, bumps: Sequence[tuple[str, int, float]]) -> bool: ...
    def add_shrink(self, metrics: Mapping[str, Any], ts: float) -> bool: ...


class RouterService:
    """Satisfies `runtime.daemon.Work`. `publish` sends encoded events to SOC_EVENTS, or raises Unavailable."""

    def __init__(  # noqa: PLR0913 - all but two are keywords
        self,
        router: Router,
        batches: Work,
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
        self._shrink = shrink
        self._hot = hot
        self._settings = settings
        self._clock = clock
        self._refill = refill
        self._count = count
        self._ticker = Ticker(batches, self._tick, publish, clock=clock)
        self._rows: list[Event] = []
        self._flush_due = self._bump_due = clock.monotonic()
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
        self._ticker.after(done)
        return done

    def drain(self) -> None:
        """Finish the batch in hand and write the last rows."""
        self._batches.drain()
        self._gather()
        self._flush()
        while self._bump():
            pass

    def stats(self) -> dict[str, Stat]:
        """Counts of the batches and of the router, why decisions were held back, and whether SHRINK answers."""
        held = sorted(self._router.suppression.held.items(), key=lambda item: -item[1])[:REASONS_SHOWN]
        return {
            **self._batches.stats(),
            **self._router.counts(),
            "suppressed_by": "; ".join(f"{reason}={number}" for reason, number in held),
            "shrink": self._shrink.signal().available,
        }

    def reload(self, settings: Settings) -> None:
        """Take up new suppression rules; ConfigError leaves the old ones in force."""
        fresh = suppression.load(settings.soc_router.rules_dir)
        fresh.held.update(self._router.suppression.held)
        self._router.suppression = fresh

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
            _tell(rows)
        now = self._clock.monotonic()
        if now >= self._bump_due:
            self._bump_due = now + BUMP_S
            self._bump()
        for reading in self._shrink.take_rows():
            known = {"crisis_level": reading.known.crisis_level}
            self._hot.add_shrink({**reading.metrics, **known}, reading.ts)

    def _bump(self) -> int:
        bumps = self._router.take_bumps(BUMPS_MAX)
        self._hot.bump_soc(bumps)
        return len(bumps)

    def _tick(self, now: float) -> list[bytes]:
        return [output.data for output in outputs(self._router.tick(now))]


def _tell(events: Sequence[Event]) -> None:
    """One line for what came since the last one: how many, and the gravest of them in full."""
    gravest = max(events, key=lambda event: event.severity.rank)
    said = msgspec.json.decode(gravest.payload, type=_Said)
    say = log.warning if gravest.severity.rank >= Severity.HIGH.rank else log.info
    say(
        "soc_events",
        count=len(events),
        severity=gravest.severity,
        decision=said.decision,
        entity=said.entity,
        event_id=gravest.event_id,
        explanation=said.explanation,
    )
