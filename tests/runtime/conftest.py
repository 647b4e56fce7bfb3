"""An ear for what daemons say to the journal."""

from __future__ import annotations

import re
import select
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


def decoded(data: bytes) -> list[tuple[str, str]]:
    """The fields of one datagram, or an AssertionError where journald would stumble."""
    fields = []
    while data:
        name, mark = re.match(rb"([A-Z][A-Z0-9_]{0,63})([=\n])", data).groups()  # type: ignore[union-attr]
        data = data[len(name) + 1 :]
        if mark == b"=":
            value, newline, data = data.partition(b"\n")
            assert newline
        else:
            (size,) = struct.unpack("<Q", data[:8])
            value, end, data = data[8 : 8 + size], data[8 + size : 9 + size], data[9 + size :]
            assert len(value) == size and end == b"\n"
        fields.append((name.decode(), value.decode()))
    return fields


class Ear:
    """A journal: a datagram socket that somebody reads, or does not."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setblocking(False)

    def heard(self) -> list[dict[str, str]]:
        entries = []
        while select.select([self.socket], [], [], 0)[0]:
            fields = decoded(self.socket.recv(1 << 20))
            assert len(dict(fields)) == len(fields), "a name stands twice"
            entries.append(dict(fields))
        return entries


@pytest.fixture
def listen() -> Iterator[Callable[[Path], Ear]]:
    """Makes a journal at a path."""
    ears: list[Ear] = []

    def make(path: Path) -> Ear:
        ears.append(Ear(path))
        return ears[-1]

    yield make
    for ear in ears:
        ear.socket.close()


@pytest.fixture
def ear(tmp_path: Path, listen: Callable[[Path], Ear]) -> Ear:
    """A journal that listens."""
    return listen(tmp_path / "journal")
