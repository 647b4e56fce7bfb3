"""The janitor trims what every required reader has let go of, and never anything else."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsmil.clock import FakeClock
from dsmil.config.streams import Streams
from dsmil.errors import Unavailable
from dsmil.events.enums import StreamName
from dsmil.fabric.client import connect, ensure_topology
from dsmil.fabric.entry import id_key
from dsmil.fabric.janitor import Janitor

from .conftest import events

IN, SOC = StreamName.L3_IN, StreamName.SOC_EVENTS
CAP = 1000
SMALL = Streams(cap=CAP, soc_cap=CAP)
NOW = 4_000_000_000.0
"""Later than any clock of this machine, so the ids' own time is long past."""
Publish = Callable[..., None]


def let_go(client: redis.Redis, group: str, count: int, *, acknowledge: int | None = None) -> list[bytes]:
    """Read `count` entries as a group and acknowledge the first `acknowledge` of them."""
    rows = client.xreadgroup(group, f"{group}-0", {IN.value: ">"}, count=count)
    taken = [row[0] for row in rows[0][1]] if rows else []
    done = taken if acknowledge is None else taken[:acknowledge]
    if done:
        client.xack(IN.value, group, *done)
    return taken


def required(*groups: str) -> Callable[[StreamName], tuple[str, ...]]:
    return lambda _: groups


def test_row_03_acknowledged_entries_beyond_the_cap_are_trimmed_unacknowledged_never(
    client: redis.Redis, publish: Publish
) -> None:
    ensure_topology(client)
    janitor = Janitor(client, SMALL)
    publish(events(1000))
    assert janitor.trim()[IN].removed == 0, "nobody has read yet"
    for group in ("l3", "l4", "drainer"):
        let_go(client, group, 1000, acknowledge=600)
    result = janitor.trim()[IN]
    assert 400 <= result.length < 700
    assert client.xlen(IN.value) == result.length
    for group in ("l3", "l4", "drainer"):
        held = [row["message_id"] for row in client.xpending_range(IN.value, group, "-", "+", 1000)]
        assert len(held) == 400
        assert set(held) <= {row[0] for row in client.xrange(IN.value)}


def test_a_required_group_that_does_not_exist_yet_holds_everything(client: redis.Redis, publish: Publish) -> None:
    publish(events(1000))
    client.xgroup_create(IN.value, "a", id="0")
    let_go(client, "a", 1000)
    janitor = Janitor(client, SMALL, required=required("a", "b"))
    assert janitor.trim()[IN].held_by == "group b (missing)"
    client.xgroup_create(IN.value, "b", id="0")
    assert janitor.trim()[IN].removed == 0
    let_go(client, "b", 1000)
    assert janitor.trim()[IN].removed > 400


def test_groups_of_users_and_optional_daemons_hold_nothing(client: redis.Redis, publish: Publish) -> None:
    publish(events(1000))
    for group in ("a", "dsmil", "l8"):
        client.xgroup_create(IN.value, group, id="0")
    let_go(client, "a", 1000)
    let_go(client, "dsmil", 10, acknowledge=0)
    assert Janitor(client, SMALL, required=required("a")).trim()[IN].removed > 400


@pytest.mark.parametrize("daemon", ["l3", "somebody"])
def test_a_checkpoint_holds_the_stream_at_its_place(client: redis.Redis, publish: Publish, daemon: str) -> None:
    publish(events(1000))
    client.xgroup_create(IN.value, "a", id="0")
    taken = let_go(client, "a", 1000)
    client.hset(f"dsmil:checkpoint:{daemon}", IN.value, taken[99])
    client.sadd("dsmil:checkpoints", daemon)
    janitor = Janitor(client, SMALL, required=required("a"))
    assert janitor.trim()[IN].held_by == f"checkpoint of {daemon}"
    assert client.xrange(IN.value, taken[99], taken[99])


def test_retention_keeps_a_day_and_soc_events_a_week(client: redis.Redis, publish: Publish) -> None:
    clock = FakeClock(NOW)
    for stream in (IN, SOC):
        client.xgroup_create(stream.value, "a", id="0", mkstream=True)
    janitor = Janitor(client, clock=clock, required=required("a"))
    for day in range(10):
        for stream in (IN, SOC):
            publish(events(10, day * 10), stream)
            rows = client.xreadgroup("a", "a-0", {stream.value: ">"}, count=10)
            client.xack(stream.value, "a", *(row[0] for row in rows[0][1]))
        janitor.trim()
        clock.advance(86_400)
        janitor = Janitor(client, clock=clock, required=required("a"))  # the table is kept in Redis
    janitor.trim()
    assert client.xlen(IN.value) == 10
    assert client.xlen(SOC.value) == 70
    assert client.hlen("dsmil:minutes:L3_IN") <= 3


def test_young_entries_stay_below_the_high_water_mark(client: redis.Redis, publish: Publish) -> None:
    publish(events(600))
    client.xgroup_create(IN.value, "a", id="0")
    let_go(client, "a", 600)
    assert Janitor(client, SMALL, required=required("a")).trim()[IN].removed == 0


def test_idle_consumers_that_hold_nothing_are_removed(client: redis.Redis, publish: Publish) -> None:
    publish(events(10))
    client.xgroup_create(IN.value, "a", id="0")
    client.xreadgroup("a", "holds", {IN.value: ">"}, count=1)
    client.xgroup_createconsumer(IN.value, "a", "idle")
    janitor = Janitor(client, SMALL, required=required("a"))
    assert janitor.sweep() == [], "nobody is idle for an hour yet"
    script_sees = Streams(consumer_idle_s=60)
    client.config_set("busy-reply-threshold", 5000)
    assert Janitor(client, script_sees, required=required("a")).sweep() == []
    impatient = Janitor(client, required=required("a"))
    impatient._settings = _Impatient()  # type: ignore[assignment] # a second is too short for the settings
    while not (gone := impatient.sweep()):
        pass
    assert gone == ["L3_IN/a/idle"]
    assert [row["name"] for row in client.xinfo_consumers(IN.value, "a")] == [b"holds"]


class _Impatient:
    consumer_idle_s = 0.001


def test_without_redis_it_is_unavailable(tmp_path: object) -> None:
    with pytest.raises(Unavailable):
        Janitor(connect(f"unix://{tmp_path}/none.sock", "x")).trim()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), cap=st.sampled_from([1000, 1500]))
def test_no_entry_a_group_still_needs_is_ever_trimmed(
    client: redis.Redis, publish: Publish, seed: int, cap: int
) -> None:
    client.flushall()
    rng = random.Random(seed)
    groups = ("a", "b", "c")
    for group in groups:
        client.xgroup_create(IN.value, group, id="0", mkstream=True)
    janitor = Janitor(client, Streams(cap=cap), clock=FakeClock(NOW), required=required(*groups))
    added: list[bytes] = []
    for _ in range(rng.randint(5, 15)):
        publish(events(rng.randint(50, 300)))
        added = sorted(
            {*added, *(row[0] for row in client.xrange(IN.value))}, key=lambda raw: id_key(raw.decode())
        )
        for group in groups:
            rows = client.xreadgroup(group, "x", {IN.value: ">"}, count=rng.randint(1, 400))
            taken = [row[0] for row in rows[0][1]] if rows else []
            done = [name for name in taken if rng.random() < 0.9]
            if done:
                client.xack(IN.value, group, *done)
            held = [row["message_id"] for row in client.xpending_range(IN.value, group, "-", "+", 5000)]
            late = [name for name in held if rng.random() < 0.5]
            if late:
                client.xack(IN.value, group, *late)
        janitor.trim()
        there = {row[0] for row in client.xrange(IN.value)}
        for facts in client.xinfo_groups(IN.value):
            held = {row["message_id"] for row in client.xpending_range(IN.value, facts["name"], "-", "+", 9000)}
            last = id_key(facts["last-delivered-id"].decode())
            unread = {name for name in added if id_key(name.decode()) > last}
            assert held | unread <= there
