"""Redis dies at every possible moment of a consumer with memory: its outputs are those of an undisturbed one.

A proxy would cut connections as well; here the server itself is killed and started again, at a moment counted in
handled batches or in commands, so nothing is left to chance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import redis

from dsmil.errors import Unavailable
from dsmil.events.enums import StreamName
from dsmil.events.envelope import decode, encode
from dsmil.fabric.checkpoint import Checkpoint
from dsmil.fabric.consumer import Consumer
from dsmil.fabric.entry import Entry, Output
from dsmil.fabric.private import PrivateRedis
from dsmil.fabric.wire import Wire

pytestmark = pytest.mark.live
MANY, BATCH = 60, 10
STEPS_MAX = 400


class Firsts:
    """Tells of each event once, like a detector: what it has seen before is no news. `disturb` is called when it
    has handled a batch, before anybody knows of it."""

    def __init__(self, disturb: Callable[[int], None]) -> None:
        self._seen: set[str] = set()
        self._batches = 0
        self._disturb = disturb

    def __call__(self, entries: Sequence[Entry]) -> list[Output]:
        fresh = [entry for entry in entries if entry.event.event_id not in self._seen]
        self._seen.update(entry.event.event_id for entry in entries)
        self._batches += 1
        self._disturb(self._batches)
        return [
            Output(StreamName.L3_OUT, entry.data.replace(b'"event_id":"', b'"event_id":"told-'))
            for entry in fresh
        ]

    def dump(self) -> bytes:
        return "\n".join(sorted(self._seen)).encode()

    def restore(self, state: bytes) -> None:
        self._seen = set(state.decode().split())

    def reset(self) -> None:
        self._seen = set()


class Cut(Wire):
    """A wire whose server dies after so many writes, before (`early`) or after Redis has taken the write."""

    def __init__(self, server: PrivateRedis, *, at: int, early: bool) -> None:
        super().__init__(server.url, name="cut")
        self._server, self._at, self._early = server, at, early
        self.writes = 0

    def send(self, packed: bytes) -> None:
        self.writes += 1
        dies = self.writes == self._at
        if dies and self._early:
            restart(self._server)
        super().send(packed)
        if dies and not self._early:
            # Whatever the server makes of it, it makes before it answers somebody else.
            with redis.Redis(unix_socket_path=str(self._server.socket)) as other:
                other.ping()
            restart(self._server)


def restart(server: PrivateRedis) -> None:
    server.kill()
    server.start()


def run(place: Path, server: PrivateRedis, wire: Wire, disturb: Callable[[int], None], events: Any) -> list[str]:
    """The ids a consumer publishes until it has acknowledged all."""
    with redis.Redis(unix_socket_path=str(server.socket)) as client:
        pipe = client.pipeline()
        for data in events:
            pipe.xadd("L3_IN", {"event": data})
        pipe.execute()
    consumer = Consumer(
        wire, group="l3", streams=[StreamName.L3_IN], handler=Firsts(disturb), batch=BATCH,
        checkpoint=Checkpoint(place / "c.ckpt", every_s=0.02),
    )  # fmt: skip
    for _ in range(STEPS_MAX):
        try:
            consumer.step(0.01)
        except Unavailable:
            continue
        with redis.Redis(unix_socket_path=str(server.socket)) as client:
            group: Any = client.xinfo_groups("L3_IN")
            if group and not group[0]["pending"] and group[0]["entries-read"] == len(events):
                break
    consumer.drain()
    with redis.Redis(unix_socket_path=str(server.socket)) as client:
        rows: Any = client.xrange("L3_OUT")
        return [decode(fields[b"event"]).event_id for _, fields in rows]


@pytest.fixture
def server(tmp_path: Path) -> Any:
    with PrivateRedis(tmp_path / "r") as made:
        yield made


def wanted(events: Sequence[bytes]) -> list[str]:
    return [f"told-{decode(data).event_id}" for data in events]


@pytest.mark.parametrize("batch", [1, 2, 3, 6])
def test_redis_dies_while_a_batch_is_handled(
    server: PrivateRedis, tmp_path: Path, jumps: Any, batch: int
) -> None:
    events = [encode(decode(data)) for data in jumps(MANY, reports=7)[:MANY]]

    def disturb(number: int) -> None:
        if number == batch:
            restart(server)

    got = run(tmp_path, server, Wire(server.url, name="l3"), disturb, events)
    assert sorted(got) == sorted(wanted(events))


@pytest.mark.parametrize("early", [True, False])
def test_redis_dies_at_each_write(tmp_path: Path, jumps: Any, early: bool) -> None:
    events = jumps(MANY, reports=7)[:MANY]
    at, writes, bad = 1, 1, {}
    while at <= writes:
        place = tmp_path / str(at)
        with PrivateRedis(place) as server:
            wire = Cut(server, at=at, early=early)
            got = run(place, server, wire, lambda _: None, events)
            writes = min(wire.writes, 40)
        if sorted(set(got)) != sorted(wanted(events)):
            bad[at] = (len(got), len(set(got)))
        at += 1
    assert not bad
