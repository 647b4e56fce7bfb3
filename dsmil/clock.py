"""The only reader of time. Everything else is handed a `Clock`, so tests can turn it.

Wall time goes into events; every timer uses the monotonic reading, because wall clocks jump.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Reads time and waits."""

    def now(self) -> float:
        """Unix seconds, UTC."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never jumps."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Unix seconds, UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since boot; counts suspend too, so an idle time-out fires after a laptop wakes."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def sleep(self, seconds: float) -> None:
        """Wait, at least until a signal arrives."""
        time.sleep(seconds)


class FakeClock:
    """A clock that stands still until it is told to go on. For tests and replays."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._now = now
        self._monotonic = 0.0

    def now(self) -> float:
        """Unix seconds, UTC."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since this clock was made."""
        return self._monotonic

    def sleep(self, seconds: float) -> None:
        """Go on at once by `seconds`."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass on both readings."""
        self._now += seconds
        self._monotonic += seconds


SYSTEM = SystemClock()
