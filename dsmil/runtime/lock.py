"""One consumer name, one process: an flock held for life, with the holder's pid in the file.

Two processes with one consumer name would share a pending list and undo each other's work (contract 3).
"""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

from dsmil.errors import ConfigError


class Lock:
    """A `runtime.daemon.Part`: taken by `open`, given up by `close` or the death of the process."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name
        self._fd = -1

    def open(self) -> None:
        """Take the lock; ConfigError names the pid that holds it, or says why the file cannot be made."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise ConfigError(
                f"open lock {self._path}: {error.strerror}",
                hint="let this user write there, or set paths.run (DSMIL_PATHS_RUN)",
            ) from None
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise ConfigError(f"open lock {self._path}: it is no regular file", hint=f"rm {self._path}")
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(fd, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            raise ConfigError(
                f"start {self._name}: already running as pid {holder} ({self._path})",
                hint=f"stop that one first: kill {holder}",
            ) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def close(self) -> None:
        """Give the lock up. The file stays: removing it would let two holders lock two files of one name."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
