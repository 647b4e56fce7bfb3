"""Who publishes where only the projector may create waits until it has: nothing is acknowledged, nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

from dsmil.config.streams import Streams
from dsmil.errors import Unavailable
from dsmil.events.enums import StreamName
from dsmil.fabric.checkpoint import Checkpoint
from dsmil.fabric.consumer import Consumer
from dsmil.fabric.entry import Entry, Output
from dsmil.fabric.loss import LOSS_KEY
from dsmil.fabric.pressure import EPOCH_KEY, Gate, StreamUnmade
from dsmil.fabric.wire import Wire

from .conftest import Summing, cut_up, events, step_until_away, until_idle

IN, GRAPH = StreamName.L3_IN, StreamName.GRAPH_EVENTS
Publish = Callable[[Sequence[bytes]], None]


class Telling(Summing):
    """Says each entry on GRAPH_EVENTS too."""

    def __call__(self, entries: Sequence[Entry]) -> list[Output]:
        made = super().__call__(entries)
        return [*made, *(Output(GRAPH, one.data) for one in made)]


def make(client: redis.Redis, epoch: str = "one") -> None:
    """What the projector does."""
    pipe = client.pipeline(transaction=True)
    pipe.xgroup_create(GRAPH.value, "projector", id="0", mkstream=True)
    pipe.set(EPOCH_KEY, epoch)
    pipe.execute()


def consumer_on(wire: Wire, **more: Any) -> Consumer:
    return Consumer(wire, group="l3", streams=[IN], handler=Telling(), waits_for=[GRAPH], **more)


def waits(consumer: Consumer, steps: int = 5) -> None:
    for _ in range(steps):
        with pytest.raises(StreamUnmade, match="projector has not made it"):
            consumer.step(0.01)


def told(client: redis.Redis) -> list[str]:
    rows: Any = client.xrange(GRAPH.value)
    return [msgspec.json.decode(fields[b"event"])["event_id"] for _, fields in rows]


def wanted(count: int, start: int = 0) -> list[str]:
    return [f"sum-e{number:08d}" for number in range(start, start + count)]


def losses(client: redis.Redis) -> list[str]:
    rows: Any = client.lrange(LOSS_KEY, 0, -1)
    return [msgspec.json.decode(row)["kind"] for row in rows]


def test_without_the_epoch_nothing_is_acknowledged_and_with_it_all_goes_on(
    wire: Wire, client: redis.Redis, publish: Publish
) -> None:
    publish(events(50))
    consumer = consumer_on(wire, batch=10)
    waits(consumer)
    assert consumer.stats()["waiting_on"] == "GRAPH_EVENTS" and consumer.stats()["outages"] == 0
    assert client.xpending(IN.value, "l3")["pending"] == 0 and consumer.stats()["processed"] == 0
    assert client.exists(GRAPH.value, "L3_OUT") == 0
    make(client)
    until_idle(consumer)
    assert told(client) == wanted(50) and consumer.stats()["waiting_on"] == ""
    assert client.xpending(IN.value, "l3")["pending"] == 0 and losses(client) == []
    assert [one[0] for one in client.xrange(GRAPH.value, count=2)] == [b"0-1", b"0-2"]


@pytest.mark.parametrize("half", ["stream", "epoch"])
def test_half_of_what_the_projector_makes_is_not_enough(wire: Wire, client: redis.Redis, half: str) -> None:
    if half == "stream":
        client.xgroup_create(GRAPH.value, "projector", id="0", mkstream=True)
    else:
        client.set(EPOCH_KEY, "one")
    waits(consumer_on(wire))


def test_it_recovers_from_flushall_and_says_what_that_cost(
    wire: Wire, client: redis.Redis, publish: Publish, tmp_path: Path
) -> None:
    publish(events(20))
    make(client)
    consumer = consumer_on(wire, batch=10, checkpoint=Checkpoint(tmp_path / "state", every_s=0.0))
    until_idle(consumer)
    client.flushall()
    publish(events(20, 20))
    with pytest.raises(StreamUnmade):
        step_until_away(consumer)
    waits(consumer)
    assert client.exists(GRAPH.value) == 0
    make(client, "two")
    until_idle(consumer)
    assert told(client) == wanted(20, 20)
    assert client.xpending(IN.value, "l3")["pending"] == 0
    assert "output_unrouted" not in losses(client) and "stream_replaced" in losses(client)


def test_what_went_nowhere_is_a_loss_and_the_next_batch_waits(
    wire: Wire, client: redis.Redis, publish: Publish
) -> None:
    make(client)
    publish(events(10))
    consumer = consumer_on(wire, batch=10)
    until_idle(consumer)
    client.delete(GRAPH.value)
    publish(events(10, 10))
    with pytest.raises(StreamUnmade):
        step_until_away(consumer)
    assert losses(client) == ["output_unrouted"] * 10 and consumer.stats()["unrouted"] == 10
    publish(events(10, 20))
    waits(consumer)
    make(client, "two")
    until_idle(consumer)
    assert told(client) == wanted(10, 20)


def test_a_commit_of_unknown_outcome_is_sent_again_only_once_the_stream_is_there(
    wire: Wire, client: redis.Redis, publish: Publish
) -> None:
    """The connection is cut just before the commit; meanwhile the stream goes away."""
    make(client)
    publish(events(10))
    cuts = [1]

    def cut(_: Entry) -> None:
        if cuts and wire._socket is not None:
            wire._socket.shutdown(cuts.pop())

    consumer = Consumer(wire, group="l3", streams=[IN], handler=Telling(cut), waits_for=[GRAPH])
    with pytest.raises(Unavailable):
        step_until_away(consumer)
    client.delete(GRAPH.value, EPOCH_KEY)
    waits(consumer)
    assert client.xpending(IN.value, "l3")["pending"] == 10
    make(client, "two")
    until_idle(consumer)
    assert told(client) == wanted(10) and losses(client) == []


def test_lost_replies_neither_lose_nor_double_what_is_told(
    wire: Wire, client: redis.Redis, publish: Publish
) -> None:
    make(client)
    publish(events(300))
    consumer = consumer_on(wire, batch=10)
    cut_up(consumer, wire, 300)
    until_idle(consumer)
    assert told(client) == wanted(300)


def test_draining_while_it_waits_leaves_everything_pending(
    wire: Wire, client: redis.Redis, publish: Publish
) -> None:
    publish(events(10))
    consumer = consumer_on(wire)
    waits(consumer)
    consumer.drain()
    assert client.exists("L3_OUT") == 0
    make(client)
    until_idle(consumer_on(wire))
    assert told(client) == wanted(10)


def test_at_its_cap_the_graph_holds_its_producers_back(wire: Wire, client: redis.Redis, publish: Publish) -> None:
    make(client)
    publish(events(3000))
    consumer = consumer_on(wire, settings=Streams(cap=1000, batch=100))
    for _ in range(60):
        consumer.step(0.01)
    assert 1000 <= client.xlen(GRAPH.value) <= 1200 and "GRAPH_EVENTS" in str(consumer.stats()["waiting_on"])
    client.xtrim(GRAPH.value, maxlen=0, approximate=False)
    client.xtrim("L3_OUT", maxlen=0, approximate=False)
    for _ in range(3):
        consumer.step(0.01)
    assert client.xlen(GRAPH.value) > 0


def test_a_gate_that_waits_for_nothing_asks_nothing(wire: Wire, client: redis.Redis) -> None:
    gate = Gate()
    calls = client.info("stats")["total_commands_processed"]
    gate.doubt()
    assert gate.look(wire) and not gate.full
    assert client.info("stats")["total_commands_processed"] - calls == 1  # the second INFO's own count
