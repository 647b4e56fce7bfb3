"""Keeping the audit log within its size budget: the oldest sealed segments go, and a row says so.

The row is written first. So a removal by the log can be told from one by anybody else, and a crash between
the two leaves a segment that is removed on the next round.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from dsmil.errors import Corrupt
from dsmil.events import ids
from dsmil.runtime import logs
from dsmil.store import segments
from dsmil.store.chain import AuditRow
from dsmil.store.growing import Growing, inspect

KIND = "history_removed"

log = logs.get()


class Removed(Struct, frozen=True):
    """What a `history_removed` row tells: which rows went, and the hash the rest goes on from (hex)."""

    segment: int
    day: str
    first_seq: int
    last_seq: int
    last_hash: str
    bytes: int


def shrink(directory: Path, open_: Growing, *, budget_bytes: int, now: float) -> int | None:
    """Remove oldest sealed segments until all fit `budget_bytes`; the first seq that is left, None if none went.

    Raises OSError, sqlite3.Error, Corrupt.
    """
    sealed = segments.sealed_before(directory, open_.meta.number)
    over = sum(map(segments.size_of, [*sealed, open_.path])) - budget_bytes
    left = None
    for path in sealed:
        if over <= 0:
            break
        size = segments.size_of(path)
        left = _remove(path, open_, size=size, now=now) + 1
        over -= size
    return left


def _remove(path: Path, open_: Growing, *, size: int, now: float) -> int:
    meta, end = inspect(path)
    if meta is None:
        raise Corrupt(f"remove {path}: it says nothing of itself", hint="set it aside by hand")
    told = Removed(meta.number, meta.day, meta.first_seq, end.seq, end.hash.hex(), size)
    event_id = ids.digest(KIND, str(told.segment), told.last_hash)
    if not open_.present([event_id]):
        row = AuditRow("", "", event_id, now, now, KIND, "audit", msgspec.json.encode(told))
        open_.write([row], [], now=now)
    path.unlink()
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    log.warning("audit_history_removed", **msgspec.structs.asdict(told))
    return end.seq
