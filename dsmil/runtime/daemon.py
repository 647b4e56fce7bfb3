"""The life of every daemon, told once: lock, open, ready, loop, drain, close in reverse.

A signal only lowers a flag. What is away (`Unavailable`) is waited for, what is misconfigured exits 78 and stays
down, and any other fault crashes with one clear line so that whoever supervises starts afresh.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from dsmil import config
from dsmil.clock import SYSTEM, Clock
from dsmil.config import Settings
from dsmil.errors import ConfigError, DsmilError, Unavailable
from dsmil.runtime import logs
from dsmil.runtime.health import State
from dsmil.runtime.lock import Lock
from dsmil.runtime.metrics import Metrics
from dsmil.runtime.notify import Notifier
from dsmil.runtime.pulse import Pulse
from dsmil.runtime.signals import GiveUp, Signals

EX_CONFIG = 78
"""sysexits.h EX_CONFIG; units carry RestartPreventExitStatus=78."""
DRAIN_S_MAX = 8.0
"""With one wait slice of 2 s before it, a stop takes under 10 s (issue 2)."""
WAIT_SLICE_S = 1.0
"""Longest sleep between two looks at the flags."""
BACKOFF_FIRST_S, BACKOFF_CAP_S = 0.1, 2.0
"""Waiting for what is away: quick at first, never so long that the five seconds to be back are missed."""


class Part(Protocol):
    """Something a daemon holds for its life. `open` may raise Unavailable (tried again) or ConfigError."""

    def open(self) -> None: ...
    def close(self) -> None: ...


class Work(Protocol):
    """What a daemon does. It may also have `reload(settings)`, which changes all or raises ConfigError."""

    def step(self, timeout_s: float) -> int:
        """Do one batch, waiting at most `timeout_s` (<= 2 s) for it; returns items handled."""

    def drain(self) -> None:
        """Finish what was begun. Called once when stopping, before the parts close."""

    def stats(self) -> Mapping[str, float | int | str | bool]:
        """Counts for the status line, the log and the heartbeat."""


class Daemon:
    """Runs one `Work` until told to stop."""

    def __init__(  # noqa: PLR0913 - all but two are keywords
        self,
        name: str,
        work: Work,
        *,
        settings: Settings | None = None,
        number: int = 0,
        parts: Sequence[Part] = (),
        heartbeat: Callable[[dict[str, Any]], None] | None = None,
        clock: Clock = SYSTEM,
        notifier: Notifier | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._name = name
        self._work = work
        self._settings = settings or config.load().settings
        self._unopened: list[Part] = [Lock(self._settings.paths.lock(name, number), name), *parts]
        self._opened: list[Part] = []
        self._clock = clock
        self._signals = Signals()
        self._log = logs.get()
        self._failures = 0
        self._pulse = Pulse(
            name,
            stats=work.stats,
            write=heartbeat,
            notifier=notifier or Notifier(clock=clock),
            metrics=metrics or Metrics(name),
            clock=clock,
        )

    def run(self) -> int:
        """Live; returns the exit code: 0 stopped as asked, 1 crashed or gave up draining, 78 misconfigured."""
        try:
            with self._signals:
                return self._live()
        except GiveUp:
            self._log.warning("gave_up_draining")
            return 1
        except ConfigError as error:
            return refuse(self._name, error)
        except Exception as error:  # noqa: BLE001 - the one crash line; the supervisor settles it by a restart
            self._log.error("crashed", error=f"{type(error).__name__}: {error}", trace=_trace(error))
            return 1

    def _live(self) -> int:
        try:
            self._open_next()  # the lock, before anything is said or touched
            self._log.info("starting", pid=os.getpid(), redis=self._settings.redis.shown())
            self._open_all()
            while not self._signals.stop:
                self._cycle()
            self._drain()
            return 0
        finally:
            self._close_all()
            logs.settle()

    def _open_all(self) -> None:
        try:
            while self._unopened:
                self._open_next()
            self._pulse.become(State.READY)
        except Unavailable as error:
            self._pulse.become(State.DEGRADED, str(error))
        self._pulse.ready()

    def _open_next(self) -> None:
        self._unopened[0].open()
        self._opened.append(self._unopened.pop(0))

    def _cycle(self) -> None:
        """One turn of the loop: reload if asked, one step or one wait, then the pulse."""
        if self._signals.take_reload():
            self._reload()
        try:
            while self._unopened:
                self._open_next()
            self._work.step(self._settings.redis.block_s)
            self._failures = 0
            self._pulse.become(State.READY)
        except Unavailable as error:
            self._pulse.become(State.DEGRADED, str(error))
            self._wait(self._backoff_s())
        self._pulse.beat()

    def _backoff_s(self) -> float:
        # Jitter from the pid: eight daemons that lost one server must not come back in step.
        spread = 0.75 + (os.getpid() * 2654435761 + self._failures * 40503) % 1024 / 2048
        delay = min(BACKOFF_CAP_S, BACKOFF_FIRST_S * 2.0 ** min(self._failures, 10))
        self._failures += 1
        return delay * spread

    def _wait(self, seconds: float) -> None:
        while seconds > 0 and not self._signals.stop:
            self._pulse.beat()
            self._clock.sleep(min(seconds, WAIT_SLICE_S))
            seconds -= WAIT_SLICE_S

    def _drain(self) -> None:
        self._pulse.become(State.DRAINING)
        self._pulse.stopping()
        with self._signals.deadline(DRAIN_S_MAX):
            try:
                if not self._unopened:
                    self._work.drain()
            except Unavailable as error:  # what is unfinished stays pending and is done at the next start
                self._log.warning("drain_cut_short", error=str(error))
        self._log.info("stopped", **self._work.stats())

    def _close_all(self) -> None:
        while self._opened:
            part = self._opened.pop()
            try:
                part.close()
            except (DsmilError, OSError) as error:
                self._log.warning("close_failed", what=type(part).__name__, error=str(error))

    def _reload(self) -> None:
        """All or nothing: the old settings stay where the new ones are refused."""
        self._pulse.reloading()
        reload = getattr(self._work, "reload", None)
        try:
            fresh = config.load().settings
            if reload is not None:
                reload(fresh)
            logs.relevel(fresh.log.level)
            self._settings = fresh
            self._log.info("reloaded")
        except ConfigError as error:
            self._log.error("reload_refused", error=str(error), kept="the settings in force")
        self._pulse.ready()


def start(
    name: str,
    build: Callable[[Settings], Daemon],
    *,
    flags: Mapping[str, str] | None = None,
    argv: Sequence[str] | None = (),
) -> int:
    """What every daemon's `main` does: read the settings, set the log up, build, run. Returns the exit code.
    `argv` (null: this process's) may hold `--help` only; SystemExit(2) for anything else."""
    if given := sys.argv[1:] if argv is None else argv:
        import argparse  # noqa: PLC0415 - a restart, which has no arguments, is to be quick

        about = "A daemon of dsmil. It takes no options: settings and environment, see `dsmil config show`."
        argparse.ArgumentParser(prog=f"dsmil-{name}", description=about).parse_args(given)

    def prepared() -> Daemon:
        settings = config.load(flags=flags).settings
        log, secrets = settings.log, settings.redis.secrets()
        logs.setup(name, log.level, form=log.format, file=log.file, secrets=secrets)
        return build(settings)

    return guarded(name, prepared)


def guarded(name: str, build: Callable[[], Daemon]) -> int:
    """Build and run a daemon; a ConfigError becomes a line on stderr and exit code 78."""
    try:
        daemon = build()
    except ConfigError as error:
        return refuse(name, error)
    return daemon.run()


def refuse(name: str, error: ConfigError) -> int:
    """Say on stderr or in the journal why a daemon stays down, for people; returns 78."""
    logs.refusal(name, str(error))
    return EX_CONFIG


def _trace(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-5:]
    return [f"{os.path.basename(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames]
