"""How long to leave a broken source alone: doubling waits with jitter, up to a cap.

Reads no clock by itself and never sleeps; the loop asks whether a wait is over.
"""

from __future__ import annotations

import random

from dsmil.clock import Clock

FIRST_S = 0.5
"""A peer that restarts is usually back this soon."""
CAP_S = 60.0
"""A peer that stays away is still found within a minute."""


class Wait:
    """The wait between two attempts. Over at first."""

    def __init__(self, clock: Clock, *, first_s: float = FIRST_S, cap_s: float = CAP_S) -> None:
        self._clock = clock
        self._first_s = first_s
        self._cap_s = cap_s
        self._step_s = first_s
        self._until_s = float("-inf")

    def over(self) -> bool:
        """True when the next attempt may be made."""
        return self._clock.monotonic() >= self._until_s

    def left_s(self) -> float:
        """Seconds until then."""
        return max(0.0, self._until_s - self._clock.monotonic())

    def again(self) -> None:
        """The attempt failed: wait, twice as long as last time, between half and all of it."""
        self._until_s = self._clock.monotonic() + self._step_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        self._step_s = min(self._cap_s, 2 * self._step_s)

    def clear(self) -> None:
        """It worked: the next failure waits briefly again."""
        self._step_s = self._first_s
        self._until_s = float("-inf")
