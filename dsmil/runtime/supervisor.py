"""A foreground supervisor: one private directory, one Redis, all daemons as children, nothing left behind.

Used by `dsmil up`, `demo`, `bench` and tests. Everything happens in `poll`, called from the one thread that made
it (the children die with that thread).
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol

from dsmil import config
from dsmil.clock import SYSTEM, Clock
from dsmil.errors import ConfigError, Unavailable
from dsmil.runtime import logs
from dsmil.runtime.child import Child, Fate
from dsmil.runtime.listener import Listener
from dsmil.runtime.lock import Lock

WATCHDOG_S = 30.0
"""A child silent for this long is killed, like WatchdogSec of the units."""
STOP_S_MAX = 12.0
"""Seconds a group of children gets to drain (they promise < 10) before it is killed."""
POLL_S = 0.1
REDIS_RETRY_S = 2.0
FOLDERS = ("run", "log", "audit", "checkpoints", "graph", "drop/ais", "drop/nmap", "drop/ndpi", "drop/rf")
LINKS = {"graph.db": "graph/graph.db"}
"""Where people look for a store that has a folder of its own."""


class Server(Protocol):
    """The private Redis (`fabric.private.PrivateRedis`)."""

    @property
    def url(self) -> str: ...
    @property
    def pid(self) -> int:
        """0 while it does not run."""

    def start(self) -> None: ...
    def stop(self) -> None: ...


class Supervisor:
    """Keeps the daemons of one private suite running.

    `groups` names daemons in order of start. A group is stopped together, the last group first, Redis last.
    """

    def __init__(  # noqa: PLR0913 - all but two are keywords
        self,
        directory: Path,
        groups: Sequence[Sequence[str]],
        *,
        server: Server,
        clock: Clock = SYSTEM,
        extra_env: Mapping[str, str] | None = None,
        args_by_daemon: Mapping[str, Sequence[str]] | None = None,
        env_by_daemon: Mapping[str, Mapping[str, str]] | None = None,
        watchdog_s: float = WATCHDOG_S,
        package: str = "dsmil.daemons",
    ) -> None:
        self.directory = directory.absolute()
        self.server = server
        self._groups = [list(group) for group in groups]
        self._clock, self._watchdog_s, self._package = clock, watchdog_s, package
        self._redis_due = 0.0
        self._extra_env, self._args = dict(extra_env or {}), dict(args_by_daemon or {})
        self._env = dict(env_by_daemon or {})
        self._children: dict[str, Child] = {}
        self._listener: Listener | None = None
        self._lock = Lock(self.directory / "run" / "suite-0.lock", "suite")
        self._log = logs.get()

    def __enter__(self) -> Supervisor:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Make the directory, start Redis, start every daemon. ConfigError where another suite runs there."""
        try:
            # What it holds is for its owner; a directory that is there keeps its mode.
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            for folder in FOLDERS:
                (self.directory / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
            for name, target in LINKS.items():
                with suppress(FileExistsError):
                    (self.directory / name).symlink_to(target)
        except OSError as error:
            raise ConfigError(
                f"make suite {self.directory}: {error.strerror}", hint="name a directory you may write to"
            ) from None
        self._lock.open()
        try:
            self._listener = Listener()
            self.server.start()
            for name in (name for group in self._groups for name in group):
                self._children[name] = self._child(name)
                self._children[name].start()
        except BaseException:
            self.stop()
            raise

    def wait_ready(self, timeout_s: float) -> bool:
        """Poll until every daemon has said READY=1; False after `timeout_s`, or once one is misconfigured."""
        until = self._clock.monotonic() + timeout_s
        while not all(child.fate is Fate.READY for child in self._children.values()):
            if self.failed or self._clock.monotonic() >= until:
                return False
            self.poll(POLL_S)
        return True

    def poll(self, timeout_s: float = 0.0) -> None:
        """Hear the children, for at most `timeout_s`; restart what ended or hangs."""
        assert self._listener, "poll before start"
        by_pid = {child.pid: child for child in self._children.values()}
        for pid, fields in self._listener.heard(timeout_s):
            if pid in by_pid:
                by_pid[pid].hear(fields)
        self._look_after_redis()
        for child in self._children.values():
            self._look_after(child)

    def stop(self) -> dict[str, int | None]:
        """Stop all, producers first; returns the exit code of each daemon (negative: killed by that signal)."""
        for group in reversed(self._groups):
            self._stop_group([self._children[name] for name in group if name in self._children])
        if self._listener:
            self._listener.close()
            self._listener = None
        self.server.stop()
        self._lock.close()
        return {name: child.exit_code for name, child in self._children.items()}

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to one daemon; it is restarted like after any other end."""
        self._children[name].send(number)

    @property
    def pids(self) -> dict[str, int]:
        """The running daemons' process ids."""
        return {name: child.pid for name, child in self._children.items() if child.pid}

    @property
    def fates(self) -> dict[str, Fate]:
        """Where each daemon stands."""
        return {name: child.fate for name, child in self._children.items()}

    @property
    def restarts(self) -> dict[str, int]:
        """How often each daemon was restarted."""
        return {name: child.restarts for name, child in self._children.items()}

    @property
    def unready(self) -> dict[str, str]:
        """Daemons that have not said READY=1 since their last start, with what they said last."""
        return {name: child.last_line() for name, child in self._children.items() if child.fate is not Fate.READY}

    @property
    def failed(self) -> dict[str, str]:
        """Daemons that stay down because they are misconfigured, with what they said."""
        return {name: child.last_line() for name, child in self._children.items() if child.fate is Fate.FAILED}

    def _child(self, name: str) -> Child:
        assert self._listener
        extra = {**self._extra_env, **self._env.get(name, {})}
        env = config.private_environment(self.directory, self.server.url, extra=extra)
        module = f"{self._package}.{name.replace('-', '_')}"
        return Child(
            name,
            [sys.executable, "-m", module, *self._args.get(name, ())],
            env=env | {"NOTIFY_SOCKET": self._listener.address},
            log=self.directory / "log" / f"{name}.log",
            clock=self._clock,
        )

    def _look_after_redis(self) -> None:
        if self.server.pid or self._clock.monotonic() < self._redis_due:
            return
        try:
            self.server.start()
            self._log.warning("redis_restarted", pid=self.server.pid)
        except Unavailable as error:  # a full disk, say: the daemons wait, and so do we
            self._redis_due = self._clock.monotonic() + REDIS_RETRY_S
            self._log.error("redis_down", error=str(error))

    def _look_after(self, child: Child) -> None:
        code = child.reap()
        if code is not None:
            say = self._log.error if child.fate is Fate.FAILED else self._log.warning
            say("daemon_ended", name=child.name, code=code, next=child.fate, said=child.last_line())
        elif child.silent_s() > self._watchdog_s:
            self._log.warning("daemon_hangs", name=child.name, silent_s=child.silent_s())
            child.send(signal.SIGKILL)
        if child.restart_if_due():
            self._log.info("daemon_restarted", name=child.name, pid=child.pid, times=child.restarts)

    def _stop_group(self, group: Sequence[Child]) -> None:
        for child in group:
            child.send(signal.SIGTERM)
            child.send(signal.SIGCONT)  # a stopped process must be able to hear it
        until = self._clock.monotonic() + STOP_S_MAX
        while running := [child for child in group if not child.ended()]:
            if self._clock.monotonic() >= until:
                for child in running:
                    child.send(signal.SIGKILL)
                until += STOP_S_MAX
            if self._listener:
                list(self._listener.heard(POLL_S / 2))
