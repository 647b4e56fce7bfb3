"""A supervised source: a transport's bytes through a parser and a stamper into the outbox, every record counted.

Nothing is published twice or forgotten between the parser and Redis: what Redis would not take stays in the
outbox, and the loop takes no more bytes until it is out. So a file or a TCP peer waits, and UDP drops and counts.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, Protocol

from msgspec import Struct, field

from dsmil.clock import Clock
from dsmil.events import ids
from dsmil.events.envelope import encode
from dsmil.fabric.deadletter import RejectQuota, reject_event
from dsmil.sensors.record import Item, Observation, Parser, Reason, Reject
from dsmil.sensors.stamp import Origin, Stamper, raw_record
from dsmil.sensors.stats import Counts, Speaker

BATCH_MAX = 512
"""Events in one pipelined write: the best of 128 to 2048 on the fabric, and 8 ms of a parser's time."""
PEERS_MAX = 256
"""Peers of a datagram source with a parser of their own; the one silent for longest gives way."""

Publish = Callable[[Sequence[bytes]], None]
"""Writes encoded events to a stream, or raises Unavailable and is called again with the same ones."""


class Transport(Protocol):
    """Where a live source's bytes come from; never blocks and never raises."""

    error: str | None

    @property
    def ended(self) -> bool:
        """True when nothing will ever come again."""

    @property
    def datagrams(self) -> bool:
        """True where each arrival is whole in itself."""

    @property
    def events_for_write(self) -> bool:
        """True while writability is what to wait for."""

    def fileno(self) -> int | None:
        """The descriptor to wait on, or null while there is none."""

    def due_s(self) -> float | None:
        """Seconds until it wants to be read without any data; null: only when data come."""

    def read(self) -> Iterator[tuple[str, bytes | None]]:
        """(peer, bytes) as they came; null bytes where that peer has ended."""

    def lost(self) -> int:
        """Arrivals lost since last asked."""

    def close(self) -> None:
        """Let go of it."""


class Outbox:
    """Encoded events on their way to L3_IN and DEAD_LETTER, and what is to happen once they are there."""

    def __init__(
        self,
        publish: Publish,
        publish_dead: Publish,
        *,
        batch_max: int = BATCH_MAX,
        settle: Callable[[], None] = lambda: None,
    ) -> None:
        self._settle = settle
        self._publish = publish
        self._publish_dead = publish_dead
        self._batch_max = batch_max
        self._events: list[bytes] = []
        self._dead: list[bytes] = []
        self._after: dict[Hashable, Callable[[], None]] = {}
        self.put = self._events.append
        self.put_dead = self._dead.append
        self.published = 0

    @property
    def waiting(self) -> int:
        """Events not yet out."""
        return len(self._events) + len(self._dead)

    def after(self, key: Hashable, action: Callable[[], None]) -> None:
        """Do `action` once everything put so far is out; a later one of the same key takes its place."""
        self._after[key] = action

    def flush(self) -> int:
        """Publish everything; returns how many events went out. Where it raises, the rest is kept."""
        self._settle()
        before = self.published
        # The lists stay the same objects, because `put` is their own method.
        for waiting, publish in ((self._events, self._publish), (self._dead, self._publish_dead)):
            while waiting:
                part = waiting[: self._batch_max]
                publish(part)
                del waiting[: len(part)]
                self.published += len(part)
        while self._after:
            key = next(iter(self._after))
            self._after[key]()
            del self._after[key]
        return self.published - before


class Kit(Struct, frozen=True, kw_only=True):
    """What all sources of one daemon share."""

    device: int
    clock: Clock
    outbox: Outbox
    speaker: Speaker
    quota: RejectQuota = field(default_factory=RejectQuota)


class Intake:
    """Takes the items of one origin: counts each, stamps observations, buries rejects. Events up to counter
    `resume_seq` were published in an earlier life and are only counted."""

    def __init__(self, origin: Origin, kit: Kit, *, resume_seq: int = 0) -> None:
        self.origin = origin
        self.counts = Counts()
        self.stamper = Stamper(origin)
        self.now_s = kit.clock.now()
        self._kit = kit
        self._put = kit.outbox.put
        self._resume_seq = resume_seq
        self._refused = 0

    @property
    def resuming(self) -> bool:
        """Whether what comes next was published in an earlier life."""
        return self.stamper.seq < self._resume_seq

    def arrived(self) -> None:
        """Bytes have come: what follows was seen now."""
        self.now_s = self.counts.last_data_ts = self._kit.clock.now()

    def take(self, item: Item, peer: str | None = None) -> None:
        """Settle one item."""
        if isinstance(item, Observation):
            made = self.stamper.stamp(item, now_s=self.now_s, peer=peer)
            if isinstance(made, bytes):
                self.counts.add(item)
                if self.stamper.seq > self._resume_seq:
                    self._put(made)
                return
            item = made
        self.counts.add(item)
        if isinstance(item, Reject):
            self._refused += 1
            if self.stamper.seq >= self._resume_seq and self._kit.quota.allows(self.origin.source, self.now_s):
                self._kit.outbox.put_dead(self._buried(item, peer))

    def lost(self, arrivals: int) -> None:
        """`arrivals` came and were lost: counted, and a gap in the counter."""
        self.counts.dropped += arrivals
        self.stamper.skip(arrivals)

    def tell(self, *, ended: bool = False) -> None:
        """Put a `source.stats` event of this origin into the outbox."""
        self._put(self._kit.speaker.tell(self.counts, self.origin, ended=ended))

    def _buried(self, reject: Reject, peer: str | None) -> bytes:
        origin = self.origin
        # The n-th reject of a file is the same whenever it is read, so its dead letter is known again.
        run = origin.sha256 or origin.source
        letter = reject_event(
            event_id=ids.digest("reject", run, origin.epoch, str(self._refused)),
            source=origin.source,
            source_device=origin.device,
            reason=reject.reason.value,
            detail=reject.detail,
            raw=raw_record(origin, reject, peer),
            now=self.now_s,
        )
        return encode(letter)


def guarded(items: Iterator[Item]) -> Iterator[Item]:
    """A parser's items; a fault of the parser itself becomes one reject, because no input may stop a daemon."""
    try:
        yield from items
    except Exception as error:  # noqa: BLE001 - the parser boundary: its own mistakes end here, counted
        # What the parser had not yet told of these bytes is lost with its place among them.
        yield Reject(reason=Reason.BAD_PAYLOAD, detail=f"parser failed: {type(error).__name__}: {error}"[:512])


class LiveSource:
    """A transport, one parser for each of its peers, one intake."""

    def __init__(self, origin: Origin, transport: Transport, parser: Callable[[], Parser], *, kit: Kit) -> None:
        self.transport = transport
        self.intake = Intake(origin, kit)
        self._parser = parser
        self._parsers: OrderedDict[str, Parser] = OrderedDict()

    @property
    def ended(self) -> bool:
        """True when nothing will ever come again."""
        return self.transport.ended

    @property
    def events_for_write(self) -> bool:
        """What the transport waits for."""
        return self.transport.events_for_write

    def fileno(self) -> int | None:
        """What the loop waits on."""
        return self.transport.fileno()

    def due_s(self) -> float | None:
        """When it wants a turn without data."""
        return self.transport.due_s()

    def pump(self) -> int:
        """Take what is there; returns the arrivals."""
        taken = 0
        intake = self.intake
        for peer, data in self.transport.read():
            if taken == 0:
                intake.arrived()
            taken += 1
            self._feed(peer, data)
        if lost := self.transport.lost():
            intake.lost(lost)
        intake.counts.last_error = self.transport.error
        return taken

    def tell(self) -> None:
        """Say how it stands."""
        self.intake.counts.last_error = self.transport.error
        self.intake.tell()

    def shown(self) -> dict[str, Any]:
        """Its row in the daemon's status."""
        counts = self.intake.counts
        return {"error": counts.last_error, "dropped": counts.dropped, "last_data_ts": counts.last_data_ts}

    def close(self) -> None:
        """Settle what the parsers hold and let the transport go."""
        self.transport.close()
        while self._parsers:
            self._end(next(iter(self._parsers)))

    def _feed(self, peer: str, data: bytes | None) -> None:
        if data is None:
            self._end(peer)
            return
        parser = self._parsers.get(peer)
        if parser is None:
            if len(self._parsers) >= PEERS_MAX:
                self._end(next(iter(self._parsers)))
            parser = self._parsers[peer] = self._parser()
        else:
            self._parsers.move_to_end(peer)
        if self.transport.datagrams and data[-1:] != b"\n":
            data += b"\n"  # a datagram ends its last record, whether or not it says so
        for item in guarded(parser.feed(data)):
            self.intake.take(item, peer)

    def _end(self, peer: str) -> None:
        parser = self._parsers.pop(peer, None)
        if parser is not None:
            for item in guarded(parser.close()):
                self.intake.take(item, peer)
