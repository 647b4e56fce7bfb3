"""Checkpoints: the state of a stateful daemon on disk, with the place in the streams it belongs to.

Written beside, synced and renamed; the one before is kept, so a torn or rotten file costs one interval, not the
state. Format: a magic line, the BLAKE2b-128 of the rest, and msgpack of `Saved`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import Struct

from dsmil.errors import Corrupt, Unavailable
from dsmil.fabric.entry import Entry, Output

MAGIC = b"dsmil-checkpoint-1\n"
EVERY_S = 5.0
"""How much a daemon replays after a crash."""
_DIGEST = 16


class Saved(Struct, frozen=True, kw_only=True):
    """One checkpoint: the last journal row `seq` in it, per stream the last id in it and the stream's identity,
    and the handler's state."""

    seq: int
    positions: dict[str, str]
    epochs: dict[str, str] = {}
    state: bytes = b""


class Stateful(Protocol):
    """A handler with memory. The same entries in the same order must give the same outputs and state, however
    they are cut into batches; `restore(dump())` must change nothing."""

    def __call__(self, entries: Sequence[Entry]) -> Sequence[Output]:
        """Handle a batch in order."""

    def dump(self) -> bytes:
        """The whole state."""

    def restore(self, state: bytes) -> None:
        """Become what `dump` gave. May raise where the state is of another version."""

    def reset(self) -> None:
        """Forget everything."""


class Checkpoint:
    """The two files of one daemon: `path` and the one before it, `path` + `.1`."""

    def __init__(self, path: Path, *, every_s: float = EVERY_S) -> None:
        self.path = Path(path)
        self.every_s = every_s
        self._before = self.path.with_name(self.path.name + ".1")
        self._rotten = False

    def save(
        self, positions: Mapping[str, str], state: bytes, *, seq: int = 0, epochs: Mapping[str, str] | None = None
    ) -> None:
        """Put a checkpoint on disk, durably. Unavailable where the disk does not take it (nothing is lost)."""
        saved = Saved(seq=seq, positions=dict(positions), epochs=dict(epochs or {}), state=state)
        body = msgspec.msgpack.encode(saved)
        fresh = self.path.with_name(self.path.name + ".new")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with fresh.open("wb") as file:
                file.write(MAGIC + blake2b(body, digest_size=_DIGEST).digest() + body)
                file.flush()
                os.fsync(file.fileno())
            if self.path.exists() and not self._rotten:  # a rotten file must not push out the good one before
                self.path.replace(self._before)
            fresh.replace(self.path)
            _sync_directory(self.path.parent)
            self._rotten = False
        except OSError as error:
            raise Unavailable(
                f"save checkpoint {self.path}: {error}", hint="make room or set its rights"
            ) from None

    def drop_after(self, seq: int) -> None:
        """Forget those that hold more than row `seq`."""
        for path in (self.path, self._before):
            with suppress(OSError, Corrupt):
                if _read(path).seq > seq:
                    path.unlink()

    def load(self) -> tuple[list[Saved], list[Corrupt]]:
        """The good checkpoints, newest first, and what is wrong with the others."""
        good: list[Saved] = []
        faults: list[Corrupt] = []
        for path in (self.path, self._before):
            try:
                good.append(_read(path))
            except FileNotFoundError:
                continue
            except (Corrupt, OSError) as error:
                self._rotten = self._rotten or path is self.path
                faults.append(Corrupt(f"read checkpoint {path}: {error}"))
        return good, faults


def _read(path: Path) -> Saved:
    data = path.read_bytes()
    start = len(MAGIC) + _DIGEST
    body = data[start:]
    if not data.startswith(MAGIC) or blake2b(body, digest_size=_DIGEST).digest() != data[len(MAGIC) : start]:
        raise Corrupt("checksum does not fit")
    try:
        return msgspec.msgpack.decode(body, type=Saved)
    except msgspec.MsgspecError as error:
        raise Corrupt(str(error)) from None


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
