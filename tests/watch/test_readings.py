"""Daemons are judged by their heartbeats, lag is the age of what is unacknowledged, sources by their last word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import redis

from dsmil.cli.stack import shipped
from dsmil.events.enums import Category
from dsmil.events.envelope import Event, encode, pack
from dsmil.events.source import SourceStats
from dsmil.fabric import instances
from dsmil.runtime.health import State
from dsmil.watch import readings

pytestmark = pytest.mark.live
NOW = 1_800_000_000.0


def event(kind: str = "ais.position", ingest_ts: float = 1.0, **payload: Any) -> bytes:
    return encode(
        Event(
            event_id="e", ts=1.0, ingest_ts=ingest_ts, source_device=11, source_layer=0, source="ais:x",
            category=Category.NETWORK, kind=kind, payload=pack(payload),
        )
    )  # fmt: skip


def test_every_daemon_has_a_state_and_instances_beside_their_kind(
    client: redis.Redis, beat: Callable[..., None]
) -> None:
    beat("l3")
    beat("l4", State.DEGRADED, error="reach Redis")
    beat("l8", age_s=60.0)
    client.set("dsmil:hb:drainer", b"no heartbeat")
    beat("ais-playback@harbour")
    client.hset(
        instances.KEY, mapping={"ais-playback@harbour": str(int(NOW)), "l3@x": str(int(NOW)), "junk": "?"}
    )
    found = {row.daemon: row for row in readings.daemons(client, NOW)}
    assert set(found) == {*shipped(), "ais-playback@harbour"}
    states = {name: row.state for name, row in found.items()}
    assert (states["l3"], states["l4"], states["l8"]) == (State.READY, State.DEGRADED, State.SILENT)
    assert states["drainer"] == states["soc-router"] == State.ABSENT
    assert states["ais-playback@harbour"] == State.READY
    assert found["l4"].beat is not None and found["l4"].beat.error == "reach Redis"
    assert found["l8"].age_s == 60.0


def test_lag_is_that_of_the_worst_of_our_groups_and_goes_to_its_daemon(client: redis.Redis) -> None:
    client.xadd("L3_IN", {"event": event(ingest_ts=NOW - 500)})
    client.xadd("L3_IN", {"event": event(ingest_ts=NOW - 50)})
    for group in ("l3", "drainer", "dsmil"):
        client.xgroup_create("L3_IN", group, "0")
    for group in ("l3", "drainer"):
        ((_, entries),) = client.xreadgroup(group, f"{group}-0", {"L3_IN": ">"})
        client.xack("L3_IN", group, *[entry_id for entry_id, _ in entries[: 1 if group == "l3" else 2]])
    found = readings.streams(client, NOW)
    row = next(row for row in found if row.stream == "L3_IN")
    assert (row.length, row.added, row.pending, row.lag_s) == (2, 2, 1, 50.0), "nobody waits for the users' group"
    assert {group.group: group.lag_s for group in row.groups} == {"l3": 50.0, "drainer": 0.0, "dsmil": 500.0}
    lags = {row.daemon: row.lag_s for row in readings.daemons(client, NOW, found)}
    assert (lags["l3"], lags["drainer"]) == (50.0, 0.0)
    assert next(row for row in found if row.stream == "GRAPH_EVENTS").length == 0


def test_an_entry_of_somebody_else_is_as_old_as_its_id(client: redis.Redis) -> None:
    client.xadd("L3_OUT", {"other": "field"}, id=f"{int((NOW - 7) * 1000)}-0")
    client.xgroup_create("L3_OUT", "l4", "0")
    row = next(row for row in readings.streams(client, NOW) if row.stream == "L3_OUT")
    assert row.lag_s == 7.0


def test_a_source_is_known_by_its_newest_word(client: redis.Redis) -> None:
    for received in (3, 9):
        stats = SourceStats(source="ais:udp:1", received=received)
        client.xadd("L3_IN", {"event": event("source.stats", **msgspec.structs.asdict(stats))})
    client.xadd("L3_IN", {"event": b'"source.stats" but no JSON'})
    client.xadd("L3_IN", {"event": event("source.stats", source=5)})
    client.xadd("L3_IN", {"event": event("ais.position", text='"source.stats"')})
    assert [(row.source, row.received) for row in readings.sources(client)] == [("ais:udp:1", 9)]
