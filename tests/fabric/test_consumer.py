"""A consumer handles every entry once, in order, whatever fails around it."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import redis

from dsmil.clock import FakeClock
from dsmil.config.streams import Streams
from dsmil.errors import BadEvent, Unavailable
from dsmil.events.enums import StreamName
from dsmil.events.envelope import decode, unpack
from dsmil.fabric.consumer import Consumer
from dsmil.fabric.deadletter import DeadLetter
from dsmil.fabric.entry import Entry, Output
from dsmil.fabric.loss import decode_loss
from dsmil.fabric.private import PrivateRedis
from dsmil.fabric.wire import Wire

from .conftest import Echo, cut_up, events, step_until_away, until_idle

IN, OUT, DEAD = StreamName.L3_IN, StreamName.L3_OUT, StreamName.DEAD_LETTER
Publish = Callable[..., None]


def out_ids(client: redis.Redis, stream: StreamName = OUT) -> list[str]:
    return [decode(fields[b"event"]).event_id for _, fields in client.xrange(stream.value)]


def letters(client: redis.Redis) -> list[DeadLetter]:
    return [unpack(decode(fields[b"event"]), DeadLetter) for _, fields in client.xrange(DEAD.value)]


def pending(client: redis.Redis, group: str = "l3", stream: StreamName = IN) -> int:
    return int(client.xpending(stream.value, group)["pending"])


def losses(client: redis.Redis) -> list[str]:
    return [decode_loss(row).kind for row in client.lrange("dsmil:loss", 0, -1)]


def ids(count: int, start: int = 0) -> list[str]:
    return [f"e{number:08d}" for number in range(start, start + count)]


@pytest.mark.parametrize("batch", [1, 7, 100])
def test_every_entry_is_handled_once_in_order(
    wire: Wire, client: redis.Redis, publish: Publish, batch: int
) -> None:
    publish(events(250))
    echo = Echo()
    consumer = Consumer(wire, group="l3", streams=[IN], handler=echo, batch=batch)
    assert until_idle(consumer) == 250
    consumer.drain()
    assert echo.seen == ids(250)
    assert out_ids(client) == ids(250)
    assert pending(client) == 0
    assert consumer.stats()["processed"] == consumer.stats()["published"] == 250


def test_several_streams_are_merged_by_id(wire: Wire, publish: Publish) -> None:
    for number in range(30):
        publish(events(1, number), (IN, StreamName.L4_IN, OUT)[number % 3])
    seen: list[str] = []

    def handler(entries: Sequence[Entry]) -> list[Output]:
        seen.extend(entry.event.event_id for entry in entries)
        return []

    until_idle(Consumer(wire, group="l4", streams=[IN, OUT, StreamName.L4_IN], handler=handler))
    assert sorted(seen) == ids(30)
    assert seen.index("e00000000") < seen.index("e00000003") < seen.index("e00000006")


def test_own_pending_entries_come_before_new_ones(
    url: str, wire: Wire, client: redis.Redis, publish: Publish
) -> None:
    publish(events(10))
    client.xgroup_create(IN.value, "l3", id="0")
    client.xreadgroup("l3", "l3-0", {IN.value: ">"}, count=4)
    publish(events(10, 10))
    echo = Echo()
    until_idle(Consumer(wire, group="l3", streams=[IN], handler=echo, batch=3))
    assert echo.seen == ids(20)


def test_what_is_no_event_is_buried_at_once(wire: Wire, client: redis.Redis, publish: Publish) -> None:
    publish(events(2))
    client.xadd(IN.value, {"event": b"{not json"})
    client.xadd(IN.value, {"other": b"field"})
    publish(events(2, 2))
    echo = Echo()
    until_idle(Consumer(wire, group="l3", streams=[IN], handler=echo))
    assert echo.seen == ids(4)
    assert echo.batches == [4]
    buried = letters(client)
    assert [letter.group for letter in buried] == ["l3", "l3"]
    assert buried[0].text == "{not json"
    assert "no field `event`" in buried[1].error
    assert pending(client) == 0


def test_a_poison_entry_is_bisected_out_and_its_neighbours_handled_once(
    wire: Wire, client: redis.Redis, publish: Publish
) -> None:
    publish(events(64))
    echo = Echo(lambda entry: ValueError("boom") if entry.event.source_seq == 41 else None)
    clock = FakeClock()
    until_idle(Consumer(wire, group="l3", streams=[IN], handler=echo, clock=clock))
    wanted = [name for name in ids(64) if name != "e00000041"]
    assert echo.seen == wanted
    assert out_ids(client) == wanted
    (letter,) = letters(client)
    assert (letter.failures, letter.stream, letter.error) == (5, "L3_IN", "ValueError: boom")
    assert pending(client) == 0
    assert client.hlen("dsmil:fail:l3") == 0


def test_a_bad_event_is_buried_at_its_first_failure(wire: Wire, client: redis.Redis, publish: Publish) -> None:
    publish(events(9))
    echo = Echo(lambda entry: BadEvent("no such kind") if entry.event.source_seq == 0 else None)
    until_idle(Consumer(wire, group="l3", streams=[IN], handler=echo))
    assert [letter.failures for letter in letters(client)] == [1]
    assert echo.seen == ids(8, 1)


def test_an_entry_that_recovers_is_not_buried_and_its_count_forgotten(
    wire: Wire, client: redis.Redis, publish: Publish
) -> None:
    publish(events(3))
    left = [4]

    def sometimes(entry: Entry) -> Exception | None:
        if entry.event.source_seq != 1 or not left[0]:
            return None
        left[0] -= 1
        return RuntimeError("not yet")

    until_idle(Consumer(wire, group="l3", streams=[IN], handler=Echo(sometimes), clock=FakeClock()))
    assert out_ids(client) == ids(3)
    assert not letters(client)
    assert client.hlen("dsmil:fail:l3") == 0


def test_failures_survive_a_restart_and_deliveries_do_not_count(
    url: str, client: redis.Redis, publish: Publish
) -> None:
    publish(events(1))
    for _ in range(4):  # each process fails once, then is replaced
        wire = Wire(url)
        echo = Echo(lambda _: ValueError("boom"))
        consumer = Consumer(wire, group="l3", streams=[IN], handler=echo)
        while not echo.batches:
            consumer.step(0.01)
        wire.close()
        assert not letters(client)
    wire = Wire(url)
    until_idle(Consumer(wire, group="l3", streams=[IN], handler=Echo(lambda _: ValueError("boom"))))
    assert [letter.failures for letter in letters(client)] == [5]


def test_an_entry_that_ends_ten_starts_is_buried_alone(url: str, client: redis.Redis, publish: Publish) -> None:
    publish(events(5))

    class Died(BaseException):
        """Stands for a process that ends without a word."""

    def kill(entry: Entry) -> Exception | None:
        if entry.event.source_seq == 2:
            raise Died
        return None

    seen: list[str] = []
    for _ in range(14):
        echo, wire = Echo(kill), Wire(url)
        try:
            until_idle(Consumer(wire, group="l3", streams=[IN], handler=echo))
        except Died:
            continue
        finally:
            seen += echo.seen
            wire.close()
    assert [letter.id for letter in letters(client)] and "died" in letters(client)[0].error
    assert sorted(seen) == ["e00000000", "e00000001", "e00000003", "e00000004"]
    assert pending(client) == 0


def test_unavailable_of_a_handler_waits_and_counts_nothing(
    wire: Wire, client: redis.Redis, publish: Publish
) -> None:
    publish(events(3))
    away = [True]
    echo = Echo(lambda _: Unavailable("disk is full") if away[0] else None)
    consumer = Consumer(wire, group="l3", streams=[IN], handler=echo)
    for _ in range(12):
        with pytest.raises(Unavailable):
            step_until_away(consumer)
    away[0] = False
    until_idle(consumer)
    assert echo.seen == ids(3)
    assert not letters(client)
    rows = client.hgetall("dsmil:fail:l3")
    assert not rows


def test_entries_of_a_dead_consumer_are_claimed(wire: Wire, client: redis.Redis, publish: Publish) -> None:
    publish(events(6))
    client.xgroup_create(IN.value, "l3", id="0")
    client.xreadgroup("l3", "l3-1", {IN.value: ">"}, count=4)
    client.xclaim(IN.value, "l3", "l3-1", 0, _pending_ids(client), idle=90_000, justid=True)
    echo = Echo()
    consumer = Consumer(wire, group="l3", streams=[IN], handler=echo)
    until_idle(consumer)
    assert sorted(echo.seen) == ids(6)
    assert consumer.stats()["claimed"] == 4
    assert pending(client) == 0


def test_a_busy_neighbour_is_not_claimed_from(wire: Wire, client: redis.Redis, publish: Publish) -> None:
    publish(events(6))
    client.xgroup_create(IN.value, "l3", id="0")
    client.xreadgroup("l3", "l3-1", {IN.value: ">"}, count=4)
    echo = Echo()
    until_idle(Consumer(wire, group="l3", streams=[IN], handler=echo))
    assert echo.seen == ids(2, 4)


def test_a_lost_group_is_made_again_from_the_start_with_a_loss_record(
    wire: Wire, client: redis.Redis, publish: Publish
) -> None:
    publish(events(4))
    echo = Echo()
    consumer = Consumer(wire, group="l3", streams=[IN], handler=echo)
    until_idle(consumer)
    client.xgroup_destroy(IN.value, "l3")
    publish(events(2, 4))
    until_idle(consumer)
    assert echo.seen == ids(4) + ids(6)
    assert losses(client) == ["group_lost"]


def test_a_flushed_redis_is_healed_with_a_loss_record(wire: Wire, client: redis.Redis, publish: Publish) -> None:
    told: list[str] = []
    publish(events(4))
    echo = Echo()
    consumer = Consumer(wire, group="l3", streams=[IN], handler=echo, on_loss=lambda loss: told.append(loss.kind))
    until_idle(consumer)
    client.flushall()
    publish(events(3, 10))
    until_idle(consumer)
    assert echo.seen == ids(4) + ids(3, 10)
    assert told == losses(client) == ["stream_replaced"]


def test_a_flush_while_blocked_does_not_stop_it(wire: Wire, client: redis.Redis, publish: Publish) -> None:
    consumer = Consumer(wire, group="l3", streams=[IN], handler=Echo())
    until_idle(consumer)
    client.delete(IN.value)
    until_idle(consumer)
    publish(events(2))
    assert until_idle(consumer) == 2


def test_entries_trimmed_unread_are_a_loss_and_no_event(
    wire: Wire, client: redis.Redis, publish: Publish
) -> None:
    publish(events(6))
    client.xgroup_create(IN.value, "l3", id="0")
    client.xreadgroup("l3", "l3-0", {IN.value: ">"}, count=4)
    client.xtrim(IN.value, maxlen=3, approximate=False)
    echo = Echo()
    until_idle(Consumer(wire, group="l3", streams=[IN], handler=echo))
    assert echo.seen == ids(3, 3)
    assert losses(client) == ["trimmed_unread"] * 3
    assert pending(client) == 0


def test_a_full_output_stream_holds_the_consumer_back(wire: Wire, client: redis.Redis, publish: Publish) -> None:
    publish(events(3000))
    settings = Streams(cap=1000, batch=100)
    consumer = Consumer(wire, group="l3", streams=[IN], handler=Echo(), settings=settings, clock=FakeClock())
    for _ in range(60):
        consumer.step(0.01)
    assert 1000 <= client.xlen(OUT.value) <= 1200
    assert consumer.stats()["waiting_on"] == "L3_OUT"
    client.xtrim(OUT.value, maxlen=0, approximate=False)
    for _ in range(3):
        consumer.step(0.01)
    assert client.xlen(OUT.value) > 0


def test_a_lost_reply_neither_loses_nor_doubles_outputs(
    wire: Wire, client: redis.Redis, publish: Publish
) -> None:
    """The connection is cut at every possible moment: before a commit arrives, and after it was carried out."""
    publish(events(400))
    consumer = Consumer(wire, group="l3", streams=[IN], handler=Echo(), batch=10)
    cut_up(consumer, wire, 400)
    until_idle(consumer)
    assert out_ids(client) == ids(400)
    assert pending(client) == 0
    assert consumer.stats()["outages"] > 10


def test_out_of_memory_waits_and_draining_goes_on(wire: Wire, client: redis.Redis, publish: Publish) -> None:
    publish(events(50))
    echo = Echo()
    consumer = Consumer(wire, group="l3", streams=[IN], handler=echo, batch=10)
    while not echo.seen:
        consumer.step(0.01)
    client.config_set("maxmemory", "1mb")
    try:
        with pytest.raises(Unavailable):
            step_until_away(consumer)
    finally:
        client.config_set("maxmemory", "0")
    until_idle(consumer)
    assert out_ids(client) == ids(50)


def test_redis_killed_and_started_again_loses_nothing(tmp_path: Path) -> None:
    from dsmil.fabric.publisher import Publisher

    server = PrivateRedis(tmp_path)
    server.start()
    try:
        wire = Wire(server.url, name="l3-0")
        Publisher(Wire(server.url), IN).publish(events(300))
        echo = Echo()
        consumer = Consumer(wire, group="l3", streams=[IN], handler=echo, batch=10)
        while len(echo.seen) < 100:
            consumer.step(0.01)
        server.kill()
        with pytest.raises(Unavailable):
            step_until_away(consumer)
        server.start()
        until_idle(consumer)
        from dsmil.fabric.client import connect

        assert out_ids(connect(server.url, "x")) == ids(300)
    finally:
        server.stop()


CHILD = """
import sys, time
from dsmil.events.enums import StreamName
from dsmil.fabric.consumer import Consumer, Output
from dsmil.fabric.wire import Wire

def handler(entries):
    if entries[-1].event.source_seq >= 40:
        print("busy", flush=True)
        time.sleep(60)
    return [Output(StreamName.L3_OUT, entry.data) for entry in entries]

consumer = Consumer(Wire(sys.argv[1], name="first"), group="l3", name="l3-0", streams=[StreamName.L3_IN],
                    handler=handler, batch=20)
while True:
    consumer.step(0.1)
"""


def test_row_02_killed_mid_batch_every_entry_is_processed_by_another(
    url: str, client: redis.Redis, publish: Publish
) -> None:
    publish(events(100))
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CHILD), url], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"busy\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert pending(client) >= 20
    client.xclaim(IN.value, "l3", "l3-0", 0, _pending_ids(client), idle=90_000, justid=True)
    another = Consumer(Wire(url), group="l3", name="l3-1", streams=[IN], handler=Echo())
    until_idle(another)
    assert sorted(out_ids(client)) == ids(100)
    assert pending(client) == 0


def _pending_ids(client: redis.Redis) -> list[bytes]:
    return [row["message_id"] for row in client.xpending_range(IN.value, "l3", "-", "+", 100)]
