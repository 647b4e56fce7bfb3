"""Which picture a read is of: the present, the present once it holds a sequence, or the past."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from fastapi import Query

from dsmil.api.faults import RETRY_S, Fault
from dsmil.api.parts import Parts
from dsmil.config import Settings
from dsmil.events.envelope import TS_MAX
from dsmil.graph import history
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.picture import Picture, TooOld

T = TypeVar("T")

SEQUENCE_BELOW = 1_000_000_000
"""A whole number from here on is a time: a billion seconds passed in 2001, and no graph has had as many events."""

MinSeq = Annotated[
    int | None, Query(ge=0, lt=2**53, description="Wait, for a while, until the engine holds this sequence.")
]
AsOf = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=64,
        description="A past moment: a sequence, Unix seconds (from 1000000000 on, or with a point), or ISO 8601.",
    ),
]


class Moment:
    """When a read looks: `min_seq` and `as_of` as they were asked for."""

    def __init__(self, min_seq: int | None = None, as_of: str | int | float | None = None) -> None:
        self.min_seq = min_seq or 0
        self.as_of = None if as_of is None else moment_of(as_of)

    async def read(self, parts: Parts, look: Callable[[Picture], T]) -> T:
        """What `look` says of the picture, which stands still meanwhile. Fault 412: not there yet; 410: too old."""
        wanted = max(self.min_seq, self.as_of if isinstance(self.as_of, int) else 0)
        await reached(parts, wanted)
        return await parts.work(lambda: self.look(parts, look))

    def look(self, parts: Parts, look: Callable[[Picture], T]) -> T:
        """The same without waiting, in this thread: out of the engine, or further back out of what is kept."""
        engine = parts.engine
        try:
            with engine.lock:
                return look(self._of(parts.graph))
        except TooOld:
            # One at a time: each takes the memory of a graph, and folds events for as long as it takes.
            picture = parts.deep(lambda: self._kept(parts.settings))
        return look(picture)

    def _of(self, graph: Hypergraph) -> Picture:
        if self.as_of is None:
            return graph
        return graph.as_of(self.as_of if isinstance(self.as_of, int) else graph.sequence_at(self.as_of))

    def _kept(self, settings: Settings) -> Picture:
        moment = self.as_of
        assert moment is not None, "the present is never too old"
        return history.picture_at(
            settings, moment if isinstance(moment, int) else history.sequence_at(settings, moment)
        )


async def reached(parts: Parts, sequence: int) -> None:
    """Wait until the engine holds a sequence. Fault 412 where it was never given out: nothing would come of waiting;
    503 where the engine does not come so far in time."""
    if parts.graph.sequence >= sequence:
        return
    last = await parts.work(parts.stream.last)
    if sequence > last:
        detail = f"sequence {sequence} has not been given out; the newest is {last}"
        raise Fault(412, "not_there_yet", detail, hint="ask for one that a write has answered")
    engine, seconds = parts.engine, parts.settings.api.wait_s_max
    if await parts.wait(lambda: engine.wait_for(sequence, seconds)):
        return
    raise Fault(
        503, "behind", f"sequence {sequence} was not reached in {seconds} s; this is {engine.graph.sequence}",
        hint=parts.away or "ask again, or leave out min_seq", headers={"retry-after": RETRY_S},
    )  # fmt: skip


def moment_of(given: str | int | float) -> int | float:
    """A sequence (int) or Unix seconds (float) out of a parameter; Fault 422 where it is neither."""
    text = str(given).strip()
    if text.isascii() and text.isdecimal() and len(text) <= 15:
        number = int(text)
        return number if number < SEQUENCE_BELOW else float(number)
    try:
        seconds = float(text)
    except ValueError:
        seconds = _iso(text)
    if not (math.isfinite(seconds) and 0 <= seconds <= TS_MAX):
        hint = "a sequence, Unix seconds, or ISO 8601 such as 2024-05-01T12:00:00Z"
        raise Fault(422, "invalid", f"{text!r} is no moment", hint=hint)
    return seconds


def _iso(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return math.nan
