"""The soc-router process: exactly one SOC event a window through kills, its cache and its rows kept."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dsmil.clock import SYSTEM
from dsmil.events import envelope, ids
from dsmil.events.decision import Decision, severity_of
from dsmil.events.enums import Category
from dsmil.events.envelope import Event
from dsmil.events.soc import SocPayload
from dsmil.sensors.pause import pause_key
from dsmil.store.hot import HotPathDB

pytestmark = pytest.mark.live
T0 = 1_700_000_000.0


NOW = SYSTEM.now()
"""When the tests' decisions were first seen: the hot database keeps by that."""


def decision(number: int, entity: str, name: str = "ais.jump", ts: float = T0, layer: int = 3) -> Event:
    told = Decision(decision=name, score=0.5, entities=(entity,))
    return Event(
        event_id=ids.digest("test", str(number)), ts=ts, ingest_ts=NOW, source_device=20, source_layer=layer,
        source=f"l{layer}", category=Category.INTEL, severity=severity_of(name), kind="decision",
        payload=envelope.pack(told),
    )  # fmt: skip


def socs(events: list[Event]) -> list[Event]:
    return [event for event in events if event.kind == "soc"]


def test_row_06_two_entities_give_two_events_also_after_a_restart(bench: Any) -> None:
    router = bench.start("soc_router")
    bench.add("L3_OUT", [decision(1, "vessel:1")])
    bench.add("L4_OUT", [decision(2, "vessel:2", "ais.rendezvous", layer=4)])
    made = bench.wait("SOC_EVENTS", lambda events: len(events) >= 2)
    assert bench.stop(router) == 0, bench.words()
    bench.start("soc_router")
    bench.add("L3_OUT", [decision(3, "vessel:3")])
    made = bench.wait("SOC_EVENTS", lambda events: len(events) >= 3)
    assert [envelope.unpack(event, SocPayload).entity for event in made] == ["vessel:1", "vessel:2", "vessel:3"]


def test_one_event_a_window_through_kills(bench: Any) -> None:
    kills, keys, each = 4, 60, 2000
    child = bench.start("soc_router", DSMIL_STREAMS_CHECKPOINT_S="0.2")
    for turn in range(kills + 1):
        events = [
            decision(turn * each + i, f"vessel:{i % keys}", ts=T0 + turn * each * 0.01 + i * 0.01)
            for i in range(each)
        ]
        bench.add("L3_OUT", events[::2])
        bench.add("L4_OUT", events[1::2])
        if turn < kills:
            bench.settle("L3_OUT", "soc-router", left=each // 4)
            bench.stop(child, signal.SIGKILL)
            child = bench.start("soc_router", DSMIL_STREAMS_CHECKPOINT_S="0.2")
    bench.add("L3_OUT", [decision(-1, "vessel:end", ts=T0 + 10_000)])
    made = bench.wait("SOC_EVENTS", lambda found: any(e.ts == T0 + 10_000 for e in found))
    per_key = Counter(envelope.unpack(event, SocPayload).entity for event in socs(made))
    assert set(per_key.values()) == {1} and len(per_key) == keys + 1
    assert len({event.event_id for event in made}) == len(made)
    repeats = [msg for msg in made if msg.kind == "soc.repeats"]
    total = sum(envelope.msgspec.json.decode(event.payload)["count"] for event in repeats)
    assert len(repeats) == keys and total == (kills + 1) * each
    assert bench.stop(child) == 0


def test_a_poisoned_score_is_buried_once_and_the_rest_flows(bench: Any) -> None:
    bench.start("soc_router")
    good = envelope.encode(decision(1, "vessel:1"))
    poisoned = envelope.encode(decision(2, "vessel:2")).replace(b'"score":0.5', b'"score":"high"')
    bench.add("L3_OUT", [good, poisoned, b"no json", envelope.encode(decision(3, "vessel:3"))])
    made = bench.wait("SOC_EVENTS", lambda events: len(events) >= 2)
    assert [envelope.unpack(event, SocPayload).entity for event in made] == ["vessel:1", "vessel:3"]
    assert len(bench.wait("DEAD_LETTER", lambda events: len(events) >= 2)) == 2


def test_hot_rows_heartbeat_and_refill(bench: Any, tmp_path: Path) -> None:
    router = bench.start("soc_router")
    bench.add("L3_OUT", [decision(i, "vessel:1", ts=T0 + i) for i in range(5)])
    made = bench.wait("SOC_EVENTS", lambda events: len(events) >= 1)
    bench.settle("L3_OUT", "soc-router")
    assert bench.stop(router) == 0, bench.words()
    hot = HotPathDB(tmp_path / "hotpath.db")
    row = hot.get_recent_soc_events()[0]
    assert (row["event_id"], row["severity"], row["payload"]["last_ts"]) == (made[0].event_id, "MEDIUM", T0 + 4)
    assert row["payload"]["count"] == 5
    assert row["signals"]["shrink"]["available"] is False and row["signals"]["shrink"]["crisis_level"] is None
    status = next(row for row in hot.get_device_statuses() if row["device_id"] == 52)
    assert status["status"] == "OFFLINE"
    hot.disconnect()
    for path in tmp_path.glob("hotpath.db*"):
        path.unlink()
    router = bench.start("soc_router")
    bench.add("L3_OUT", [decision(9, "vessel:2")])
    bench.wait("SOC_EVENTS", lambda events: len(events) >= 2)
    assert bench.stop(router) == 0, bench.words()
    rows = HotPathDB(tmp_path / "hotpath.db").get_recent_soc_events()
    assert {row["event_id"] for row in rows} == {event.event_id for event in bench.events("SOC_EVENTS")}


def test_paused_it_reads_nothing_and_stays_online(bench: Any, tmp_path: Path) -> None:
    bench.redis.set(pause_key("soc-router"), "1")
    router = bench.start("soc_router", DSMIL_SOC_ROUTER_HEARTBEAT_S="1")
    bench.add("L3_OUT", [decision(1, "vessel:1")])
    hot = HotPathDB(tmp_path / "hotpath.db")
    for _ in range(200):
        rows = hot.get_device_statuses() if (tmp_path / "hotpath.db").exists() else []
        if any(row["metadata"].get("paused") for row in rows):
            break
        bench.redis.xread({"dsmil:test:never": "0"}, block=100)
    mine = next(row for row in hot.get_device_statuses() if row["device_id"] == 52)
    assert mine["status"] == "ONLINE" and mine["metadata"]["paused"] is True and mine["memory_mb"] > 1
    assert bench.redis.xlen("SOC_EVENTS") == 0
    bench.redis.delete(pause_key("soc-router"))
    bench.wait("SOC_EVENTS", lambda events: len(events) >= 1)
    assert bench.stop(router) == 0, bench.words()


def test_a_wrong_rule_is_refused_with_78(bench: Any, tmp_path: Path) -> None:
    rules = tmp_path / "etc" / "rules.d"
    rules.mkdir(parents=True)
    (rules / "bad.toml").write_text("[[suppress]]\nwher = 'a = 1'\n")
    assert bench.start("soc_router").wait(20) == 78
    assert "bad.toml" in bench.words()
