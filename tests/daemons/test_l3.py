"""The l3 process: the decisions of the pure engine, each once, through kills; hot rows and status kept."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from dsmil.analytics.l3 import catalog
from dsmil.clock import SYSTEM
from dsmil.config.detectors import L3
from dsmil.events import ais, ids
from dsmil.events.decision import Decision
from dsmil.events.enums import Category, TsBasis
from dsmil.events.envelope import Event, encode, pack, unpack
from dsmil.events.source import SourceStats
from dsmil.store.hot import HotPathDB

pytestmark = pytest.mark.live
T0 = 1_700_000_000.0
NOW = SYSTEM.now()
SOURCE = "ais:file:test.nmea"


def position(seq: int, mmsi: int, at_s: float, lat: float, lon: float) -> Event:
    at = ais.Position(mmsi=mmsi, msg_type=1, lat=lat, lon=lon, sog_kn=10.0, cog_deg=90.0, nav_status=0)
    return Event(
        event_id=ids.network(SOURCE, "run", seq), ts=T0 + at_s, ingest_ts=NOW, source_device=11, source_layer=0,
        source=SOURCE, source_epoch="run", source_seq=seq, category=Category.INTEL, kind="ais.position",
        payload=pack(at),
    )  # fmt: skip


def traffic(ships: int, reports: int) -> list[Event]:
    """Ships that report each ten seconds; each jumps once, at its own time; half of them end up dark or double."""
    rows = []
    for number in range(ships):
        jump_at = 20 + number * 7 % (reports // 2)
        for i in range(reports):
            lat = 54.0 + number / 100 + (1.0 if i > jump_at else 0.0)
            rows.append((i * 10 + number / ships, 211_000_000 + number, lat, 10.0 + i * 0.0007))
    return [position(seq, mmsi, at_s, lat, lon) for seq, (at_s, mmsi, lat, lon) in enumerate(sorted(rows), 1)]


def expected(events: list[Event]) -> list[str]:
    engine = catalog.engine(catalog.detectors(L3()), epoch="x")
    return [event.event_id for event in engine.process(events)]


def test_decisions_are_those_of_the_engine_through_kills(bench: Any) -> None:
    events = traffic(40, 200)
    want = expected(events)
    assert len(want) == 40
    child = bench.start("l3", DSMIL_STREAMS_CHECKPOINT_S="0.2")
    for at in range(0, len(events), 2000):
        bench.add("L3_IN", events[at : at + 2000])
        if at < 6000:
            bench.settle("L3_IN", "l3", left=500)
            bench.stop(child, signal.SIGKILL)
            child = bench.start("l3", DSMIL_STREAMS_CHECKPOINT_S="0.2")
    made = bench.wait("L3_OUT", lambda found: len(found) >= len(want))
    bench.settle("L3_IN", "l3")
    assert bench.stop(child) == 0, bench.words()
    assert [event.event_id for event in bench.events("L3_OUT")] == want
    assert {unpack(event, Decision).decision for event in made} == {"ais.jump"}


def test_hot_rows_and_status(bench: Any) -> None:
    events = traffic(5, 100)
    child = bench.start("l3", DSMIL_L3_STATUS_S="1")
    bench.add("L3_IN", events)
    bench.wait("L3_OUT", lambda found: len(found) >= 5)
    bench.settle("L3_IN", "l3")
    assert bench.stop(child) == 0, bench.words()
    hot = HotPathDB(bench.directory / "hotpath.db")
    assert hot.connect()
    stats = hot.get_stats()
    assert stats["raw_events_fast"] == len(events) and stats["model_outputs_fast"] == 5
    rows = {row["device_id"]: row for row in hot.get_device_statuses()}
    assert set(rows) >= set(range(15, 23)) and rows[20]["status"] == "OFFLINE" and rows[20]["layer"] == 3
    hot.disconnect()


def test_a_deleted_hot_database_is_filled_in_again(bench: Any) -> None:
    events = traffic(5, 100)
    bench.add("L3_IN", events)
    child = bench.start("l3")
    bench.wait("L3_OUT", lambda found: len(found) >= 5)
    bench.settle("L3_IN", "l3")
    assert bench.stop(child) == 0
    for path in bench.directory.glob("hotpath.db*"):
        path.unlink()
    child = bench.start("l3")
    hot = HotPathDB(bench.directory / "hotpath.db")
    for _ in range(300):
        if hot.connect() and hot.get_stats().get("model_outputs_fast") == 5:
            break
        hot.disconnect()
        bench.redis.xread({"dsmil:test:never": "0"}, block=50)
    assert hot.get_stats()["raw_events_fast"] == len(events) and hot.get_stats()["model_outputs_fast"] == 5
    hot.disconnect()
    assert bench.stop(child) == 0


def test_an_event_whose_payload_does_not_fit_is_buried_and_the_rest_flows(bench: Any) -> None:
    events = traffic(5, 100)
    poison = encode(events[250]).replace(b'"mmsi":', b'"mmsi":"x","was":')
    bench.start("l3")
    bench.add("L3_IN", [*events[:250], poison, *events[251:]])
    made = bench.wait("L3_OUT", lambda found: len(found) >= 6)
    bench.settle("L3_IN", "l3")
    assert len(bench.events("DEAD_LETTER")) == 1
    names = [unpack(event, Decision).decision for event in made]
    assert names.count("ais.jump") == 5 and names.count("source.gap") == 1


def test_a_silent_live_source_is_told_by_the_clock(bench: Any) -> None:
    stats = SourceStats(source="ais:udp:10110", live=True, received=10, accepted=10, last_data_ts=NOW - 3600)
    said = Event(
        event_id=ids.digest("stats"), ts=NOW, ingest_ts=NOW, ts_basis=TsBasis.INGEST, source_device=11,
        source_layer=0, source="ais-playback", source_epoch="run", source_seq=1, category=Category.SYSTEM,
        kind="source.stats", payload=pack(stats),
    )  # fmt: skip
    bench.start("l3")
    bench.add("L3_IN", [said])
    made = bench.wait("L3_OUT", lambda found: len(found) >= 1)
    told = unpack(made[0], Decision)
    assert told.decision == "source.silent" and made[0].source_device == 21 and made[0].severity == "MEDIUM"
