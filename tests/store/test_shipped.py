"""A database of any schema ever shipped opens under today's program with all its rows.

`shipped/<family>_<version>.sql` are dumps written by the program that shipped the schema; they are never edited. A
new schema comes with the dump of its own version, and every older one must still pass here.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from dsmil.clock import FakeClock
from dsmil.sensors.ledger import Ledger
from dsmil.store import graphdb, loss, segments
from dsmil.store.audit import AuditLog
from dsmil.store.chain import AuditRow
from dsmil.store.hot import HotPathDB
from dsmil.store.hot_file import HotConfig
from dsmil.store.loss import LossLog, LossRow, read_losses
from dsmil.store.reader import AuditReader
from dsmil.store.sqlite import sql_dir

SHIPPED = Path(__file__).parent / "shipped"
FAMILIES = sorted(path.name for path in sql_dir("hot").parent.iterdir() if path.is_dir())


def dumps(family: str) -> list[Path]:
    return sorted(SHIPPED.glob(f"{family}_*.sql"))


def restore(dump: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(dump.read_text("utf-8"))


def versions(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute("PRAGMA user_version").fetchone()[0])


@pytest.mark.parametrize("family", FAMILIES)
def test_every_schema_has_its_dump(family: str) -> None:
    steps = [int(path.name[:4]) for path in sorted(sql_dir(family).glob("[0-9]*.sql"))]
    assert [int(path.stem[-4:]) for path in dumps(family)] == steps == list(range(1, len(steps) + 1))


@pytest.mark.parametrize("dump", dumps("audit"), ids=lambda path: path.stem)
def test_an_old_audit_segment_is_read_verified_and_continued(
    dump: Path, tmp_path: Path, clock: FakeClock
) -> None:
    path = segments.path_of(tmp_path, 1, clock.now())
    restore(dump, path)
    assert len(list(AuditReader(tmp_path).rows())) == 5, "before anybody migrated it"
    log = AuditLog(tmp_path, clock=clock)
    row = AuditRow("L3_IN", "1700000000009-0", "event-9", 1.5, 2.5, "ais.position", "t", b"{}")
    known = AuditRow("L3_IN", "1700000000001-0", "event-1", 1.5, 2.5, "ais.position", "t", b"{}")
    assert log.append([known, row]) == 1, "what it holds is known, what is new is chained to it"
    assert log.verify().ok
    log.close()
    assert [each.event_id for each in AuditReader(tmp_path).rows()] == [f"event-{n}" for n in (0, 1, 2, 3, 4, 9)]
    assert versions(path) == len(dumps("audit"))


@pytest.mark.parametrize("dump", dumps("loss"), ids=lambda path: path.stem)
def test_an_old_loss_ledger_keeps_its_rows(dump: Path, tmp_path: Path) -> None:
    restore(dump, tmp_path / loss.FILE)
    log = LossLog(tmp_path)
    known = LossRow(1.0, "trimmed", "L3_IN", "l3", "1-0", "2-0", 2, "a test row")
    assert log.add([known, LossRow(2.0, "trimmed")]) == 1, "the old row is known again"
    assert log.epochs() == {"L3_IN": "e1"}
    log.close()
    assert known in read_losses(tmp_path)
    assert versions(tmp_path / loss.FILE) == len(dumps("loss"))


@pytest.mark.parametrize("dump", dumps("ingest"), ids=lambda path: path.stem)
def test_an_old_ingest_ledger_still_knows_its_files(dump: Path, tmp_path: Path, clock: FakeClock) -> None:
    restore(dump, tmp_path / "ingest.db")
    ledger = Ledger(tmp_path / "ingest.db", clock=clock)
    ledger.open()
    mark = ledger.begin("a" * 64, "ais", path="again.nmea")
    ledger.close()
    assert mark.ingested and (mark.seq, mark.received) == (3, 4)
    assert versions(tmp_path / "ingest.db") == len(dumps("ingest"))


@pytest.mark.parametrize("dump", dumps("graph"), ids=lambda path: path.stem)
def test_an_old_graph_database_keeps_snapshots_and_rows(dump: Path, tmp_path: Path) -> None:
    restore(dump, tmp_path / "graph.db")
    assert [one.event_id for one in graphdb.snapshots(tmp_path / "graph.db")] == ["event-2"]
    database = graphdb.GraphDb(tmp_path / "graph.db")
    assert database.reached() == graphdb.Reached("e1", 2, "1700000000001-0", {"HIGH": 1})
    database.write(graphdb.Changes(gone_edges=["he:meets:1"]), graphdb.Reached("e1", 3))
    database.close()
    with closing(sqlite3.connect(tmp_path / "graph.db")) as connection:
        assert connection.execute("SELECT id, labels FROM nodes").fetchall() == [("vessel:1", '{"name":"ONE"}')]
        assert connection.execute("SELECT id FROM edges").fetchall() == []
    assert versions(tmp_path / "graph.db") == len(dumps("graph"))


@pytest.mark.parametrize("dump", dumps("hot"), ids=lambda path: path.stem)
def test_an_old_hot_database_keeps_its_events(dump: Path, tmp_path: Path) -> None:
    restore(dump, tmp_path / "hotpath.db")
    hot = HotPathDB(HotConfig(tmp_path / "hotpath.db"))
    assert hot.connect()
    assert hot.insert_event("event-2", 15, 3, "t", "GENERAL", "SECURITY", "HIGH", {"a": 1})
    assert [row["event_id"] for row in hot.get_recent_events(layer=3)] == ["event-2", "event-1"]
    hot.disconnect()
    assert versions(tmp_path / "hotpath.db") == len(dumps("hot"))
