"""Bounded memory: what detectors remember, and the robust statistics they ask of it.

A table forgets what was not touched for long and what is too much, least recently touched first. Idle time is
measured by the entries' `ingest_ts`, so the same entries always leave the same memory.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec

MAD_TO_SIGMA = 1.4826
"""Median absolute deviation to standard deviation, for normal noise."""


class Remembered(Protocol):
    """A row of a table: `seen` is the ingest time (Unix seconds) of the entry that last touched it."""

    seen: float


K = TypeVar("K")
V = TypeVar("V", bound=Remembered)


class Table(Generic[K, V]):
    """Rows by key, least recently touched first; at most `count_max`, none idle for more than `idle_s`."""

    def __init__(self, key: Any, shape: type[V], *, count_max: int, idle_s: float) -> None:
        self.evicted = 0
        self._rows: OrderedDict[K, V] = OrderedDict()
        self._count_max = count_max
        self._idle_s = idle_s
        self._decoder: msgspec.msgpack.Decoder[list[tuple[K, V]]] = msgspec.msgpack.Decoder(
            list[tuple[key, shape]]  # type: ignore[valid-type]
        )

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return iter(self._rows.items())

    def get(self, key: K) -> V | None:
        """The row, its place in the queue unchanged."""
        return self._rows.get(key)

    def touch(self, key: K, seen: float) -> V | None:
        """The row, now the last to be forgotten."""
        row = self._rows.get(key)
        if row is not None:
            row.seen = seen
            self._rows.move_to_end(key)
        return row

    def put(self, key: K, row: V) -> None:
        """Add or replace a row, and forget what this makes too much or `row.seen` makes too old."""
        self._rows[key] = row
        self._rows.move_to_end(key)
        while len(self._rows) > self._count_max or self._oldest_idle(row.seen):
            self._rows.popitem(last=False)
            self.evicted += 1

    def drop(self, key: K) -> None:
        """Forget one row."""
        self._rows.pop(key, None)

    def dump(self) -> bytes:
        """The rows in their order."""
        return msgspec.msgpack.encode(list(self._rows.items()))

    def restore(self, data: bytes) -> None:
        """Take over rows that `dump` gave."""
        self._rows = OrderedDict(self._decoder.decode(data))

    def _oldest_idle(self, now: float) -> bool:
        return next(iter(self._rows.values())).seen < now - self._idle_s


def pack_parts(*tables: Table[Any, Any]) -> bytes:
    """Several tables as one dump."""
    return msgspec.msgpack.encode([table.dump() for table in tables])


def restore_parts(data: bytes, *tables: Table[Any, Any]) -> None:
    """The inverse of `pack_parts`, for the same tables in the same order."""
    for table, part in zip(tables, msgspec.msgpack.decode(data, type=list[bytes]), strict=True):
        table.restore(part)


def median(values: Sequence[float]) -> float:
    """The median; ValueError of an empty sequence."""
    if not values:
        raise ValueError("median: no values")
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def spread(values: Sequence[float]) -> float:
    """Robust standard deviation: 1.4826 times the median absolute deviation from the median."""
    centre = median(values)
    return MAD_TO_SIGMA * median([abs(value - centre) for value in values])


def variation(values: Sequence[float]) -> float:
    """Coefficient of variation (standard deviation over mean) of positive values."""
    mean = sum(values) / len(values)
    if mean <= 0:
        return float("inf")
    return float((sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5 / mean)
