"""Files, `.gz` files and standard input as bounded chunks of bytes.

Nothing here trusts a file: what goes wrong in the middle ends the chunks with a `Broken`, which names the
reason a reject needs, and what was read before it stays read.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import suppress
from gzip import GzipFile
from pathlib import Path
from typing import BinaryIO

from dsmil.errors import DsmilError
from dsmil.sensors.record import Reason

CHUNK_BYTES = 64 * 1024
"""One read: about 900 AIS sentences, some 20 ms of work, so a daemon's loop stays prompt."""
HASH_BYTES = 4 * 1024 * 1024
"""What is hashed in one go: some 5 ms."""
FILE_BYTES_MAX = 16 * 1024**3
"""A file larger than this is refused: nobody means to ingest it in one go."""
EXPANDED_BYTES_MAX = 64 * 1024**3
"""Where reading a `.gz` stops: deflate can make a thousand bytes of one."""
GZIP_MAGIC = b"\x1f\x8b"


class Broken(DsmilError):
    """A file cannot be read (further): count it under `reason` and go on to the next."""

    def __init__(self, reason: Reason, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


def open_regular(path: Path | str, *, dir_fd: int | None = None, follow: bool = True) -> io.FileIO:
    """Open a regular file for reading, without waiting on a FIFO; Broken says why it is not to be had."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
    try:
        fd = os.open(path, flags, dir_fd=dir_fd)
    except (OSError, ValueError) as error:
        link = isinstance(error, OSError) and error.errno == errno.ELOOP
        cause = "is a symbolic link" if link else (getattr(error, "strerror", None) or str(error))
        raise Broken(Reason.UNREADABLE, f"open {path}: {cause}") from None
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise Broken(Reason.UNREADABLE, f"open {path}: not a regular file")
    if status.st_size > FILE_BYTES_MAX:
        os.close(fd)
        raise Broken(
            Reason.OVERSIZED, f"open {path}: {status.st_size} bytes exceed {FILE_BYTES_MAX}", hint="split it"
        )
    file = io.FileIO(fd)
    file.name = str(path)
    return file


def hashing(file: io.FileIO) -> Iterator[str]:
    """Hash a file as it stands on the disk and go back to its beginning: empty texts while it takes its time,
    at last what `sha256sum` prints. Broken where it cannot be read."""
    digest = hashlib.sha256()
    try:
        while data := file.read(HASH_BYTES):
            digest.update(data)
            yield ""
        file.seek(0)
    except OSError as error:
        raise Broken(Reason.UNREADABLE, f"read {file.name!s}: {error.strerror}") from None
    yield digest.hexdigest()


def chunks(file: io.FileIO, *, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    """The bytes of an open file or pipe, gunzipped where they begin like gzip; Broken where they stop making
    sense. A pipe gives what it has: a chunk may be short."""
    name = str(file.name)
    buffered = io.BufferedReader(file, chunk_bytes)
    try:
        if buffered.peek(2)[:2] != GZIP_MAGIC:
            while data := buffered.read1(chunk_bytes):
                yield data
            return
        yield from _expanded(buffered, name, chunk_bytes)
    except OSError as error:
        raise Broken(Reason.UNREADABLE, f"read {name}: {error.strerror or error}") from None
    finally:
        # Else it would close the file, which is the caller's and may be closed already.
        with suppress(ValueError):
            buffered.detach()


def head_of(path: Path) -> bytes:
    """The first chunk of a file, gunzipped, for a sniffer; Broken where there is none to be had."""
    with open_regular(path) as file:
        return next(chunks(file), b"")


def _expanded(source: BinaryIO, name: str, chunk_bytes: int) -> Iterator[bytes]:
    total = 0
    with GzipFile(fileobj=source, mode="rb") as expanded:
        while True:
            try:
                data = expanded.read1(chunk_bytes)
            except EOFError:
                raise Broken(Reason.TRUNCATED, f"read {name}: gzip data end early") from None
            except (OSError, zlib.error) as error:
                raise Broken(Reason.UNREADABLE, f"read {name}: bad gzip data: {error}") from None
            if not data:
                return
            total += len(data)
            if total > EXPANDED_BYTES_MAX:
                raise Broken(Reason.OVERSIZED, f"read {name}: more than {EXPANDED_BYTES_MAX} bytes unpacked")
            yield data
