"""Fills the hot database in again from the retained streams, after its file was lost or the tmpfs emptied.

A page at a time between two batches, so the work is never held up; rows that are there already are left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from msgspec import Struct

from dsmil.clock import Clock
from dsmil.errors import BadEvent
from dsmil.events.enums import StreamName
from dsmil.events.envelope import Event, decode
from dsmil.fabric.wire import Wire
from dsmil.store.hot import HotPathDB

PAGE = 500
"""Entries a page: about 10 ms to read and store."""


class Supply(Struct, frozen=True):
    """A stream, how far back (seconds) it is wanted, and who stores its events."""

    stream: StreamName
    retention_s: float
    store: Callable[[Sequence[Event]], object]


class Refill:
    """Watches `hot.generation`; `step` does a page where there is something to fill in. `stands` says whether a
    file that was there before us still holds our rows."""

    def __init__(
        self, wire: Wire, hot: HotPathDB, supplies: Sequence[Supply], *, stands: Callable[[], bool], clock: Clock
    ) -> None:
        self._wire = wire
        self._hot = hot
        self._supplies = tuple(supplies)
        self._stands = stands
        self._clock = clock
        self._generation = 0
        self._left: list[tuple[Supply, str]] = []

    def step(self) -> bool:
        """Whether a page was done. Unavailable where Redis is away; the page is done again."""
        self._watch()
        if not self._left:
            return False
        supply, first = self._left[0]
        rows = cast(list[Any], self._wire.call("XRANGE", supply.stream.value, first, "+", "COUNT", PAGE))
        supply.store([event for _, fields in rows if (event := _event(fields[1])) is not None])
        if len(rows) == PAGE:
            self._left[0] = (supply, f"({rows[-1][0].decode()}")
        else:
            del self._left[0]
        return True

    def _watch(self) -> None:
        generation = self._hot.generation
        if generation == self._generation:
            return
        first, self._generation = self._generation == 0, generation
        if first and self._stands():
            return  # a restart of ours: the file outlived us
        now = self._clock.now()
        self._left = [(supply, str(max(0, int((now - supply.retention_s) * 1000)))) for supply in self._supplies]


def _event(data: bytes) -> Event | None:
    try:
        return decode(data)
    except BadEvent:  # the consumers of the stream bury it; here it is merely no row
        return None
