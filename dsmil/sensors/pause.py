"""Stopping a daemon's work without stopping the daemon: the key `dsmil:pause:<daemon>`.

While the key exists the daemon reads nothing new; whatever feeds it waits, or drops and counts. Knows nothing of
Redis: it is handed a function that says whether the key is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from dsmil.clock import Clock
from dsmil.errors import Unavailable

LOOK_EVERY_S = 0.5
"""How often the key is looked for: a pause takes hold within this and one batch."""


def pause_key(daemon: str) -> str:
    """The key whose existence pauses `daemon`."""
    return f"dsmil:pause:{daemon}"


class PauseSwitch:
    """Whether a daemon is paused, asked of `read` now and then."""

    def __init__(self, read: Callable[[], bool], *, clock: Clock, every_s: float = LOOK_EVERY_S) -> None:
        self._read = read
        self._clock = clock
        self._every_s = every_s
        self._looked_s = float("-inf")
        self.paused = False
        """As it was when last looked."""

    def on(self) -> bool:
        """True while paused. Where nobody can say, it stays as it was: the work itself will notice the outage,
        and knows what to save meanwhile."""
        now = self._clock.monotonic()
        if now - self._looked_s >= self._every_s:
            self._looked_s = now
            with suppress(Unavailable):
                self.paused = self._read()
        return self.paused


class _Work(Protocol):
    def step(self, timeout_s: float) -> int: ...
    def drain(self) -> None: ...
    def stats(self) -> Mapping[str, float | int | str | bool]: ...


class Pausable:
    """Any daemon's work behind a pause switch. Stopping still drains."""

    def __init__(self, work: _Work, switch: PauseSwitch, *, clock: Clock) -> None:
        self._work = work
        self._switch = switch
        self._clock = clock

    def step(self, timeout_s: float) -> int:
        """One batch of the work, or one wait."""
        if self._switch.on():
            self._clock.sleep(min(timeout_s, LOOK_EVERY_S))
            return 0
        return self._work.step(timeout_s)

    def drain(self) -> None:
        """Drain the work."""
        self._work.drain()

    def stats(self) -> Mapping[str, float | int | str | bool]:
        """The work's counts, and whether it is paused."""
        return {**self._work.stats(), "paused": self._switch.paused}

    def reload(self, settings: Any) -> None:
        """Reload the work where it can."""
        reload = getattr(self._work, "reload", None)
        if reload is not None:
            reload(settings)
