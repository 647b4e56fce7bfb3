"""One child process of the supervisor: started, watched, restarted after a growing pause, ended.

It dies with its parent (PR_SET_PDEATHSIG) and stands in a session of its own, so Ctrl-C reaches the supervisor
alone, which then stops all in order.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path

from dsmil.clock import Clock

EX_CONFIG = 78
RESTART_FIRST_S, RESTART_CAP_S = 0.2, 5.0
"""Pause before a restart: doubled by each failure, back to the first after a life of `HEALTHY_S`."""
HEALTHY_S = 10.0
LOG_BYTES_MAX = 8 << 20
"""A log file above this is set aside as `.1` when its daemon starts."""
LAST_LINE_BYTES = 4096

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


class Fate(StrEnum):
    """Where a child stands."""

    STARTING = "starting"
    READY = "ready"
    WAITING = "waiting"
    FAILED = "failed"
    STOPPED = "stopped"


class Child:
    """A command that is to be kept running. The thread that starts it must live as long as the supervisor."""

    def __init__(
        self, name: str, command: Sequence[str], *, env: Mapping[str, str], log: Path, clock: Clock
    ) -> None:
        self.name = name
        self.fate = Fate.STOPPED
        self.status = ""
        self.restarts = 0
        self.exit_code: int | None = None
        self._command, self._env, self._log, self._clock = list(command), dict(env), log, clock
        self._process: subprocess.Popen[bytes] | None = None
        self._failures = 0
        self._due = self._started = self._heard = 0.0

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process; its stdout and stderr go to the log file."""
        self._rotate()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=partial(_die_with, os.getpid()),  # noqa: PLW1509 - one prctl call, no lock is taken in the child
            )
        self.fate = Fate.STARTING
        self._started = self._heard = self._clock.monotonic()

    def hear(self, fields: Mapping[str, str]) -> None:
        """Take in what the process said of itself."""
        self._heard = self._clock.monotonic()
        self.status = fields.get("STATUS", self.status)
        if fields.get("READY") == "1" and self.fate is Fate.STARTING:
            self.fate = Fate.READY

    def silent_s(self) -> float:
        """Seconds since the process last said anything; 0 while none runs."""
        return self._clock.monotonic() - self._heard if self._process else 0.0

    def reap(self) -> int | None:
        """The exit code if the process just ended, with the restart (or its refusal) arranged."""
        code = self._process.poll() if self._process else None
        if code is None:
            return None
        self._process, self.exit_code = None, code
        now = self._clock.monotonic()
        if code == EX_CONFIG:
            self.fate = Fate.FAILED
            return code
        self._failures = 1 if now - self._started >= HEALTHY_S else self._failures + 1
        self._due = now + min(RESTART_CAP_S, RESTART_FIRST_S * 2.0 ** min(self._failures - 1, 10))
        self.fate = Fate.WAITING
        return code

    def restart_if_due(self) -> bool:
        """Start it again once its pause is over."""
        if self.fate is not Fate.WAITING or self._clock.monotonic() < self._due:
            return False
        self.restarts += 1
        self.start()
        return True

    def send(self, number: int) -> None:
        """Send a signal, if it runs."""
        if self._process:
            self._process.send_signal(number)

    def ended(self) -> bool:
        """True when no process is left; keeps the exit code and arranges no restart."""
        if self._process and self._process.poll() is not None:
            self.exit_code = self._process.returncode
            self._process = None
        if self._process is None:
            self.fate = Fate.FAILED if self.fate is Fate.FAILED else Fate.STOPPED
        return self._process is None

    def last_line(self) -> str:
        """What it said last in its log."""
        try:
            with self._log.open("rb") as log:
                log.seek(max(0, self._log.stat().st_size - LAST_LINE_BYTES))
                lines = log.read().decode("utf-8", "replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1] if lines else ""

    def _rotate(self) -> None:
        try:
            if self._log.stat().st_size > LOG_BYTES_MAX:
                self._log.replace(self._log.with_suffix(self._log.suffix + ".1"))
        except FileNotFoundError:
            self._log.parent.mkdir(parents=True, exist_ok=True)


def _die_with(parent: int) -> None:
    # SIGKILL, not SIGTERM: the Redis they would drain into dies at the same moment, and no kill loses an event.
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call
        os._exit(1)
