"""What one question may cost: entities looked at, entities answered, seconds.

A question that is over it is refused, not cut short: half an answer looks like a whole one.
"""

from __future__ import annotations

from msgspec import Struct

from dsmil.clock import SYSTEM, Clock
from dsmil.errors import QueryError

STEP = 1024
"""Entities between two looks at the clock: about a millisecond."""


class Limits(Struct, frozen=True):
    """`page` results at once, `entities` in a subgraph, `looks` at candidates and edges, `seconds` in all."""

    page: int = 10_000
    entities: int = 400_000
    looks: int = 20_000_000
    seconds: float = 10.0


DEFAULT = Limits()


class Budget:
    """Counts down while a question is answered."""

    def __init__(self, limits: Limits = DEFAULT, clock: Clock = SYSTEM) -> None:
        self.limits = limits
        self._clock = clock
        self._end = clock.monotonic() + limits.seconds
        self._looks = 0

    def spend(self, looks: int = STEP) -> None:
        """So many more were looked at; QueryError where that is too many or the time is up."""
        self._looks += looks
        if self._looks > self.limits.looks:
            raise QueryError(
                f"run query: looks at more than {self.limits.looks} entities",
                hint="narrow it by kind, place or time",
            )
        if self._clock.monotonic() > self._end:
            raise QueryError(
                f"run query: query takes longer than {self.limits.seconds:g} s",
                hint="narrow it by kind, place or time",
            )

    def hold(self, entities: int) -> None:
        """So many are in the answer; QueryError where that is too many."""
        if entities > self.limits.entities:
            raise QueryError(
                f"run query: answers with more than {self.limits.entities} entities",
                hint="narrow it or add LIMIT",
            )
