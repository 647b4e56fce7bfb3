"""Publishing from outside: encoded events onto one stream, at its pace.

A batch is one transaction: all of it is added, or nothing. Where the reply is lost nobody knows, so the caller
sends the same batch again and readers drop what they have seen, by event id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dsmil.errors import Unavailable
from dsmil.events.enums import StreamName
from dsmil.fabric.frame import xadds
from dsmil.fabric.pressure import SLICE_S, Gate, StreamFull
from dsmil.fabric.topology import cap_of
from dsmil.fabric.wire import EXEC, MULTI, Wire, checked, outcome, pack

PUBLISH_MAX = 1_000
"""Events in one transaction: Redis serves nobody else meanwhile, about 3 ms."""


class Publisher:
    """Writes to one stream. `published` counts events, `waits` the looks at a full stream."""

    def __init__(self, wire: Wire, stream: StreamName, *, cap: int | None = None) -> None:
        self._wire = wire
        self.stream = stream
        limit = cap if cap is not None else cap_of(stream)
        self._gate = Gate(lambda _: limit)
        self._tail = pack(("XLEN", stream.value)) + EXEC
        self._looked = False
        self.published = 0
        self.waits = 0

    def publish(self, encoded: Sequence[bytes], *, wait: Callable[[float], None] | None = None) -> None:
        """Add encoded events in order.

        At the cap, `wait(seconds)` is called until there is room (it may raise to give up); without `wait`
        StreamFull is raised and nothing was added. Unavailable: Redis is away; send the same batch again.
        A sequence of more than 1000 goes in several transactions.
        """
        for start in range(0, len(encoded), PUBLISH_MAX):
            self._make_room(wait)
            self._add(encoded[start : start + PUBLISH_MAX])

    def _make_room(self, wait: Callable[[float], None] | None) -> None:
        if self._looked and not self._gate.full:
            return
        while not self._gate.look(self._wire, (self.stream,)):
            self._looked = True
            self.waits += 1
            if wait is None:
                raise StreamFull(
                    f"publish to {self.stream}: the stream is at its cap",
                    hint="its readers are behind; see `dsmil streams`",
                )
            wait(SLICE_S)
        self._looked = True

    def _add(self, encoded: Sequence[bytes]) -> None:
        stream = self.stream
        self._wire.send(b"".join([MULTI, *xadds((stream, data) for data in encoded), self._tail]))
        answers = outcome(self._wire.receive(2, queued=len(encoded) + 1))
        for answer in answers:
            checked(answer)
        if answers[0] is None:
            raise Unavailable(f"publish to {stream}: its owner has not created it yet")
        self._gate.note(stream, answers[-1])
        self.published += len(encoded)
