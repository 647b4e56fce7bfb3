"""Closing a database whose file is under its name no more: deleted, or its file system mounted anew.

The last one to close a database takes `-wal` and `-shm` away, by name. SQLite does look whether the file moved, but
compares inode numbers only, and those of a tmpfs mounted anew begin at the same number: it would take away the log
of the new file under the hands of those who write it, and what they write would be lost or the file damaged.
"""

from __future__ import annotations

import fcntl
import os
import struct
from contextlib import suppress

SHARED_FIRST, SHARED_BYTES = 0x4000_0002, 510
"""Where SQLite's shared lock lies in every database file."""


def hands_off(inode: tuple[int, int]) -> None:
    """Before a connection to that (device, inode) is closed: let it remove nothing. It would need an exclusive lock
    for that, and a shared one that belongs to the open file itself, not to the process, forbids it."""
    shared = struct.pack("@hhqqixxxx", fcntl.F_RDLCK, os.SEEK_SET, SHARED_FIRST, SHARED_BYTES, 0)
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            found = os.fstat(int(name))
            if (found.st_dev, found.st_ino) == inode:
                fcntl.fcntl(int(name), fcntl.F_OFD_SETLK, shared)
