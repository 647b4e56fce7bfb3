"""Backpressure: a stream at its cap, or one that is not made yet, holds back whoever writes to it.

Every transaction that adds entries also asks for the stream's length, so knowing costs no round trip. Two
producers may overshoot the cap by one batch each; nobody ever drops.

A stream that only its owner makes (GRAPH_EVENTS) must be seen to be there before a transaction names it: in one, an
entry for a missing stream is left out, and the acknowledgement beside it carried out all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from dsmil.errors import Unavailable
from dsmil.events.enums import StreamName
from dsmil.fabric.topology import cap_of
from dsmil.fabric.wire import Wire

SLICE_S = 0.05
"""Between two looks at a full stream; the janitor makes room in strides of seconds."""
NEVER_GATED = frozenset({StreamName.DEAD_LETTER})
"""Burying must always be possible: what cannot be buried would block its stream for ever."""
EPOCH_KEY = "dsmil:epoch"
"""Set by the projector in the transaction that makes its stream: whoever publishes there waits for it."""


class StreamFull(Unavailable):
    """A stream is at its cap: its readers or the janitor must catch up first."""


class StreamUnmade(Unavailable):
    """A stream is not there, and only its owner may make it. Redis is: nothing on its way is in doubt."""


class Gate:
    """Remembers stream lengths and says which streams are full. Of `waits_for`, which others make, it says too
    whether they are known to be there."""

    def __init__(self, cap: Callable[[StreamName], int] = cap_of, waits_for: Sequence[StreamName] = ()) -> None:
        self._cap = cap
        self._waits_for = tuple(waits_for)
        self._full: dict[StreamName, int] = {}
        self.unmade = self._waits_for

    def note(self, stream: StreamName, length: object) -> None:
        """A stream was seen to hold `length` entries."""
        if stream in NEVER_GATED or not isinstance(length, int):
            return
        if length >= self._cap(stream):
            self._full[stream] = length
        else:
            self._full.pop(stream, None)

    @property
    def full(self) -> tuple[StreamName, ...]:
        """The streams at their cap when last seen, and those not known to be there."""
        return (*self._full, *self.unmade)

    def doubt(self) -> None:
        """The server may be another, or emptied: what others make must be looked for again."""
        self.unmade = self._waits_for

    def look_for_unmade(self, wire: Wire) -> None:
        """Ask Redis for the streams others make; StreamUnmade where one is not there."""
        if not self.unmade:
            return
        names = [stream.value for stream in self.unmade]
        if wire.call("EXISTS", EPOCH_KEY, *names) != 1 + len(names):
            raise StreamUnmade(
                f"publish to {', '.join(names)}: the projector has not made it yet",
                hint="start dsmil-projector, or set graph = false for who publishes there",
            )
        self.unmade = ()

    def look(self, wire: Wire, streams: Iterable[StreamName] = ()) -> bool:
        """Ask Redis again about the full streams and `streams`; true where there is room in all. StreamUnmade where
        one that others make is not there."""
        self.look_for_unmade(wire)
        for stream in {*self._full, *streams}:
            self.note(stream, wire.call("XLEN", stream.value))
        return not self._full
