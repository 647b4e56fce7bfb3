"""Publishing from outside: encoded events onto one stream, at its pace.

A batch is one transaction: all of it is added, or nothing. Where the reply is lost nobody knows, so the caller
sends the same batch again and readers drop what they have seen, by event id.

While the disk syncs, a Redis that appends each second holds back what it has acknowledged, and killed then it
loses that. So the youngest batches are kept until they must be written, and sent again where they are gone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

from msgspec import Struct

from dsmil.clock import SYSTEM, Clock
from dsmil.errors import Unavailable
from dsmil.events.enums import StreamName
from dsmil.fabric.frame import xadds
from dsmil.fabric.pressure import SLICE_S, Gate, StreamFull
from dsmil.fabric.topology import cap_of
from dsmil.fabric.wire import EXEC, MULTI, Wire, checked, outcome, pack

PUBLISH_MAX = 1_000
"""Events in one transaction: Redis serves nobody else meanwhile, about 3 ms."""


YOUNG_S = 3.0
"""Redis holds back for two seconds at most (redis.conf, appendfsync)."""
YOUNG_MAX = 50_000
"""Events kept, some 20 MB: more than come in that time from sensors."""


class Young(Struct, frozen=True):
    """A batch that Redis has acknowledged at `at` (monotonic seconds), under this last id."""

    at: float
    last_id: bytes
    batch: Sequence[bytes]


class Publisher:
    """Writes to one stream. `published` counts events, `waits` the looks at a full stream, `mended` what was sent
    again because Redis had lost it."""

    def __init__(self, wire: Wire, stream: StreamName, *, cap: int | None = None, clock: Clock = SYSTEM) -> None:
        self._wire = wire
        self._clock = clock
        self._young: deque[Young] = deque()
        self._young_count = 0
        self._carrier = 0
        self.mended = 0
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
        self.settle()
        for start in range(0, len(encoded), PUBLISH_MAX):
            self._make_room(wait)
            self._add(encoded[start : start + PUBLISH_MAX])

    def settle(self) -> None:
        """See that what was added lately is still there; call it now and then while nothing is published.
        Unavailable: Redis is away; call again."""
        if not self._young:
            return
        if not self._wire.connected or self._wire.connections != self._carrier:
            self._mend()
        elif (now := self._clock.monotonic()) - self._young[0].at >= YOUNG_S:
            self._wire.call("PING")  # the server that took it lives, so it has written it by now
            self._forget(now - YOUNG_S)

    def _mend(self) -> None:
        """The connection is another: maybe the server is. What it does not know any more is added again."""
        young, self._young, self._young_count = self._young, deque(), 0
        try:
            found = self._wire.pipeline(
                [("XRANGE", self.stream.value, one.last_id, one.last_id) for one in young]
            )
            self._carrier = self._wire.connections
            for reply in found:
                one = young[0]
                if checked(reply):
                    self._keep(one)
                else:
                    self._add(one.batch)
                    self.mended += len(one.batch)
                young.popleft()
        finally:
            for one in young:
                self._keep(one)
            self._carrier = 0 if young else self._carrier

    def _keep(self, one: Young) -> None:
        self._young.append(one)
        self._young_count += len(one.batch)
        while self._young_count > YOUNG_MAX and len(self._young) > 1:
            self._young_count -= len(self._young.popleft().batch)

    def _forget(self, before: float) -> None:
        while self._young and self._young[0].at <= before:
            self._young_count -= len(self._young.popleft().batch)

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
        now, self._carrier = self._clock.monotonic(), self._wire.connections
        self._forget(now - YOUNG_S)
        self._keep(Young(now, cast(bytes, answers[-2]), encoded))
