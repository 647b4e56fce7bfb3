"""A daemon's devices in the hot database: ONLINE while it works, ERROR while it cannot, OFFLINE once stopped.

The rows follow the work whatever it is, paused too, so no daemon has to think of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dsmil.clock import Clock
from dsmil.config import Settings
from dsmil.errors import Unavailable
from dsmil.events.enums import DeviceState
from dsmil.runtime.daemon import Work
from dsmil.runtime.pulse import resident_bytes
from dsmil.store.hot import HotPathDB
from dsmil.store.presence import Standing

LOOK_S = 1.0
"""Between two looks whether the hot database is still there, and attempts where it is away: an idle daemon that
waited for something to write would notice a new file half a minute later."""
MIB = 1 << 20


class Present:
    """Any work with the rows of its devices kept beside it. It also is the part that holds the hot database.

    `about` says what is special to one device.
    """

    def __init__(  # noqa: PLR0913 - all but two are keywords
        self,
        work: Work,
        hot: HotPathDB,
        *,
        daemon: str,
        devices: Sequence[int],
        every_s: float,
        clock: Clock,
        about: Callable[[int], Mapping[str, Any]] = lambda _: {},
    ) -> None:
        self._work = work
        self._hot = hot
        self._daemon = daemon
        self._devices = tuple(devices)
        self._every_s = every_s
        self._clock = clock
        self._about = about
        self._state = DeviceState.OFFLINE
        self._due = self._look_due = clock.monotonic()
        self._generation = 0

    def open(self) -> None:
        """Open the hot database, or let its state say why not: it is a cache."""
        self._hot.connect()

    def close(self) -> None:
        """Close it."""
        self._hot.disconnect()

    def step(self, timeout_s: float) -> int:
        """One step of the work, then the rows where they are due."""
        try:
            done = self._work.step(timeout_s)
        except Unavailable as error:
            self._show(DeviceState.ERROR, {"error": str(error)})
            raise
        self._show(DeviceState.ONLINE, {})
        return done

    def drain(self) -> None:
        """Drain the work and say OFFLINE."""
        try:
            self._work.drain()
        finally:
            self._write(DeviceState.OFFLINE, 0.0, {})

    def stats(self) -> Mapping[str, float | int | str | bool]:
        """The work's counts."""
        return self._work.stats()

    def reload(self, settings: Settings) -> None:
        """Reload the work where it can."""
        reload = getattr(self._work, "reload", None)
        if reload is not None:
            reload(settings)

    def _show(self, state: DeviceState, more: Mapping[str, Any]) -> None:
        """Write the rows each `every_s` seconds, and at once where the state is another."""
        now = self._clock.monotonic()
        if now >= self._look_due:
            self._look_due = now + LOOK_S
            self._hot.connect()
        if now < self._due and state is self._state and self._hot.generation == self._generation:
            return
        memory_mb = resident_bytes() / MIB / len(self._devices)
        written = self._write(state, memory_mb, {**self._work.stats(), **more})
        self._state, self._generation = state, self._hot.generation
        self._due = now + (self._every_s if written else LOOK_S)

    def _write(self, state: DeviceState, memory_mb: float, stats: Mapping[str, Any]) -> bool:
        # The process's memory is shared out evenly: nobody can say which device holds what of it.
        events = stats.get("processed", stats.get("received", 0))
        told = {**stats, "daemon": self._daemon, "events": events}
        return self._hot.set_standing(
            [Standing(number, state, memory_mb, {**told, **self._about(number)}) for number in self._devices]
        )
