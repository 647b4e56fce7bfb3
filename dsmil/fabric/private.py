"""A private Redis: a child process on a unix socket that dies with its parent.

The demo, `dsmil up`, the benchmarks and the tests each get their own, so none of them can ever touch, or be
touched by, whatever else runs on the machine. It is ready in about 20 ms.
"""

from __future__ import annotations

import ctypes
import os
import queue
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Literal

from dsmil.errors import ConfigError, Unavailable

Profile = Literal["fast", "durable"]

_FSYNC: dict[Profile, str] = {"fast": "everysec", "durable": "always"}
SOCKET_PATH_MAX = 107
"""Bytes a unix socket path may have (sun_path less its final NUL)."""
READY_S_MAX = 60.0
"""A gigabyte of append-only file loads in about ten seconds; after a minute something is wrong."""
STOP_S_MAX = 10.0
"""A clean stop takes milliseconds; one that hangs is killed, which loses nothing that was written."""
POLL_S = 0.005
"""Between two looks at a server that is starting."""
_PR_SET_PDEATHSIG = 1


class PrivateRedis:
    """A redis-server under `directory`: socket `run/redis.sock`, append-only files in `redis/`.

    `fast` syncs the append-only file each second, `durable` at every write. ConfigError where redis-server is
    missing, the path is too long, or the directory is in use; Unavailable where the server does not come up.
    """

    def __init__(self, directory: Path, *, profile: Profile = "fast", maxmemory_mb: int = 0) -> None:
        self.directory = Path(directory).absolute()
        self.socket = self.directory / "run" / "redis.sock"
        self.log = self.directory / "run" / "redis.log"
        self.profile: Profile = profile
        self._maxmemory_mb = maxmemory_mb
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address as REDIS_URL takes it."""
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int:
        """Process id of the server; 0 while none runs."""
        return self._child.pid if self._child is not None and self._child.poll() is None else 0

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self._refuse()
        self.socket.parent.mkdir(parents=True, exist_ok=True)
        (self.directory / "redis").mkdir(exist_ok=True)
        with self.log.open("ab") as log:
            self._child = _spawn(self._command(), log)
        deadline = time.monotonic() + READY_S_MAX
        while not _ping(self.socket):
            if self._child.poll() is not None or time.monotonic() > deadline:
                said = self._last_words()
                self.kill()
                raise Unavailable(f"start redis-server in {self.directory}: {said}", hint=f"see {self.log}")
            time.sleep(POLL_S)

    def stop(self) -> None:
        """Stop the server cleanly; kill it where it does not."""
        if self._child is None:
            return
        self._child.terminate()
        try:
            self._child.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
        self._child = None

    def kill(self) -> None:
        """Kill the server at once, as a fault would."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None

    def __enter__(self) -> PrivateRedis:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _refuse(self) -> None:
        if shutil.which("redis-server") is None:
            raise ConfigError("start redis-server: not found on PATH", hint="apt-get install redis-server")
        if len(os.fsencode(self.socket)) > SOCKET_PATH_MAX:
            raise ConfigError(
                f"use directory {self.directory}: the socket path exceeds {SOCKET_PATH_MAX} bytes",
                hint="choose a shorter directory",
            )
        if _ping(self.socket):
            raise ConfigError(
                f"use directory {self.directory}: another suite runs there", hint="stop it, or choose another"
            )

    def _command(self) -> list[str]:
        options = {
            "port": "0", "unixsocket": str(self.socket), "unixsocketperm": "700", "daemonize": "no",
            "dir": str(self.directory / "redis"), "save": "", "appendonly": "yes",
            "appendfsync": _FSYNC[self.profile], "maxmemory": f"{self._maxmemory_mb}mb",
            "maxmemory-policy": "noeviction", "databases": "16",
        }  # fmt: skip
        return ["redis-server", *(word for key, value in options.items() for word in (f"--{key}", value))]

    def _last_words(self) -> str:
        try:
            lines = self.log.read_text("utf-8", "replace").splitlines()
        except OSError:
            lines = []
        return lines[-1] if lines else "it said nothing"


def _spawn(command: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start `command` so that it ends when this process does.

    The kernel sends the death signal when the parent *thread* ends, not the process. So the child is started
    by a thread of its own that lives until the child has ended.
    """
    answer: queue.SimpleQueue[subprocess.Popen[bytes] | OSError] = queue.SimpleQueue()
    threading.Thread(target=_keep, args=(command, log, answer.put), daemon=True, name="redis-keeper").start()
    child = answer.get()
    if isinstance(child, OSError):
        raise Unavailable(f"start {command[0]}: {child}")
    return child


def _keep(
    command: list[str], log: IO[bytes], answer: Callable[[subprocess.Popen[bytes] | OSError], None]
) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def die_with_parent() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it went between fork and prctl
            os._exit(1)

    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, then exec
            start_new_session=True,
        )
    except OSError as error:
        answer(error)
        return
    answer(child)
    child.wait()


def _ping(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
            probe.sendall(b"PING\r\n")
            return probe.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False
