"""What a detector is: observations in, findings out, its memory on request.

A detector is a pure function of the entries it was shown and their order: it reads no clock, and what time it
is it learns from the watermark of the source it looks at.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from msgspec import Struct

from dsmil.events.decision import Feature
from dsmil.events.enums import Severity, TsBasis
from dsmil.events.envelope import Event

NOTHING: tuple[Found, ...] = ()
"""What a detector answers nearly always."""


class Seen(Struct, frozen=True, gc=False):
    """One observation as a detector sees it. `payload` is of the kind's type (dsmil.events). `timed` says
    whether `event.ts` may be reasoned about: the arrival time of a played-back record may not.
    `watermark` is the greatest trusted time of the source so far (Unix seconds), below 0 before the first."""

    event: Event
    payload: Any
    timed: bool
    watermark: float


class Found(Struct, kw_only=True):
    """What a detector concluded. `entities` are graph node ids, the main one first; `refs` the event ids of its
    evidence; `ts` and `since_ts` the latest and the earliest of it (an absence is dated by the watermark)."""

    decision: str
    score: float
    entities: tuple[str, ...]
    explanation: str
    refs: tuple[str, ...]
    ts: float
    features: dict[str, Feature] = {}
    since_ts: float | None = None
    severity: Severity | None = None


class Detector(Protocol):
    """One detector. `kinds` are those it wants to be shown; `device` signs its decisions."""

    name: str
    device: int
    kinds: frozenset[str]

    def observe(self, seen: Seen) -> Iterable[Found]:
        """Take one observation."""

    def dump(self) -> bytes:
        """Its memory (msgpack)."""

    def restore(self, data: bytes) -> None:
        """Take over a memory `dump` gave."""

    def reset(self) -> None:
        """Forget everything."""


class Ticking(Protocol):
    """A detector that also notices what does not come."""

    def tick(self, source: str, watermark: float) -> Iterable[Found]:
        """The watermark of a source crossed a step of the event-time grid and stands at `watermark`."""


class Lost(Struct, frozen=True):
    """A hole in a source's counter: `missing` events between `before_id` and the event now seen."""

    source: str
    missing: int
    before_id: str
    event: Event


class Guarding(Protocol):
    """A detector that is told of holes in the counters of sources."""

    def lost(self, hole: Lost) -> Iterable[Found]:
        """A source's counter jumped."""


class Clocked(Protocol):
    """The only kind of detector that is told the time: of live sources alone."""

    def clock_tick(self, now: float) -> Iterable[Found]:
        """It is `now` (Unix seconds), and every entry so far has been seen."""


def trusted_time(event: Event) -> bool:
    """Whether an event's `ts` says when it happened: its record had a time, or it came in live just then."""
    if event.ts_basis is TsBasis.SOURCE:
        return True
    return event.raw is not None and event.raw.peer is not None
