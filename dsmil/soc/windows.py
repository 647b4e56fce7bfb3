"""The windows: what the router remembers of each (entity, decision), and for how long.

A window opens with the first decision and spans `span_s` seconds of event time from there on. It is reported
when event time passes its end, and forgotten when ingest time has also gone on by as much: so a fast playback
of old data and the live feed do not close each other's windows. Everything here follows from the entries and
their order alone, never from the wall clock or from how they were cut into batches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from itertools import islice

from msgspec import Struct

Key = tuple[str, str]
JOIN_MAX = 16
"""Other signals an event lists, the newest."""
LOOK_MAX = 64
"""Windows of one entity looked at for joining, from the newest on."""
INDEXED_MAX = 4
"""Entities of a decision it can be joined by."""
ASIDE_MAX = 3
"""Windows of one key kept aside when another time comes in between (two playbacks of different days)."""
SHARED_KINDS = ("port:", "svc:", "subnet:", "source:")
"""Nodes so many things share that two signals on one of them have nothing to do with each other."""


class Window(Struct, kw_only=True, gc=False):
    """One (entity, decision) while it is open. Times are Unix seconds; `soc_id` is empty while everything in
    it was suppressed; `count` is of decisions let through, the first included."""

    serial: int = 0
    entity: str
    decision: str
    entities: tuple[str, ...]
    joins: tuple[str, ...]
    layer: int
    device: int
    score: float
    ref: str
    soc_id: str
    first_ts: float
    last_ts: float
    opened_ingest: float
    count: int = 0
    suppressed: int = 0
    reported: int = 0
    due: bool = True
    gone: bool = False

    @property
    def total(self) -> int:
        """Decisions seen, suppressed ones included."""
        return self.count + self.suppressed


class Windows:
    """All windows; `find`, `open`, `advance`, `dump` and `restore`. `report` is called with each window whose
    end has passed, `forget` when it is dropped."""

    def __init__(self, span_s: float, most: int, report: Callable[[Window], None]) -> None:
        self._span = span_s
        self._most = most
        self._report = report
        self._latest: dict[Key, Window] = {}
        self._aside: dict[Key, list[Window]] = {}
        self._order: deque[Window] = deque()
        self._ends: list[tuple[float, int, Window]] = []
        self._serial = 0
        self._by_entity: dict[str, dict[int, Window]] = {}
        self._of_decision: dict[str, int] = {}
        self.latest_ts = 0.0
        self.latest_ingest = 0.0
        self.forced = 0

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Window]:
        return (window for window in self._order if not window.gone)

    def find(self, entity: str, decision: str, ts: float) -> Window | None:
        """The open window of this key that `ts` falls into: less than a span before or after its first."""
        key = (entity, decision)
        window = self._latest.get(key)
        if window is None:
            return None
        span = self._span
        if -span < ts - window.first_ts < span:
            return window
        return next((w for w in self._aside.get(key, ()) if -span < ts - w.first_ts < span), None)

    def open(self, window: Window) -> None:
        """Begin a window; one of the same key at another time is set aside."""
        key = (window.entity, window.decision)
        old = self._latest.get(key)
        if old is not None:
            kept = self._aside.setdefault(key, [])
            kept.append(old)
            if len(kept) > ASIDE_MAX:
                self._forget(kept[0])
        self._serial += 1
        window.serial = self._serial
        self._add(window)
        while len(self._order) > self._most:
            self._forget_oldest()

    def _add(self, window: Window) -> None:
        self._latest[window.entity, window.decision] = window
        self._order.append(window)
        if window.due:
            heappush(self._ends, (window.first_ts + self._span, window.serial, window))
        for entity in window.joins:
            self._by_entity.setdefault(entity, {})[window.serial] = window
        self._of_decision[window.decision] = self._of_decision.get(window.decision, 0) + 1

    def near(self, mine: Window, ts: float) -> list[Window]:
        """Windows of other decisions, not suppressed, on an entity of `mine` around `ts`; the oldest first."""
        found: dict[int, Window] = {}
        for entity in mine.joins:
            windows = self._by_entity[entity]
            if len(windows) > 1:  # not mine alone
                for window in islice(reversed(windows.values()), LOOK_MAX):
                    if window.decision != mine.decision and window.soc_id and self._around(window, ts):
                        found[window.serial] = window
        return [found[serial] for serial in sorted(found)[-JOIN_MAX:]] if found else []

    def _around(self, window: Window, ts: float) -> bool:
        return window.first_ts - self._span < ts < window.last_ts + self._span

    def alike(self, decision: str) -> int:
        """How many windows of this decision are open, over all entities."""
        return self._of_decision.get(decision, 0)

    def advance(self, ts: float, ingest_ts: float) -> None:
        """Take note of an entry's times; report and forget what they have passed."""
        if ts > self.latest_ts:  # noqa: PLR1730 - a call of max() for each event is what this loop cannot spare
            self.latest_ts = ts
        while self._ends and self._ends[0][0] <= self.latest_ts:
            self._end(heappop(self._ends)[2])
        self.latest_ingest = ingest_ts
        while self._order and self._is_over(self._order[0], ingest_ts):
            self._forget_oldest()

    def elapse(self, now: float) -> None:
        """Report what has ended by the wall clock while no entry came; forgets nothing."""
        idle = max(0.0, now - self.latest_ingest)
        while self._ends and self._ends[0][0] <= self.latest_ts + idle:
            self._end(heappop(self._ends)[2])

    def _is_over(self, window: Window, ingest_ts: float) -> bool:
        # A window opened in what is now the future was stamped by a clock that has since been set back.
        passed = abs(ingest_ts - window.opened_ingest) >= self._span
        return window.gone or (passed and self.latest_ts >= window.first_ts + self._span)

    def _end(self, window: Window) -> None:
        window.due = False
        if not window.gone:
            self._report(window)

    def _forget_oldest(self) -> None:
        window = self._order.popleft()
        if not window.gone:
            self.forced += self.latest_ts < window.first_ts + self._span
            self._forget(window)

    def _forget(self, window: Window) -> None:
        self._report(window)
        window.gone = True
        key = (window.entity, window.decision)
        if key in self._aside:
            self._unset_aside(key, window)
        elif self._latest.get(key) is window:
            del self._latest[key]
        for entity in window.joins:
            near = self._by_entity[entity]
            del near[window.serial]
            if not near:
                del self._by_entity[entity]
        left = self._of_decision.get(window.decision, 1) - 1
        if left:
            self._of_decision[window.decision] = left
        else:
            self._of_decision.pop(window.decision, None)

    def _unset_aside(self, key: Key, window: Window) -> None:
        """Drop one of several windows of a key; where it was the latest, the next latest takes its place."""
        kept = [one for one in self._aside[key] if one is not window]
        if self._latest[key] is window:
            self._latest[key] = kept.pop()
        if kept:
            self._aside[key] = kept
        else:
            del self._aside[key]

    def restore(self, windows: Iterable[Window]) -> None:
        """Take up windows in their order of opening, as iterating gave them, after a restart."""
        for window in windows:
            key = (window.entity, window.decision)
            if key in self._latest:
                self._aside.setdefault(key, []).append(self._latest[key])
            self._add(window)
            self._serial = window.serial


def joinable(entities: tuple[str, ...]) -> tuple[str, ...]:
    """The entities a signal can be joined by: the main one, and the next few that are not shared by all."""
    if len(entities) == 1:
        return entities
    main, *rest = entities
    return tuple(dict.fromkeys([main, *(e for e in rest if not e.startswith(SHARED_KINDS))]))[:INDEXED_MAX]
