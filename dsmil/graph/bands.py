"""Nodes by frequency: buckets of 10 MHz, exact at their edges."""

from __future__ import annotations

from collections.abc import Collection
from math import floor

STEP_MHZ = 10.0
"""Width of a bucket, as in the keys `dsmil:rf:band:<bucket>`."""


def bucket_of(frequency: float) -> int:
    """The lower edge, in MHz, of the bucket a frequency (MHz) lies in."""
    return int(floor(frequency / STEP_MHZ) * STEP_MHZ)


class Bands:
    """Frequencies in MHz by id."""

    def __init__(self) -> None:
        self._buckets: dict[int, dict[str, float]] = {}

    def move(self, node_id: str, old: float | None, new: float | None) -> None:
        """A node's frequency changed; null: it had, or has, none."""
        if old is not None:
            held = self._buckets[bucket_of(old)]
            del held[node_id]
            if not held:
                del self._buckets[bucket_of(old)]
        if new is not None:
            self._buckets.setdefault(bucket_of(new), {})[node_id] = new

    def within(self, low: float, high: float) -> Collection[str]:
        """Ids of nodes with low <= frequency <= high (MHz)."""
        first, last = bucket_of(low), bucket_of(high)
        found: list[str] = []
        for bucket, held in self._buckets.items():
            if first < bucket < last:
                found += held
            elif first <= bucket <= last:
                found += [node_id for node_id, frequency in held.items() if low <= frequency <= high]
        return found
