"""A flat file of log lines for those who watch files: all daemons append to one, a line in one write.

Whatever is wrong with it - no directory, no room, rotated away - never stops or slows a daemon. It is said once.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from typing import Any

from dsmil.clock import SYSTEM, Clock

LOOK_EVERY_S = 1.0
"""How often it is looked whether the file was rotated away. logrotate's `delaycompress` covers this second."""
RETRY_S = 10.0
"""Between two attempts while it cannot be written."""
MODE = 0o640

News = tuple[str, dict[str, Any]]
"""An event for the daemon's other log, with its keys."""


class LogFile:
    """Appends lines to a file that others append to, rotate and remove."""

    def __init__(self, path: str, *, clock: Clock = SYSTEM) -> None:
        self._path, self._clock = path, clock
        self._fd = -1
        self._look_at = self._retry_at = clock.monotonic()
        self._lost = self._torn = False
        self._missed = 0
        # Without it two threads might open it anew at once, and one write into whatever got the other's number.
        self._lock = threading.Lock()

    def put(self, line: str) -> News | None:
        """Append a line; news where that fails for the first time, or works again."""
        with self._lock:
            now = self._clock.monotonic()
            if self._lost and now < self._retry_at:
                self._missed += 1
                return None
            try:
                self._follow(now)
                self._write(line.encode("utf-8", "replace") + b"\n")
            except OSError as error:
                return self._gone(now, error)
            return self._back() if self._lost else None

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _follow(self, now: float) -> None:
        """Have the file open that stands at the path now."""
        if self._fd >= 0 and now < self._look_at:
            return
        self._look_at = now + LOOK_EVERY_S
        if self._fd >= 0 and not self._stands():
            self.close()
        if self._fd < 0:
            self._fd, self._torn = _opened(self._path), False

    def _stands(self) -> bool:
        try:
            there, ours = os.stat(self._path, follow_symlinks=False), os.fstat(self._fd)
        except FileNotFoundError:
            return False
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def _write(self, data: bytes) -> None:
        whole = b"\n" + data if self._torn else data
        written = os.write(self._fd, whole)
        self._torn = written < len(whole)
        if self._torn:  # the disk took half a line and would refuse the rest
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _gone(self, now: float, error: OSError) -> News | None:
        if not self._torn:
            self.close()
        self._missed += 1
        self._retry_at = now + RETRY_S
        if self._lost:
            return None
        self._lost = True
        return "log_file_lost", {"path": self._path, "error": error.strerror or str(error)}

    def _back(self) -> News:
        missed, self._missed, self._lost = self._missed, 0, False
        return "log_file_back", {"path": self._path, "missed": missed}


def _opened(path: str) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(path, flags | os.O_NONBLOCK, MODE)  # a pipe nobody reads must not stop us
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "is no regular file")
    return fd
