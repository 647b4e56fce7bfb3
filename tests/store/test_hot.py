"""The hot database answers quickly, throws away what is old, and is never in the way when it is not there."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, suppress
from pathlib import Path

import pytest

from dsmil.clock import FakeClock
from dsmil.config import load
from dsmil.events.enums import Category, DeviceState, Severity
from dsmil.events.envelope import Event, pack
from dsmil.events.soc import Signals, SocPayload
from dsmil.store.hot import HotPathDB, config_of
from dsmil.store.hot_file import HotConfig
from dsmil.store.presence import Standing
from dsmil.store.sqlite import sql_dir

MIB = 1 << 20
HOUR_S = 3600.0
SmallDisk = Callable[[int], AbstractContextManager[Path]]
SCRIPT = sql_dir("hot") / "0001_init.sql"

COLUMNS = {
    "raw_events_fast": "id ts event_id device_id layer source compartment category severity payload token_id "
    "clearance processed",
    "model_outputs_fast": "id ts output_id device_id layer model input_ref output_json score tops_used latency_ms "
    "hardware",
    "layer_state": "layer active_devices memory_used_gb tops_used tops_available event_count last_update",
    "device_status": "device_id layer name status memory_mb tops_allocated last_heartbeat metadata",
    "soc_events_cache": "id ts event_id severity category source_device source_layer signals shrink_metrics "
    "l8_enrichment payload",
    "shrink_metrics": "id ts risk_acute_stress crisis_level lbi_hyperfocus_density sentiment_score entropy "
    "metrics_json",
}
INDEXES = {
    "raw_events_fast": {"ts", "device_id,ts", "layer,ts", "severity,ts", "processed,ts", "event_id"},
    "model_outputs_fast": {"layer,ts", "device_id,ts", "model,ts", "output_id"},
    "soc_events_cache": {"ts", "severity,ts", "event_id"},
    "shrink_metrics": {"ts"},
}
DOCUMENTED = (
    "SELECT layer, severity, COUNT(*) FROM raw_events_fast GROUP BY layer, severity;",
    "SELECT * FROM soc_events_cache ORDER BY ts DESC LIMIT 10;",
    "SELECT * FROM device_status WHERE status = 'ONLINE';",
    "SELECT * FROM shrink_metrics ORDER BY ts DESC LIMIT 5;",
)


def event(number: int, clock: FakeClock, *, ingest_ts: float | None = None, size: int = 10) -> Event:
    return Event(
        event_id=f"event-{number}", ts=clock.now() + number / 1000, ingest_ts=ingest_ts or clock.now(),
        source_device=11, source_layer=0, source="ais:udp:10110", category=Category.INTEL, severity=Severity.HIGH,
        kind="ais.position", payload=pack({"mmsi": number, "text": "x" * size}),
    )  # fmt: skip


def events(first: int, count: int, clock: FakeClock, **kw: float) -> list[Event]:
    return [event(number, clock, **kw) for number in range(first, first + count)]  # type: ignore[arg-type]


def decision(clock: FakeClock, event_id: str = "decision-1") -> Event:
    return Event(
        event_id=event_id, ts=clock.now(), ingest_ts=clock.now(), source_device=20, source_layer=3, source="l3",
        category=Category.INTEL, severity=Severity.MEDIUM, kind="decision", refs=("event-1", "event-2"),
        payload=pack({"decision": "ais.jump", "score": 0.75, "entities": ["vessel:1"]}),
    )  # fmt: skip


def soc(clock: FakeClock, event_id: str = "soc-1") -> Event:
    payload = SocPayload(
        event_id=event_id, ts=clock.now(), source_layer=3, device_id_src=20, severity=Severity.HIGH,
        category=Category.INTEL, classification="SECRET", compartment="GENERAL", entity="vessel:1",  # type: ignore[arg-type]
        decision="ais.jump", base_severity=Severity.MEDIUM, signals=Signals(),
    )  # fmt: skip
    return Event(
        event_id=event_id, ts=clock.now(), ingest_ts=clock.now(), source_device=52, source_layer=8,
        source="soc-router", category=Category.INTEL, severity=Severity.HIGH, kind="soc", payload=pack(payload),
    )  # fmt: skip


@pytest.fixture
def hot(tmp_path: Path, clock: FakeClock) -> HotPathDB:
    db = HotPathDB(tmp_path / "hotpath.db", clock=clock)
    assert db.connect()
    return db


def select(path: Path, query: str) -> list[tuple]:  # type: ignore[type-arg]
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def schema(path: Path) -> tuple[dict[str, str], dict[str, set[str]]]:
    tables = [row[0] for row in select(path, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    columns = {t: " ".join(row[1] for row in select(path, f"PRAGMA table_info({t})")) for t in tables}
    indexes = {
        t: {
            ",".join(part[2] for part in select(path, f"PRAGMA index_info({row[1]})"))
            for row in select(path, f"PRAGMA index_list({t})")
        }
        for t in tables
    }
    return columns, {table: found for table, found in indexes.items() if found}


def test_row_04_tables_duplicates_and_retention(hot: HotPathDB, tmp_path: Path, clock: FakeClock) -> None:
    """6 tables and indexes from one call; a duplicate is ignored; the clean-up removes exactly the old rows."""
    assert hot.initialize_schema()
    assert schema(tmp_path / "hotpath.db") == (COLUMNS, INDEXES)
    now = clock.now()
    for number, age in enumerate((0.0, 23.9 * HOUR_S, 24.1 * HOUR_S, 6.9 * 24 * HOUR_S, 7.1 * 24 * HOUR_S)):
        then = FakeClock(now - age)
        writer = HotPathDB(tmp_path / "hotpath.db", clock=then)
        assert writer.insert_events([event(number, then), event(number, then)])
        assert writer.insert_decisions([decision(then, f"decision-{number}")], 1.0)
        assert writer.insert_soc([soc(then, f"soc-{number}")])
        assert writer.add_shrink({"entropy": 1.0}, then.now())
        writer.disconnect()
    tables = ("raw_events_fast", "model_outputs_fast", "shrink_metrics", "soc_events_cache")
    assert [hot.get_stats()[table] for table in tables] == [5, 5, 5, 5]
    assert hot.cleanup(now) == 3 + 3 + 3 + 1
    assert [hot.get_stats()[table] for table in tables] == [2, 2, 2, 4]
    assert {row["event_id"] for row in hot.get_recent_events()} == {"event-0", "event-1"}
    assert hot.cleanup(now) == 0


def test_retention_goes_by_ingest_time_not_by_event_time(hot: HotPathDB, clock: FakeClock) -> None:
    old, new = (FakeClock(clock.now() - age) for age in (100 * HOUR_S, 0.0))
    assert hot.insert_events([event(1, old, ingest_ts=new.now()), event(2, new, ingest_ts=old.now())])
    assert hot.insert_events([event(3, new, ingest_ts=new.now() + 1e9)])
    assert hot.cleanup() == 1
    assert {row["event_id"] for row in hot.get_recent_events()} == {"event-1", "event-3"}
    clock.advance(25 * HOUR_S)
    assert hot.cleanup() == 2, "a row from the future is filed under now"


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="no sqlite3 command line here")
def test_the_sql_file_runs_at_the_prompt_twice(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "hotpath.db"
    for _ in range(2):
        with SCRIPT.open() as script:
            done = subprocess.run(["sqlite3", "-bail", str(path)], stdin=script, capture_output=True, check=True)
        assert not done.stderr
    assert schema(path) == (COLUMNS, INDEXES)
    assert HotPathDB(path, clock=clock).connect()


def test_the_sql_file_runs_under_a_driver(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        connection.executescript(SCRIPT.read_text())
        connection.executescript(SCRIPT.read_text())
    assert schema(tmp_path / "x.db") == (COLUMNS, INDEXES)


def test_layers_are_there_from_the_start(hot: HotPathDB, tmp_path: Path) -> None:
    rows = select(tmp_path / "hotpath.db", "SELECT layer, tops_available FROM layer_state ORDER BY layer")
    assert rows == [(2, 102), (3, 50), (4, 65), (5, 105), (6, 160), (7, 440), (8, 188), (9, 330)]
    meta = {"daemon": "l3", "events": 7}
    assert hot.set_standing([Standing(number, DeviceState.ONLINE, meta=meta) for number in (20, 16, 19)])
    found = select(tmp_path / "hotpath.db", "SELECT active_devices, event_count, tops_available FROM layer_state")
    assert ("[16,19,20]", 7, 50) in found


def test_the_documented_queries_answer(hot: HotPathDB, tmp_path: Path, clock: FakeClock) -> None:
    hot.insert_events(events(0, 3, clock))
    hot.insert_soc([soc(clock)])
    hot.set_standing([Standing(52, DeviceState.ONLINE, meta={"processed": 1})])
    hot.add_shrink({"risk_acute_stress": 0.2, "shrink_crisis_level": 0.9}, clock.now())
    answers = [select(tmp_path / "hotpath.db", query) for query in DOCUMENTED]
    assert answers[0] == [(0, "HIGH", 3)]
    assert [len(answer) for answer in answers] == [1, 1, 1, 1]
    assert answers[3][0][2:7] == (0.2, 0.9, None, None, None), "what SHRINK does not say is null, not zero"


def test_the_documented_facade(hot: HotPathDB, clock: FakeClock) -> None:
    call = ("id-1", 52, 8, "soc", "GENERAL", "SECURITY", "HIGH", {"a": 1})
    assert hot.insert_event(*call)
    assert hot.insert_event(*call)
    assert hot.insert_soc_event("s-1", "HIGH", "SECURITY", 15, 3, {"x": 1}, {"l3": None}, {"entropy": 1})
    assert hot.insert_shrink_metrics({"crisis_level": 0.5})
    assert hot.update_device_status(52, 8, "SOC Router", "ONLINE", 1536, 10, {"v": 1})
    rows = hot.get_recent_events(layer=8, severity="HIGH", limit=10)
    assert [(r["event_id"], r["payload"], r["token_id"], r["clearance"]) for r in rows] == [
        ("id-1", {"a": 1}, 0x809C, 0x08080808)
    ]
    assert hot.get_recent_events(layer=3) == []
    assert hot.get_recent_soc_events("HIGH")[0]["signals"] == {"l3": None}
    assert hot.get_device_statuses()[0]["metadata"] == {"v": 1}
    stats = hot.get_stats()
    assert stats["db_size_bytes"] > 0
    assert stats["state"] == "ok"
    hot.disconnect()


@pytest.mark.parametrize(
    "call",
    [
        ("id", 104, 8, "s", "GENERAL", "SECURITY", "HIGH", {}),
        ("id", 1, 10, "s", "GENERAL", "SECURITY", "HIGH", {}),
        ("id", 1, 1, "s", "NOWHERE", "SECURITY", "HIGH", {}),
        ("id", 1, 1, "s", "GENERAL", "NOTHING", "HIGH", {}),
        ("id", 1, 1, "s", "GENERAL", "SECURITY", "WORST", {}),
        ("id", 1, 1, "s", "GENERAL", "SECURITY", "HIGH", object()),
        ("", 1, 1, "s", "GENERAL", "SECURITY", "HIGH", {}),
    ],
)
def test_what_makes_no_sense_is_refused(hot: HotPathDB, call: tuple) -> None:  # type: ignore[type-arg]
    assert not hot.insert_event(*call)
    assert hot.message
    assert not hot.update_device_status(1, 1, "x", "ASLEEP")
    assert hot.get_stats()["raw_events_fast"] == 0


def test_decisions_and_soc_events_fill_their_columns(hot: HotPathDB, tmp_path: Path, clock: FakeClock) -> None:
    assert hot.insert_decisions([decision(clock)], latency_ms=2.5)
    found = select(
        tmp_path / "hotpath.db", "SELECT model, input_ref, score, latency_ms, hardware FROM model_outputs_fast"
    )
    assert found == [("ais.jump", "event-1", 0.75, 2.5, "CPU")]
    assert hot.insert_soc([soc(clock)])
    assert hot.bump_soc([("soc-1", 2, 98.5), ("unknown", 3, 1.0), ("soc-1", 4, 99.5)]) and hot.bump_soc([])
    row = hot.get_recent_soc_events()[0]
    assert (row["source_device"], row["source_layer"], row["severity"]) == (20, 3, "HIGH")
    assert (row["payload"]["count"], row["payload"]["last_ts"], row["payload"]["entity"]) == (
        4,
        99.5,
        "vessel:1",
    )
    assert not row["shrink_metrics"].get("available")
    assert row["l8_enrichment"]["processed_by"] == []


def test_row_05_tmpfs_absent_is_seen_and_heals(
    tmp_path: Path, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Absent: the fallback is used and named; back again: the tmpfs is used again."""
    place, fallback = tmp_path / "ram", tmp_path / "fallback.db"
    hot = HotPathDB(HotConfig(place / "hotpath.db", fallback=fallback), clock=clock)
    assert hot.insert_events(events(0, 5, clock))
    assert hot.state == "fallback"
    assert str(fallback) in hot.message
    assert "mount the tmpfs" in hot.message
    said = capsys.readouterr().err
    assert "hot_db_fallback" in said
    assert str(fallback) in said
    assert hot.get_stats()["raw_events_fast"] == 5
    place.mkdir()
    clock.advance(2)
    assert hot.insert_events(events(5, 5, clock))
    assert hot.state == "ok"
    assert hot.get_stats()["raw_events_fast"] == 5, "refilled from the streams, not from the fallback"
    assert hot.generation == 2


def test_row_05_without_a_fallback_rows_are_dropped_and_counted(tmp_path: Path, clock: FakeClock) -> None:
    hot = HotPathDB(HotConfig(tmp_path / "ram" / "hotpath.db"), clock=clock)
    assert not hot.connect()
    assert not hot.insert_events(events(0, 5, clock))
    assert not hot.insert_event("x", 1, 1, "s", "GENERAL", "SECURITY", "HIGH", {})
    assert hot.state == "absent"
    stats = hot.get_stats()
    assert (stats["dropped"], stats["db_size_bytes"]) == (6, 0)
    assert hot.get_recent_events() == []
    (tmp_path / "ram").mkdir()
    clock.advance(2)
    assert hot.insert_events(events(0, 5, clock))
    assert hot.state == "ok"


def test_row_05_tmpfs_full_is_seen_and_heals(small_disk: SmallDisk, clock: FakeClock) -> None:
    with small_disk(8 * MIB) as place:
        hot = HotPathDB(HotConfig(place / "hotpath.db"), clock=clock)
        assert hot.insert_events(events(0, 100, clock))
        ballast = place / "ballast"
        with suppress(OSError):
            ballast.write_bytes(b"x" * 8 * MIB)
        number, outcome = 100, True
        while outcome and number < 100_000:
            outcome = hot.insert_events(events(number, 500, clock, size=500))
            number += 500
        assert not outcome
        assert hot.state == "full"
        assert "free space" in hot.message
        assert hot.get_stats()["dropped"] == 500
        assert hot.get_recent_events(limit=1), "readers work all the same"
        ballast.unlink()
        assert hot.insert_events(events(number, 100, clock))
        assert hot.state == "ok"
        hot.disconnect()


def test_row_05_the_budget_holds_and_the_newest_stay(tmp_path: Path, clock: FakeClock) -> None:
    budget = 8 * MIB
    hot = HotPathDB(HotConfig(tmp_path / "hotpath.db", budget_bytes=budget, cleanup_s=1.0), clock=clock)
    for batch in range(60):
        assert hot.insert_events(events(batch * 500, 500, clock, size=500))
        assert hot.insert_soc([soc(clock, f"soc-{batch}")])
        clock.advance(0.2)
    stats = hot.get_stats()
    assert stats["dropped"] == 0
    assert stats["db_size_bytes"] <= 0.8 * budget
    assert stats["soc_events_cache"] == 60, "what lives longest goes last"
    newest = hot.get_recent_events(limit=1000)
    assert {row["event_id"] for row in newest} >= {f"event-{n}" for n in range(29_500, 30_000)}
    hot.cleanup()
    assert hot.get_stats()["db_size_bytes"] <= 0.8 * budget


def test_a_file_deleted_under_us_is_made_again(hot: HotPathDB, tmp_path: Path, clock: FakeClock) -> None:
    assert hot.insert_events(events(0, 5, clock))
    for path in tmp_path.glob("hotpath.db*"):
        path.unlink()
    assert hot.insert_events(events(5, 5, clock))
    assert hot.generation == 2, "whoever fills it can see that it wants refilling"
    assert len(select(tmp_path / "hotpath.db", "SELECT * FROM raw_events_fast")) == 5
    assert hot.state == "ok"


def test_a_link_in_its_place_is_not_followed(tmp_path: Path, clock: FakeClock) -> None:
    """Who may write beside it must not choose where the daemons write."""
    (tmp_path / "hotpath.db").symlink_to(tmp_path / "elsewhere.db")
    hot = HotPathDB(tmp_path / "hotpath.db", clock=clock)
    assert not hot.connect()
    assert hot.state == "absent" and "no regular file" in hot.message
    assert not (tmp_path / "elsewhere.db").exists()
    (tmp_path / "hotpath.db").unlink()
    assert hot.connect()
    hot.disconnect()


def test_a_damaged_file_is_replaced(hot: HotPathDB, tmp_path: Path, clock: FakeClock) -> None:
    hot.insert_events(events(0, 500, clock))
    hot.disconnect()
    path = tmp_path / "hotpath.db"
    path.write_bytes(b"\xff" * path.stat().st_size)
    hot.insert_events(events(500, 5, clock))
    clock.advance(2)
    assert hot.insert_events(events(505, 5, clock))
    assert hot.state == "ok"


def test_a_newer_schema_is_left_alone(hot: HotPathDB, tmp_path: Path, clock: FakeClock) -> None:
    hot.disconnect()
    with closing(sqlite3.connect(tmp_path / "hotpath.db")) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert not hot.insert_events(events(0, 1, clock))
    assert hot.state == "absent"
    assert "newer" in hot.message


def test_readers_and_writers_do_not_disturb_each_other(hot: HotPathDB, tmp_path: Path, clock: FakeClock) -> None:
    stop, faults, reads = threading.Event(), [], [0]

    def read() -> None:
        try:
            while not stop.is_set():
                for query in DOCUMENTED:
                    select(tmp_path / "hotpath.db", query)
                reads[0] += 1
        except sqlite3.Error as error:
            faults.append(error)

    def write(first: int) -> None:
        own = HotPathDB(tmp_path / "hotpath.db", clock=clock)
        for batch in range(20):
            if not own.insert_events(events(first + batch * 50, 50, clock)):
                faults.append(own.message)
        own.disconnect()

    readers = [threading.Thread(target=read) for _ in range(2)]
    writers = [threading.Thread(target=write, args=(first,)) for first in (0, 10_000, 20_000)]
    for thread in (*readers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in readers:
        thread.join()
    assert not faults
    assert reads[0]
    assert hot.get_stats()["raw_events_fast"] == 3_000


def test_the_settings_name_the_file_and_the_fallback(tmp_path: Path) -> None:
    installed = config_of(load(environ={"DSMIL_ETC": str(tmp_path)}).settings)
    assert str(installed.path) == "/mnt/dsmil-ram/hotpath.db"
    assert str(installed.fallback) == "/var/lib/dsmil/hotpath-fallback.db"
    environ = {"DSMIL_ETC": str(tmp_path), "DSMIL_PATHS_DATA": str(tmp_path), "DSMIL_PATHS_HOT": str(tmp_path)}
    private = config_of(load(environ=environ).settings)
    assert (private.path, private.fallback) == (tmp_path / "hotpath.db", None)
