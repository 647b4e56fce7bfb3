"""Redis dies at every possible moment of a consumer with memory: its outputs are those of an undisturbed one.

The moment is counted in batches or in writes, so nothing is left to chance. Where Redis also loses what it had
acknowledged - it may, killed while the disk syncs - the end of its append-only file is cut off before it starts
again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import redis

from dsmil.clock import SYSTEM, Clock
from dsmil.errors import Unavailable
from dsmil.events.enums import StreamName
from dsmil.events.envelope import decode
from dsmil.fabric.checkpoint import Checkpoint
from dsmil.fabric.consumer import Consumer
from dsmil.fabric.entry import Entry, Output
from dsmil.fabric.private import PrivateRedis
from dsmil.fabric.publisher import Publisher
from dsmil.fabric.wire import Wire

pytestmark = pytest.mark.live
MANY, BATCH = 60, 10
STEPS_MAX = 400
WRITES_MAX = 40
WRITES_EVERY = 3
"""Each third write is tried of those before, each of those after: together they are a few seconds."""


class Server(PrivateRedis):
    """One that writes before it answers and never syncs, so its file tells exactly what it has acknowledged."""

    def start(self) -> None:
        super().start()
        with self.client() as client:
            client.config_set("appendfsync", "no")

    def client(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket), protocol=2)

    @property
    def written(self) -> int:
        return self._file.stat().st_size

    def restart(self, *, keep: int | None = None) -> None:
        """Die and come back, with the first `keep` bytes of the file only."""
        self.kill()
        if keep is not None:
            with self._file.open("r+b") as file:
                file.truncate(keep)
        self.start()

    @property
    def _file(self) -> Path:
        return next((self.directory / "redis" / "appendonlydir").glob("*.incr.aof"))


class Firsts:
    """Tells of each event once, like a detector: what it has seen before is no news. `disturb` is called when it
    has handled a batch, before anybody knows of it."""

    def __init__(self, disturb: Callable[[int], None] = lambda _: None) -> None:
        self._seen: set[str] = set()
        self._batches = 0
        self._disturb = disturb

    def __call__(self, entries: Sequence[Entry]) -> list[Output]:
        fresh = [entry for entry in entries if entry.event.event_id not in self._seen]
        self._seen.update(entry.event.event_id for entry in entries)
        self._batches += 1
        self._disturb(self._batches)
        return [
            Output(StreamName.L3_OUT, entry.data.replace(b'"traffic', b'"told-traffic', 1)) for entry in fresh
        ]

    def dump(self) -> bytes:
        return "\n".join(sorted(self._seen)).encode()

    def restore(self, state: bytes) -> None:
        self._seen = set(state.decode().split())

    def reset(self) -> None:
        self._seen = set()


class Cut(Wire):
    """A wire whose server dies at a certain write, before (`early`) or after it has taken it."""

    def __init__(self, server: Server, *, at: int, early: bool) -> None:
        super().__init__(server.url, name="cut")
        self._server, self._at, self._early = server, at, early
        self.writes = 0

    def send(self, packed: bytes) -> None:
        self.writes += 1
        dies = self.writes == self._at
        if dies and self._early:
            self._server.restart()
        super().send(packed)
        if dies and not self._early:
            with self._server.client() as other:
                other.ping()  # what came before this is done before it is answered
            self._server.restart()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "r") as made:
        yield made


@pytest.fixture
def events(jumps: Any) -> list[bytes]:
    return list(jumps(MANY)[:MANY])


def consumer_of(
    wire: Wire, place: Path, handler: Firsts, *, every_s: float = 0.02, clock: Clock = SYSTEM
) -> Consumer:
    return Consumer(
        wire, group="l3", streams=[StreamName.L3_IN], handler=handler, batch=BATCH, clock=clock,
        checkpoint=Checkpoint(place / "c.ckpt", every_s=every_s),
    )  # fmt: skip


def told(server: Server) -> list[str]:
    with server.client() as client:
        rows: Any = client.xrange("L3_OUT")
    return sorted({decode(fields[b"event"]).event_id for _, fields in rows})


def wanted(events: Sequence[bytes]) -> list[str]:
    return sorted(f"told-{decode(data).event_id}" for data in events)


def finish(server: Server, consumer: Consumer) -> None:
    """Go on until the group has acknowledged all there is."""
    for _ in range(STEPS_MAX):
        try:
            consumer.step(0.01)
        except Unavailable:
            continue
        with server.client() as client:
            group: Any = client.xinfo_groups("L3_IN")
            last: Any = client.xinfo_stream("L3_IN")["last-generated-id"]
            if group and not group[0]["pending"] and group[0]["last-delivered-id"] == last:
                return
    raise AssertionError("it does not come to an end")


def fill(server: Server, events: Sequence[bytes]) -> None:
    with server.client() as client, client.pipeline() as pipe:
        for data in events:
            pipe.xadd("L3_IN", {"event": data})
        pipe.execute()


@pytest.mark.parametrize("batch", [1, 2, 3, 6])
def test_redis_dies_while_a_batch_is_handled(
    server: Server, tmp_path: Path, events: list[bytes], batch: int
) -> None:
    fill(server, events)
    handler = Firsts(lambda number: server.restart() if number == batch else None)
    finish(server, consumer_of(Wire(server.url), tmp_path, handler))
    assert told(server) == wanted(events)


@pytest.mark.parametrize("early", [True, False])
def test_redis_dies_at_each_write(tmp_path: Path, events: list[bytes], early: bool) -> None:
    writes = 1
    for at in range(1 if early else 2, WRITES_MAX, WRITES_EVERY if early else 1):
        if at > writes and at > 1:
            break
        with Server(tmp_path / str(at)) as server:
            fill(server, events)
            wire = Cut(server, at=at, early=early)
            finish(server, consumer_of(wire, tmp_path / str(at), Firsts()))
            assert told(server) == wanted(events), f"at write {at}"
            writes = max(writes, wire.writes)


@pytest.mark.parametrize("back", [1, 3, 5])
@pytest.mark.parametrize("saved", [(), (2,), (2, 5), (5,)])
def test_redis_forgets_what_it_acknowledged(
    server: Server, tmp_path: Path, events: list[bytes], clock: Any, back: int, saved: tuple[int, ...]
) -> None:
    """Up to three of six batches, in the stream and out of it; checkpoints were taken after the batches `saved`,
    so the newest may be of what is lost."""
    publisher = Publisher(Wire(server.url), StreamName.L3_IN)
    consumer = consumer_of(Wire(server.url), tmp_path, Firsts(), every_s=5.0, clock=clock)
    sizes = [server.written]
    for number, start in enumerate(range(0, MANY, BATCH), 1):
        publisher.publish(events[start : start + BATCH])
        sizes.append(server.written)
        for _ in range(3):  # recover, replay, handle
            consumer.step(0.01)
        clock.advance(6.0 if number in saved else 0.0)
        consumer.step(0.01)
        sizes.append(server.written)
    server.restart(keep=sizes[-1 - back])
    until_settled(publisher)
    finish(server, consumer)
    assert publisher.mended == back // 2 * BATCH
    assert told(server) == wanted(events)


def test_redis_forgets_while_nobody_publishes(server: Server, events: list[bytes]) -> None:
    """A file that is through: its daemon has nothing more to say, yet looks after what it said."""
    publisher = Publisher(Wire(server.url), StreamName.L3_IN)
    publisher.publish(events[:BATCH])
    kept = server.written
    publisher.publish(events[BATCH:])
    server.restart(keep=kept)
    until_settled(publisher)
    with server.client() as client:
        rows: Any = client.xrange("L3_IN")
    assert [fields[b"event"] for _, fields in rows] == events
    assert publisher.mended == MANY - BATCH


def until_settled(publisher: Publisher) -> None:
    """As an idle daemon does: it meets the dead connection by and by."""
    for _ in range(3):
        try:
            publisher._wire.call("PING")
            publisher.settle()
        except Unavailable:
            continue
