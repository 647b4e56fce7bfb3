"""The rows of the audit log and the hash chain that binds each to all before it.

The hash covers every column, so a change anywhere in a row is found; the order of columns here is the order
in the table and in the hash, and can never change without a new schema.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct

HASH_BYTES = 32
GENESIS = bytes(HASH_BYTES)
"""What the first row of the first segment is chained to."""
COLUMNS = "seq, event_id, stream, stream_id, ts, ingest_ts, kind, source, recorded_ts, fault, data"
"""The hashed columns."""

Sealed = tuple[int, str, str, str, float, float, str, str, float, str, bytes]
"""The hashed columns of one row, in order."""
Stored = tuple[int, str, str, str, float, float, str, str, float, str, bytes, bytes]
"""A row as it is stored: the hashed columns, then the hash."""


class AuditRow(Struct, frozen=True):
    """One entry of one stream as it is kept for good. Times are Unix seconds; `data` is the entry's own bytes.

    `fault` says why the entry did not decode (its `event_id` is then a derived one). `seq` and `recorded_ts`
    are given by the log.
    """

    stream: str
    stream_id: str
    event_id: str
    ts: float
    ingest_ts: float
    kind: str
    source: str
    data: bytes
    fault: str = ""
    seq: int = 0
    recorded_ts: float = 0.0


_pack: Callable[[object], bytes] = msgspec.msgpack.Encoder().encode


def link(previous: bytes, columns: tuple[object, ...]) -> bytes:
    """Hash of a row: BLAKE2b-256 of the hash before it and the MessagePack array of its columns."""
    return blake2b(previous + _pack(columns), digest_size=HASH_BYTES).digest()


def chained(rows: Iterable[AuditRow], *, seq: int, previous: bytes, recorded_ts: float) -> list[Stored]:
    """`rows` numbered from `seq` on and chained to `previous`, ready to be stored."""
    stored: list[Stored] = []
    for row in rows:
        columns: Sealed = (
            seq, row.event_id, row.stream, row.stream_id, row.ts, row.ingest_ts, row.kind, row.source,
            recorded_ts, row.fault, row.data,
        )  # fmt: skip
        previous = blake2b(previous + _pack(columns), digest_size=HASH_BYTES).digest()
        stored.append((*columns, previous))
        seq += 1
    return stored


def row_of(columns: tuple[Any, ...]) -> AuditRow:
    """The row of a `SELECT COLUMNS`."""
    seq, event_id, stream, stream_id, ts, ingest_ts, kind, source, recorded_ts, fault, data = columns[:11]
    return AuditRow(
        stream, stream_id, event_id, ts, ingest_ts, kind, source, bytes(data), fault, seq, recorded_ts
    )


def entry_id(text: str) -> tuple[int, int]:
    """A stream entry id as numbers: "1700000000000-3" -> (1700000000000, 3); (0, 0) for anything else."""
    ms, _, n = text.partition("-")
    try:
        return int(ms), int(n or 0)
    except ValueError:
        return 0, 0
