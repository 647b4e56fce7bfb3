"""Fills soc_events_cache in again from SOC_EVENTS, after the tmpfs was emptied.

A page at a time between two batches, so routing is never held up; rows that are there already are left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

from dsmil.errors import BadEvent
from dsmil.events import envelope
from dsmil.events.enums import StreamName
from dsmil.events.soc import Repeats
from dsmil.fabric.wire import Wire
from dsmil.soc.service import Rows

PAGE = 500
"""Entries a page: about 10 ms to read and store."""


class Refillable(Rows, Protocol):
    """The hot database, and how often its file was opened."""

    @property
    def generation(self) -> int: ...

    def get_recent_soc_events(self, severity: str | None = None, limit: int = 100) -> list[dict[str, Any]]: ...


class Refill:
    """Watches `hot.generation`; `step` does a page where there is something to fill in. `now` is Unix seconds."""

    def __init__(self, wire: Wire, hot: Refillable, *, retention_s: float, now: Callable[[], float]) -> None:
        self._wire = wire
        self._hot = hot
        self._retention_s = retention_s
        self._now = now
        self._generation = 0
        self._next: str | None = None
        self.filled = 0

    def step(self) -> bool:
        """Whether a page was done. Unavailable where Redis is away; the page is done again."""
        self._watch()
        if self._next is None:
            return False
        name = StreamName.SOC_EVENTS.value
        rows = cast(list[Any], self._wire.call("XRANGE", name, self._next, "+", "COUNT", PAGE))
        events = []
        for _, fields in rows:
            try:
                events.append(envelope.decode(fields[1]))
            except BadEvent:  # the consumers of the stream bury it; here it is merely no row
                continue
        self._store(events)
        self._next = f"({rows[-1][0].decode()}" if len(rows) == PAGE else None
        return True

    def _watch(self) -> None:
        generation = self._hot.generation
        if generation == self._generation:
            return
        first, self._generation = self._generation == 0, generation
        if first and self._hot.get_recent_soc_events(limit=1):
            return  # a restart of ours: the file outlived us
        self._next = str(max(0, int((self._now() - self._retention_s) * 1000)))

    def _store(self, events: list[envelope.Event]) -> None:
        told = [event for event in events if event.kind == "soc"]
        self._hot.insert_soc(told)
        self.filled += len(told)
        for event in events:
            if event.kind == "soc.repeats":
                repeats = envelope.unpack(event, Repeats)
                self._hot.bump_soc(repeats.first, repeats.count, repeats.last_ts)
