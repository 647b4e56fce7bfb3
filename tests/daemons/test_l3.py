"""The l3 process: the decisions of the pure engine and what it sees, each once, through kills; hot rows kept."""

from __future__ import annotations

import signal
from typing import Any

import msgspec
import pytest

from dsmil.analytics.engine import News
from dsmil.analytics.l3 import catalog
from dsmil.analytics.sketch.sketch import Sketch
from dsmil.clock import SYSTEM
from dsmil.config.detectors import L3
from dsmil.events import ais, ids
from dsmil.events.decision import Decision
from dsmil.events.enums import Category, StreamName, TsBasis
from dsmil.events.envelope import Event, decode, encode, pack, unpack
from dsmil.events.source import SourceStats
from dsmil.fabric.entry import Entry
from dsmil.fabric.pressure import EPOCH_KEY
from dsmil.graph.fold import fold
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.state import state_hash
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


GRAPH = {"DSMIL_L3_GRAPH": "true", "DSMIL_STREAMS_CHECKPOINT_S": "0.2"}


def make_graph(bench: Any) -> None:
    """What the projector does."""
    pipe = bench.redis.pipeline(transaction=True)
    pipe.xgroup_create("GRAPH_EVENTS", "projector", id="0", mkstream=True)
    pipe.set(EPOCH_KEY, "one")
    pipe.execute()


def folded(told: list[Event]) -> Hypergraph:
    graph = Hypergraph()
    for number, event in enumerate(told, 1):
        assert fold(graph, number, event)
    return graph


def one_by_one(events: list[Event]) -> Hypergraph:
    """The graph of one patch per observation."""
    engine = catalog.engine(catalog.detectors(L3()), epoch="x")
    sketch = Sketch(stream=StreamName.L3_IN, source="l3", device=16, layer=3)
    told: list[Event] = []
    for number, event in enumerate(events):
        news: list[News] = []
        made = engine.process([event], news)
        entry = Entry(StreamName.L3_IN, f"1-{number}", b"", event)
        told += map(decode, sketch.draw([entry], news, made))
    return folded(told)


def state_of(bench: Any, daemon: str) -> dict[str, Any]:
    beat = bench.redis.get(f"dsmil:hb:{daemon}")
    return dict(msgspec.json.decode(beat)) if beat else {}


def test_what_it_sees_is_on_graph_events_once_through_kills(bench: Any) -> None:
    events = traffic(40, 200)
    make_graph(bench)
    child = bench.start("l3", **GRAPH)
    for at in range(0, len(events), 2000):
        bench.add("L3_IN", events[at : at + 2000])
        if at < 6000:
            bench.settle("L3_IN", "l3", left=500)
            bench.stop(child, signal.SIGKILL)
            child = bench.start("l3", **GRAPH)
    bench.settle("L3_IN", "l3")
    told = bench.events("GRAPH_EVENTS")
    assert state_hash(folded(told)) == state_hash(one_by_one(events))
    assert len({event.event_id for event in told}) == len(told) < len(events)
    bench.add("L3_IN", events)
    bench.settle("L3_IN", "l3")
    assert len(bench.events("GRAPH_EVENTS")) == len(told)
    assert bench.stop(child) == 0, bench.words()


def test_it_waits_for_the_projector_and_says_so(bench: Any) -> None:
    events = traffic(5, 100)
    bench.add("L3_IN", events)
    bench.start("l3", **GRAPH)
    for _ in range(600):
        beat = state_of(bench, "l3")
        if beat.get("state") == "degraded" and beat["stats"]["waiting_on"] == "GRAPH_EVENTS":
            break
        bench.redis.xread({"dsmil:test:never": "0"}, block=50)
    assert beat["state"] == "degraded" and "projector" in str(beat), beat
    assert bench.redis.xpending("L3_IN", "l3")["pending"] == 0 and not bench.redis.exists(
        "L3_OUT", "GRAPH_EVENTS"
    )
    make_graph(bench)
    bench.wait("GRAPH_EVENTS", bool)
    bench.settle("L3_IN", "l3")
    assert len(bench.events("L3_OUT")) == 5
    assert state_hash(folded(bench.events("GRAPH_EVENTS"))) == state_hash(one_by_one(events))
