"""The recording's own pace, a number of times faster or slower, or as fast as it will go.

Pure reckoning over (event time, monotonic time) pairs; whoever asks does the waiting.
"""

from __future__ import annotations

from dsmil.errors import ConfigError

SPEED_MIN, SPEED_MAX = 0.1, 1000.0
"""Bounds of a finite speed (sensors 1)."""
MAX = "max"
"""The word for no pace at all."""


def parse_speed(text: str) -> float | None:
    """A speed as people write it: 0.1 to 1000, or `max` (null here). ConfigError for anything else."""
    word = text.strip().lower()
    if word == MAX:
        return None
    try:
        speed = float(word.removesuffix("x"))
    except ValueError:
        speed = float("nan")
    if not SPEED_MIN <= speed <= SPEED_MAX:
        raise ConfigError(
            f"set speed {text!r}: not a speed", hint=f"give {SPEED_MIN:g} to {SPEED_MAX:g}, or {MAX}"
        )
    return speed


def show_speed(speed: float | None) -> str:
    """The inverse of `parse_speed`."""
    return MAX if speed is None else f"{speed:g}"


class Pace:
    """When an event of time `ts` is due. Anchored at the first event, and again at each change."""

    def __init__(self, speed: float | None) -> None:
        self.speed = speed
        self._anchor: tuple[float, float] | None = None  # (event time, monotonic time)

    def wait_s(self, ts: float, now_s: float) -> float:
        """Seconds from `now_s` (monotonic) until an event of `ts` is due; 0 where it is due or late."""
        if self.speed is None:
            return 0.0
        if self._anchor is None:
            self._anchor = (ts, now_s)
        anchor_ts, anchor_s = self._anchor
        return max(0.0, anchor_s + (ts - anchor_ts) / self.speed - now_s)

    def set_speed(self, speed: float | None) -> None:
        """Go on from here at another speed."""
        if speed != self.speed:
            self.speed = speed
            self._anchor = None

    def rest(self) -> None:
        """After a pause, go on from the next event."""
        self._anchor = None
