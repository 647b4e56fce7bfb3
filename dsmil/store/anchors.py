"""Anchors: where the chain stood at a given time, kept outside the database.

A chain with its tail cut off is still a valid chain; only somebody who remembers how long it was can tell.
The file is one memory, the journal (the drainer logs each anchor) is the other.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from dsmil.errors import Unavailable
from dsmil.store.sqlite import fsync

FILE = "anchors.jsonl"


class Anchor(Struct, frozen=True):
    """After row `seq`, in segment number `segment`, the chain's hash was `hash` (hex); `ts` in Unix seconds."""

    seq: int
    segment: int
    hash: str
    ts: float


class Anchors(Struct, frozen=True):
    """All anchors of a file in order, and the number of lines that are none."""

    anchors: tuple[Anchor, ...]
    broken: int
    present: bool


_decoder = msgspec.json.Decoder(Anchor)


def append(directory: Path, anchor: Anchor) -> None:
    """Add one anchor, on disk when this returns. Raises Unavailable."""
    path = directory / FILE
    try:
        fresh = not path.exists()
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            os.write(handle, _mend(handle) + msgspec.json.encode(anchor) + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)
        if fresh:
            fsync(directory)
    except OSError as error:
        raise Unavailable(f"write {path}: {error}", hint="free space on that file system") from error


def _mend(handle: int) -> bytes:
    # A line torn by a power cut must not swallow the next one.
    size = os.fstat(handle).st_size
    return b"\n" if size and os.pread(handle, 1, size - 1) != b"\n" else b""


def read(directory: Path) -> Anchors:
    """Every anchor of the file. A line torn off by a crash is passed over; any other odd line is `broken`."""
    try:
        lines = (directory / FILE).read_bytes().split(b"\n")
    except FileNotFoundError:
        return Anchors((), 0, False)
    except OSError as error:
        raise Unavailable(f"read {directory / FILE}: {error}") from error
    found: list[Anchor] = []
    broken = 0
    for line in filter(None, lines):
        try:
            found.append(_decoder.decode(line))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            broken += line.endswith(b"}") or not line.startswith(b'{"'[: len(line)])
    return Anchors(tuple(found), broken, True)


def forget(directory: Path, *, before_seq: int) -> None:
    """Drop the anchors of rows before `before_seq`, whose segments are gone. Raises Unavailable."""
    kept: Iterable[Anchor] = (anchor for anchor in read(directory).anchors if anchor.seq >= before_seq)
    part = directory / f"{FILE}.part"
    try:
        with part.open("wb") as file:
            file.writelines(msgspec.json.encode(anchor) + b"\n" for anchor in kept)
            file.flush()
            os.fsync(file.fileno())
        part.replace(directory / FILE)
        fsync(directory)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise Unavailable(f"write {part}: {error}", hint="free space on that file system") from error
