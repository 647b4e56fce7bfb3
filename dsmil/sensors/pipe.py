"""Standard input, or any other descriptor somebody writes into, as a live source: `rtl_433 -F json | dsmil ...`.

Takes what is there and never waits for more, so a slow writer's records are on their way at once.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator

from dsmil.sensors.tcp import READ_BYTES

STDIN = 0


class Pipe:
    """Reads a descriptor until its writer has closed it."""

    datagrams = False
    events_for_write = False

    def __init__(self, fd: int = STDIN, name: str = "stdin") -> None:
        self.error: str | None = None
        self.ended = False
        self._fd = fd
        self._name = name

    def fileno(self) -> int | None:
        """The descriptor, until it ends."""
        return None if self.ended else self._fd

    def due_s(self) -> float | None:
        """Only when data come."""
        return None

    def read(self) -> Iterator[tuple[str, bytes | None]]:
        """One read of what is there; null at the end."""
        if self.ended or not select.select([self._fd], [], [], 0)[0]:
            return
        try:
            data = os.read(self._fd, READ_BYTES)
        except OSError as error:
            self.error = f"read {self._name}: {error.strerror}"
            data = b""
        self.ended = not data
        yield self._name, data or None

    def lost(self) -> int:
        """Always 0: a pipe waits."""
        return 0

    def close(self) -> None:
        """Nothing: the descriptor is the process's."""
