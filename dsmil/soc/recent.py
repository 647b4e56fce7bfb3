"""Remembers the last few thousand event ids, so that one delivered again does nothing.

Two generations take turns: that bounds memory, needs no order to be kept, and follows from the ids alone.
"""

from __future__ import annotations

from collections.abc import Iterable

GENERATION_MAX = 8192
"""Ids of one generation: a producer that was cut off sends at most its last batch, 5000, again."""


class Recent:
    """At least the last `generation` ids, at most twice as many."""

    def __init__(self, generation: int = GENERATION_MAX) -> None:
        self._most = generation
        self._young: dict[str, None] = {}
        self._old: dict[str, None] = {}

    def add(self, event_id: str) -> bool:
        """Remember an id; False where it is known already."""
        if event_id in self._young or event_id in self._old:
            return False
        self._young[event_id] = None
        if len(self._young) >= self._most:
            self._old, self._young = self._young, {}
        return True

    def dump(self) -> tuple[list[str], list[str]]:
        """Both generations, for a checkpoint."""
        return list(self._young), list(self._old)

    def restore(self, young: Iterable[str], old: Iterable[str]) -> None:
        """Take up what `dump` gave."""
        self._young, self._old = dict.fromkeys(young), dict.fromkeys(old)
