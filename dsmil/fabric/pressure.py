"""Backpressure: a stream at its cap slows whoever writes to it.

Every transaction that adds entries also asks for the stream's length, so knowing costs no round trip. Two
producers may overshoot the cap by one batch each; nobody ever drops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dsmil.errors import Unavailable
from dsmil.events.enums import StreamName
from dsmil.fabric.topology import CREATED_BY_PROJECTOR, cap_of
from dsmil.fabric.wire import Wire

SLICE_S = 0.05
"""Between two looks at a full stream; the janitor makes room in strides of seconds."""
NEVER_GATED = CREATED_BY_PROJECTOR | {StreamName.DEAD_LETTER}
"""Burying must always be possible: what cannot be buried would block its stream for ever."""


class StreamFull(Unavailable):
    """A stream is at its cap: its readers or the janitor must catch up first."""


class Gate:
    """Remembers stream lengths and says which streams are full."""

    def __init__(self, cap: Callable[[StreamName], int] = cap_of) -> None:
        self._cap = cap
        self._full: dict[StreamName, int] = {}

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
        """The streams at their cap when last seen."""
        return tuple(self._full)

    def look(self, wire: Wire, streams: Iterable[StreamName] = ()) -> bool:
        """Ask Redis again about the full streams and `streams`; true where there is room in all."""
        for stream in {*self._full, *streams}:
            self.note(stream, wire.call("XLEN", stream.value))
        return not self._full
