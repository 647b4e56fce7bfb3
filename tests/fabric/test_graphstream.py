"""The graph's stream is made by one hand, its numbers are dense, and after a loss they go on at the next million."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import redis

from dsmil.errors import Unavailable
from dsmil.events.enums import StreamName
from dsmil.fabric import graphread, graphstream
from dsmil.fabric.client import ensure_topology
from dsmil.fabric.consumer import CHECK_S, Consumer
from dsmil.fabric.entry import Entry, Output
from dsmil.fabric.facade import RedisStreamsClient
from dsmil.fabric.feed import Feed
from dsmil.fabric.frame import xadds
from dsmil.fabric.loss import LOSS_KEY, decode_loss
from dsmil.fabric.wire import Wire

from .conftest import events

GRAPH = StreamName.GRAPH_EVENTS


def add(wire: Wire, data: list[bytes]) -> list[Any]:
    wire.send(b"".join(xadds([(GRAPH, one) for one in data])))
    return wire.receive(len(data))


def test_it_begins_at_one_with_its_groups_and_both_names_of_its_epoch(wire: Wire, client: redis.Redis) -> None:
    assert graphstream.look(wire) == graphstream.Standing("", 0, 0)
    made = graphstream.create(wire, now=1.0)
    assert (made.last, made.first) == (0, 0)
    assert graphstream.look(wire) == made
    assert {group["name"] for group in client.xinfo_groups(GRAPH.value)} == {b"drainer", b"projector"}  # type: ignore[union-attr]
    assert client.get("dsmil:epoch") == client.get("dsmil:epoch:GRAPH_EVENTS") == made.epoch.encode()
    assert add(wire, events(3)) == [b"0-1", b"0-2", b"0-3"]
    assert client.llen(LOSS_KEY) == 0, "a beginning is no loss"


@pytest.mark.parametrize("lost", ["FLUSHALL", "DEL GRAPH_EVENTS", "DEL dsmil:epoch"])
def test_after_a_loss_it_goes_on_at_the_next_million_under_another_epoch(
    wire: Wire, client: redis.Redis, lost: str
) -> None:
    before = graphstream.create(wire, now=1.0)
    add(wire, events(5))
    client.execute_command(*lost.split())  # type: ignore[no-untyped-call]
    assert not graphstream.look(wire).epoch
    made = graphstream.create(wire, now=2.0, known=5, why="a test")
    assert made.last == 1_000_000
    assert made.epoch != before.epoch
    assert add(wire, events(1)) == [b"0-1000001"]
    told = [decode_loss(data) for data in client.lrange(LOSS_KEY, 0, -1)]  # type: ignore[union-attr]
    assert [(loss.kind, loss.first_id, loss.last_id, loss.detail) for loss in told] == [
        ("graph_renumbered", "0-5", "0-1000000", "a test")
    ]
    assert graphstream.create(wire, now=3.0, known=1_000_001).last == 2_000_000


def test_a_number_may_follow_its_neighbour_or_open_a_new_million() -> None:
    assert graphstream.follows(6, 5)
    assert graphstream.follows(1_000_001, 5)
    assert not graphstream.follows(7, 5)
    assert not graphstream.follows(5, 5)
    assert not graphstream.follows(1, 5)


def test_an_id_of_somebodys_own_is_said_and_changes_nothing(wire: Wire, client: redis.Redis) -> None:
    graphstream.create(wire, now=1.0)
    client.xadd(GRAPH.value, {"event": "x"})
    with pytest.raises(Unavailable, match="none of ours") as said:
        graphstream.look(wire)
    assert "RENAME" in (said.value.hint or "")


def test_something_else_under_its_names_is_said_or_set_right(wire: Wire, client: redis.Redis) -> None:
    graphstream.create(wire, now=1.0)
    client.delete("dsmil:epoch")
    client.hset("dsmil:epoch", "a", "b")
    assert not graphstream.look(wire).epoch
    made = graphstream.create(wire, now=2.0, known=1)
    assert graphstream.look(wire).epoch == made.epoch
    client.set("GRAPH_EVENTS", "x")
    with pytest.raises(Unavailable, match="is no stream"):
        graphstream.look(wire)


def test_nobody_else_makes_it(url: str, wire: Wire, client: redis.Redis) -> None:
    ensure_topology(client)
    Feed(wire, group="drainer", name="drainer-0", streams=tuple(StreamName), batch=10).ensure()
    facade = RedisStreamsClient(url=url)
    assert facade.connect()
    facade.initialize_streams()
    assert facade.publish("GRAPH_EVENTS", {"source_device": 1}) is None
    assert "not made it yet" in facade.last_error
    add(wire, events(1))
    assert not client.exists(GRAPH.value)


def test_the_documented_client_keeps_its_ids_numbers(url: str, wire: Wire) -> None:
    graphstream.create(wire, now=1.0)
    facade = RedisStreamsClient(url=url)
    assert facade.connect()
    assert facade.publish("GRAPH_EVENTS", {"source_device": 1}) == "0-1", facade.last_error
    assert add(wire, events(1)) == [b"0-2"]


def test_a_reader_that_was_there_before_it_takes_it_up(url: str, wire: Wire, clock: Any) -> None:
    seen: list[str] = []

    def handle(entries: Any) -> list[Output]:
        seen.extend(entry.id for entry in entries if isinstance(entry, Entry))
        return []

    reader = Consumer(Wire(url), group="drainer", streams=(StreamName.L3_IN, GRAPH), handler=handle, clock=clock)
    reader.step(0.001)
    graphstream.create(wire, now=1.0)
    add(wire, events(3))
    clock.advance(CHECK_S)
    for _ in range(4):
        reader.step(0.001)
    assert seen == ["0-1", "0-2", "0-3"]
    wire.call("DEL", GRAPH.value)
    for _ in range(3):
        reader.step(0.001)
        clock.advance(CHECK_S)
    graphstream.create(wire, now=2.0, known=3)
    add(wire, events(1, 3))
    clock.advance(CHECK_S)
    for _ in range(4):
        reader.step(0.001)
    assert seen[-1] == "0-1000001"


def test_entries_are_read_by_number_a_page_at_a_time(wire: Wire) -> None:
    graphstream.create(wire, now=1.0)
    count = graphread.PAGE + 7
    data = events(count)
    add(wire, data)
    forwards = list(graphread.entries(wire, 3))
    assert [len(page) for page in forwards] == [graphread.PAGE, 4]
    assert [number for page in forwards for number, _ in page] == list(range(4, count + 1))
    assert [number for page in graphread.entries(wire, 3, until=6) for number, _ in page] == [4, 5, 6]
    assert graphread.entry_at(wire, 5) == data[4]
    assert graphread.entry_at(wire, count + 1) is None
    assert graphread.event_id_of(data[4]) == msgspec.json.decode(data[4])["event_id"]
    assert graphread.event_id_of(b"no event") == graphread.event_id_of(None) == ""
