"""What a daemon says of itself while it lives: watchdog ping, heartbeat, status and the stats line.

All from the daemon's own loop, so silence means that the loop stands. Saying must never stop the doing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

import dsmil
from dsmil.clock import Clock
from dsmil.runtime import logs, wording
from dsmil.runtime.discretion import discreet
from dsmil.runtime.health import BEAT_EVERY_S, Heartbeat, Stat, State
from dsmil.runtime.metrics import Metrics
from dsmil.runtime.notify import Notifier

STATS_EVERY_S = 30.0
"""The documented stats line (surface)."""
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

Stats = Callable[[], Mapping[str, float | int | str | bool]]


class Pulse:
    """Keeps a daemon's state and tells it to systemd, Redis, the log and the metrics."""

    def __init__(  # noqa: PLR0913 - all but one are keywords
        self,
        name: str,
        *,
        stats: Stats,
        write: Callable[[dict[str, Any]], None] | None,
        notifier: Notifier,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._name, self._stats, self._write = name, stats, write
        self._notifier, self._metrics, self._clock = notifier, metrics, clock
        self._log = logs.get()
        self._state, self._error = State.STARTING, ""
        self._since = self._state_since = clock.now()
        self._started = self._logged = clock.monotonic()
        self._beaten = -BEAT_EVERY_S
        self._failures = 0

    def become(self, state: State, error: str = "") -> None:
        """Change state; a change is logged, told to systemd and put into a heartbeat at once."""
        error = discreet(error)  # it goes to systemd and into the heartbeat as well
        if state is self._state:
            self._error = error or self._error
            return
        self._state, self._error = state, error
        self._state_since = self._clock.now()
        say = self._log.warning if state is State.DEGRADED else self._log.info
        say(state.value, error=error or None)
        self._notifier.status(self._line())
        self._beaten = -BEAT_EVERY_S

    def ready(self) -> None:
        """The daemon stands, whatever is away."""
        self._notifier.ready(self._line())
        self.beat()

    def reloading(self) -> None:
        """A reload begins; `ready` ends it."""
        self._notifier.reloading()

    def stopping(self) -> None:
        """The daemon drains."""
        self._notifier.stopping(self._line())
        self.beat()

    def beat(self) -> None:
        """The loop turned: ping, and whatever else is due."""
        now = self._clock.monotonic()
        self._notifier.ping()
        if now - self._beaten >= BEAT_EVERY_S:
            self._beaten = now
            self._notifier.status(self._line())
            self._heartbeat(now)
        if now - self._logged >= STATS_EVERY_S:
            self._logged = now
            self._log.info("stats", uptime_s=round(now - self._started, 1), state=self._state, **self._stats())

    def _heartbeat(self, now: float) -> None:
        if self._write is None:
            return
        try:
            self._write(self._body(now))
        except Exception as error:  # noqa: BLE001 - a heartbeat that fails must never stop the work; it is counted
            self._failures += 1
            self._log.debug("heartbeat_failed", error=str(error), failures=self._failures)

    def _body(self, now: float) -> dict[str, Any]:
        stats: dict[str, Stat] = dict(self._stats())
        gauge = self._metrics.gauge
        gauge("dsmil_system_uptime_seconds", "Seconds since the daemon started").set(now - self._started)
        gauge("dsmil_system_memory_bytes", "Resident memory of the daemon").set(resident_bytes())
        gauge("dsmil_daemon_ready", "1 when ready, 0 in any other state").set(self._state is State.READY)
        for key, value in stats.items():
            if isinstance(value, int | float):
                gauge("dsmil_daemon_stat", "What the daemon counts, by name", stat=key).set(value)
        beat = Heartbeat(
            daemon=self._name,
            pid=os.getpid(),
            state=self._state,
            since=self._since,
            state_since=self._state_since,
            now=self._clock.now(),
            version=dsmil.__version__,
            error=self._error or None,
            stats=stats,
            metrics=self._metrics.text(),
        )
        body: dict[str, Any] = msgspec.to_builtins(beat)
        return body

    def _line(self) -> str:
        if self._error and self._state is State.DEGRADED:
            return f"{self._state}: {logs.printable(self._error)}"
        return f"{self._state}: {logs.printable(wording.counts(self._stats()))}"


def resident_bytes() -> int:
    """Memory this process holds now, from /proc/self/statm."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * PAGE_BYTES
