"""Which event ids the sealed segments hold: one sorted array of 64-bit digests, looked up by bisection.

A digest that is there is only a hint (the row is then looked for); one that is not there is certain. The
array is derived: missing, short or damaged, it is made again from the segments.
"""

from __future__ import annotations

import mmap
import os
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from contextlib import closing
from hashlib import blake2b
from pathlib import Path

from dsmil.store.segments import number_of
from dsmil.store.sqlite import connect_readonly, fsync

FILE = "seen.u64"
MAGIC = b"DSMILID1"
HEADER_BYTES = 32
"""Magic (8), number of the newest segment within (8, little-endian), BLAKE2b-128 of the array (16)."""
PAGE_ROWS = 50_000
"""Ids read at a time while the array is made."""


def digest(event_id: str) -> int:
    """64-bit digest of an event id."""
    return int.from_bytes(blake2b(event_id.encode(), digest_size=8).digest(), "little")


class Seen:
    """The ids of all sealed segments of one directory."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        self._map: mmap.mmap | None = None
        self._ids: Sequence[int] = ()
        self.covers = 0
        """Number of the newest segment whose ids are in."""

    def __len__(self) -> int:
        return len(self._ids)

    def hits(self, event_ids: Iterable[str]) -> list[str]:
        """Those of `event_ids` that sealed segments may hold; the others they surely do not."""
        ids = self._ids
        found = []
        for event_id in event_ids if ids else ():
            wanted = digest(event_id)
            place = bisect_left(ids, wanted)
            if place < len(ids) and ids[place] == wanted:
                found.append(event_id)
        return found

    def cover(self, sealed: Sequence[Path], *, afresh: bool = False) -> None:
        """Take in the ids of every sealed segment that is not in yet; all of them again where `afresh`."""
        if not self._ids and not afresh:
            self._load()
        missing = [path for path in sealed if afresh or number_of(path) > self.covers]
        if missing:
            self._write(missing, number_of(missing[-1]), afresh=afresh)
            self._load()

    def close(self) -> None:
        """Let go of the file."""
        if isinstance(self._ids, memoryview):
            self._ids.release()
        self._ids = ()
        if self._map is not None:
            self._map.close()
            self._map = None
        self.covers = 0

    def _load(self) -> None:
        self.close()
        try:
            with self._path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError):  # absent or empty
            return
        view = memoryview(self._map)
        body = view[HEADER_BYTES:]
        if view[:8] != MAGIC or len(body) % 8 or blake2b(body, digest_size=16).digest() != view[16:HEADER_BYTES]:
            body.release()
            view.release()
            self.close()
            return
        self.covers = int.from_bytes(view[8:16], "little")
        self._ids = body.cast("Q")
        body.release()
        view.release()

    def _write(self, segments: Sequence[Path], covers: int, *, afresh: bool) -> None:
        import numpy as np  # noqa: PLC0415 - needed once a day; the drainer starts quicker without

        known = np.asarray(self._ids if self._ids and not afresh else [], dtype="<u8")
        fresh = np.fromiter((digest(event_id) for path in segments for event_id in _ids(path)), dtype="<u8")
        body = np.sort(np.concatenate([known, fresh]), kind="stable").tobytes()
        del known  # it looks into the map that is about to be closed
        part = self._path.with_name(self._path.name + ".part")
        with part.open("wb") as file:
            file.write(MAGIC + covers.to_bytes(8, "little") + blake2b(body, digest_size=16).digest())
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._path)
        fsync(self._path.parent)


def _ids(path: Path) -> Iterable[str]:
    with closing(connect_readonly(path)) as connection:
        cursor = connection.execute("SELECT event_id FROM entity_audit_log")
        while page := cursor.fetchmany(PAGE_ROWS):
            yield from (row[0] for row in page)
