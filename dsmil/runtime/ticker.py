"""Tells what the mere passing of time gives away: a source gone silent, a window that has ended.

Only when the batches have caught up: as long as entries wait, they know better what time it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dsmil.clock import Clock
from dsmil.runtime.daemon import Work

TICK_S = 1.0
"""Between two looks at the clock while nothing comes."""


class Ticker:
    """Beside `batches`: `make` says what is to be told at a time (Unix seconds), `publish` sends it or raises
    Unavailable; what could not be sent goes first next time."""

    def __init__(
        self,
        batches: Work,
        make: Callable[[float], Sequence[bytes]],
        publish: Callable[[Sequence[bytes]], None],
        *,
        clock: Clock,
    ) -> None:
        self._batches = batches
        self._make = make
        self._publish = publish
        self._clock = clock
        self._unsent: Sequence[bytes] = ()
        self._replayed: object = 0
        self._due = clock.monotonic()

    def after(self, done: int) -> None:
        """Tick if it is time, after a step of the batches that handled `done` entries."""
        stats = self._batches.stats()
        replayed = stats.get("replayed", 0)
        caught_up = not done and replayed == self._replayed and not stats.get("waiting_on")
        self._replayed = replayed
        now = self._clock.monotonic()
        if not caught_up or now < self._due:
            return
        self._due = now + TICK_S
        self._unsent = self._unsent or self._make(self._clock.now())
        if self._unsent:
            self._publish(self._unsent)
            self._unsent = ()
