"""The sockets systemd opened for us: who holds them outlives us, so a port is never closed between two lives.

A name stands for the port's purpose, as FileDescriptorName= of the socket unit has it. Nothing here raises: a
daemon that was passed nothing opens its port itself.
"""

from __future__ import annotations

import fcntl
from contextlib import suppress

from dsmil.config import listen_names

FIRST_FD = 3
"""SD_LISTEN_FDS_START."""


def passed(name: str) -> int | None:
    """The descriptor passed as `name`, or null: a socket that listens already, to be used and never bound again.
    A single one without a name counts for any."""
    return next(iter(all_passed(name)), None)


def all_passed(name: str) -> tuple[int, ...]:
    """All of them: a socket unit may name several addresses."""
    names = listen_names()
    if names == [""]:
        names = [name]
    return tuple(fd for fd, each in enumerate(names, FIRST_FD) if each == name and _kept(fd))


def _kept(fd: int) -> bool:
    """Whether it is open; from now on it stays with this process."""
    with suppress(OSError):
        fcntl.fcntl(fd, fcntl.F_SETFD, fcntl.fcntl(fd, fcntl.F_GETFD) | fcntl.FD_CLOEXEC)
        return True
    return False
