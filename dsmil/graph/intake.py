"""How entries of GRAPH_EVENTS get into a graph: each event once, whatever number it comes under.

Delivery is at least once: a producer whose answer was lost says it again, and a Redis that lost its end hands out
numbers it has handed out before. So the ids of the events folded in last are kept beside the graph; together they are
what a snapshot holds, and every process that folds the same stream leaves out the same repeats.
"""

from __future__ import annotations

from itertools import islice

from dsmil.errors import BadEvent
from dsmil.events.envelope import Event, decode
from dsmil.graph.fold import fold, pass_over
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.state import rewind

RECENT_MIN = 10_000
"""Ids kept at least, about 2 MB: Redis loses no more than two seconds, and who repeats does so at once."""


class Intake:
    """A graph and the ids of the events it took last (`recent`: id to number, oldest first)."""

    def __init__(self, graph: Hypergraph | None = None, recent: dict[str, int] | None = None) -> None:
        self.graph = graph or Hypergraph()
        self.recent = recent if recent is not None else {}
        self.repeats = 0
        self._last = next(reversed(self.recent.items()), ("", 0))

    @property
    def last(self) -> tuple[str, int]:
        """Id and number of the event taken last; empty and 0 before the first."""
        return self._last

    def take(self, sequence: int, event: Event) -> bool:
        """Fold in the next entry; false where it says nothing new: its number, or its event, was had before."""
        graph = self.graph
        if sequence <= graph.sequence:
            return False
        if event.event_id in self.recent:
            self.repeats += 1
            pass_over(graph, sequence, event.ingest_ts)
            return False
        self._note(event.event_id, sequence)
        return fold(graph, sequence, event)

    def take_raw(self, sequence: int, data: bytes) -> bool:
        """`take` of an entry as it stands in the stream; what is no event spends its number."""
        if sequence <= self.graph.sequence:
            return False
        try:
            event = decode(data)
        except BadEvent:
            self.graph.refused += 1
            pass_over(self.graph, sequence, self.graph.ts)
            return False
        return self.take(sequence, event)

    def absorb(self, sequence: int, event: Event) -> bool:
        """`take` of an entry of the past, where numbers may have been handed out twice: an event that is new under a
        number that is not lets the numbers go back."""
        if event.event_id in self.recent:
            return False
        if sequence <= self.graph.sequence:
            rewind(self.graph, sequence - 1)
        return self.take(sequence, event)

    def skip_to(self, sequence: int) -> None:
        """Go on to a number below which nothing is left to come."""
        if sequence > self.graph.sequence:
            pass_over(self.graph, sequence, self.graph.ts)

    def _note(self, event_id: str, sequence: int) -> None:
        recent = self.recent
        recent[event_id] = sequence
        self._last = (event_id, sequence)
        if len(recent) > 2 * RECENT_MIN:
            self.recent = dict(islice(recent.items(), RECENT_MIN, None))
