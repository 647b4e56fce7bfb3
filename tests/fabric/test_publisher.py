"""Publishing is all or nothing, and a full stream makes its producer wait."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from dsmil.errors import Unavailable
from dsmil.events.enums import StreamName
from dsmil.fabric.pressure import Gate, StreamFull
from dsmil.fabric.publisher import Publisher
from dsmil.fabric.wire import Wire

from .conftest import events

IN = StreamName.L3_IN


def test_events_are_added_in_order_as_one_field(wire: Wire, client: redis.Redis) -> None:
    encoded = events(2500)
    publisher = Publisher(wire, IN)
    publisher.publish(encoded)
    assert [fields for _, fields in client.xrange(IN.value)] == [{b"event": data} for data in encoded]
    assert publisher.published == 2500


def test_a_full_stream_refuses_without_a_wait_and_adds_nothing(wire: Wire, client: redis.Redis) -> None:
    publisher = Publisher(wire, IN, cap=100)
    publisher.publish(events(100))
    with pytest.raises(StreamFull, match="L3_IN"):
        publisher.publish(events(1))
    assert client.xlen(IN.value) == 100


def test_a_producer_waits_until_there_is_room(wire: Wire, client: redis.Redis) -> None:
    publisher = Publisher(wire, IN, cap=100)
    publisher.publish(events(100))
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            client.xtrim(IN.value, maxlen=50, approximate=False)

    publisher.publish(events(10, 100), wait=wait)
    assert len(waits) == publisher.waits == 3
    assert client.xlen(IN.value) == 60


def test_a_producer_that_starts_before_a_full_stream_waits_too(wire: Wire) -> None:
    Publisher(wire, IN).publish(events(100))
    with pytest.raises(StreamFull):
        Publisher(wire, IN, cap=100).publish(events(1))


def test_the_cap_is_overshot_by_one_batch_at_most(wire: Wire, client: redis.Redis) -> None:
    one, two = Publisher(wire, IN, cap=1000), Publisher(wire, IN, cap=1000)
    refused = 0
    for _ in range(50):
        for publisher in (one, two):
            try:
                publisher.publish(events(50))
            except StreamFull:
                refused += 1
    assert refused
    assert client.xlen(IN.value) <= 1100


def test_memory_exhausted_is_unavailable_and_nothing_of_the_batch_is_added(
    wire: Wire, client: redis.Redis
) -> None:
    publisher = Publisher(wire, IN)
    publisher.publish(events(5))
    client.config_set("maxmemory", "1mb")
    try:
        with pytest.raises(Unavailable, match="OOM"):
            publisher.publish(events(5, 5))
    finally:
        client.config_set("maxmemory", "0")
    publisher.publish(events(5, 5))
    assert client.xlen(IN.value) == 10


def test_without_redis_it_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        Publisher(Wire(f"unix://{tmp_path}/none.sock"), IN).publish(events(1))


def test_a_stream_of_the_projector_waits_for_its_owner(wire: Wire, client: redis.Redis) -> None:
    publisher = Publisher(wire, StreamName.GRAPH_EVENTS)
    with pytest.raises(Unavailable, match="has not created it"):
        publisher.publish(events(1))
    assert client.exists("GRAPH_EVENTS") == 0
    client.xgroup_create("GRAPH_EVENTS", "projector", id="0", mkstream=True)
    publisher.publish(events(3))
    assert [row[0] for row in client.xrange("GRAPH_EVENTS")] == [b"0-1", b"0-2", b"0-3"]


def test_burying_is_never_held_back() -> None:
    gate = Gate(lambda _: 1)
    gate.note(StreamName.DEAD_LETTER, 10)
    gate.note(IN, 10)
    assert gate.full == (IN,)
    gate.note(IN, 0)
    assert gate.full == ()
