"""What the fabric's tests share: events, wires and clients on the private Redis of the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
import redis

from dsmil.errors import Unavailable
from dsmil.events.enums import Category, StreamName
from dsmil.events.envelope import Event, encode, pack
from dsmil.fabric.client import connect
from dsmil.fabric.consumer import Consumer
from dsmil.fabric.entry import Entry, Output
from dsmil.fabric.publisher import Publisher
from dsmil.fabric.wire import Wire


def event(number: int, **more: object) -> Event:
    fields: dict[str, object] = {
        "event_id": f"e{number:08d}",
        "ts": 1_700_000_000.0 + number,
        "ingest_ts": 1_700_000_000.0 + number,
        "source_device": 11,
        "source_layer": 0,
        "source": "test",
        "source_seq": number,
        "category": Category.INTEL,
        "kind": "test.kind",
        "payload": pack({"n": number}),
        **more,
    }
    return Event(**fields)  # type: ignore[arg-type]


def events(count: int, start: int = 0) -> list[bytes]:
    return [encode(event(number)) for number in range(start, start + count)]


class Echo:
    """Passes each event on to L3_OUT and remembers the order it saw; refuses the ids it is told to."""

    def __init__(self, refuse: Callable[[Entry], Exception | None] = lambda _: None) -> None:
        self.seen: list[str] = []
        self.batches: list[int] = []
        self._refuse = refuse

    def __call__(self, entries: Sequence[Entry]) -> list[Output]:
        self.batches.append(len(entries))
        for entry in entries:
            if (error := self._refuse(entry)) is not None:
                raise error
        self.seen += [entry.event.event_id for entry in entries]
        return [Output(StreamName.L3_OUT, entry.data) for entry in entries]


class Summing:
    """A handler with memory: each output tells the running sum, so any wrong state shows."""

    def __init__(self, refuse: Callable[[Entry], Exception | None] = lambda _: None) -> None:
        self.total = 0
        self._refuse = refuse

    def __call__(self, entries: Sequence[Entry]) -> list[Output]:
        outputs = []
        for entry in entries:
            self.total = self.total * 31 % 1_000_003 + entry.event.source_seq
            if (error := self._refuse(entry)) is not None:
                raise error
            made = event(
                entry.event.source_seq, event_id=f"sum-{entry.event.event_id}", source=f"sum:{self.total}"
            )
            outputs.append(Output(StreamName.L3_OUT, encode(made)))
        return outputs

    def dump(self) -> bytes:
        return str(self.total).encode()

    def restore(self, state: bytes) -> None:
        self.total = int(state)

    def reset(self) -> None:
        self.total = 0


def sums(numbers: Sequence[int]) -> list[str]:
    """The sources `Summing` gives for `numbers` when nothing disturbs it."""
    total, out = 0, []
    for number in numbers:
        total = total * 31 % 1_000_003 + number
        out.append(f"sum:{total}")
    return out


def until_idle(consumer: Consumer, *, steps: int = 400) -> int:
    """Step until eight steps in a row change nothing; says how many entries were handled."""
    done = idle = 0
    before: dict[str, object] = {}
    for _ in range(steps):
        done += consumer.step(0.02)
        now = {**consumer.stats(), "lag_s": 0}
        idle = idle + 1 if now == before and not now["retrying"] else 0
        before = now
        if idle >= 8:
            return done
    raise AssertionError("the consumer does not come to rest")


def step_until_away(consumer: Consumer) -> None:
    """Step until Redis, or the handler, is found to be away."""
    for _ in range(1000):
        consumer.step(0.01)


def cut_up(consumer: Consumer, wire: Wire, count: int) -> None:
    """Handle `count` entries while the connection is cut at every third step, now on the sending side (nothing
    arrives) and now on the receiving side (carried out, but the reply is lost)."""
    for turn in range(20 * count):
        try:
            consumer.step(0.01)
            if consumer.stats()["processed"] >= count:
                return
            if turn % 3 == 0 and wire._socket is not None:
                wire._socket.shutdown(turn % 2)
        except Unavailable:
            continue
    raise AssertionError("no end")


@pytest.fixture
def url(redis_socket: str) -> str:
    return f"unix://{redis_socket}"


@pytest.fixture
def wire(url: str) -> Iterator[Wire]:
    wire = Wire(url, name="test")
    yield wire
    wire.close()


@pytest.fixture
def client(url: str) -> Iterator[redis.Redis]:
    with connect(url, "test") as client:
        yield client


@pytest.fixture
def publish(url: str) -> Iterator[Callable[[Sequence[bytes]], None]]:
    wire = Wire(url, name="publish")
    publishers: dict[StreamName, Publisher] = {}

    def add(encoded: Sequence[bytes], stream: StreamName = StreamName.L3_IN) -> None:
        publishers.setdefault(stream, Publisher(wire, stream)).publish(encoded)

    yield add
    wire.close()
