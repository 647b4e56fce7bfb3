"""graph.db takes a batch whole or not at all, keeps the newest snapshots and one an hour, and makes itself anew."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest

from dsmil.errors import Unavailable
from dsmil.store.graphdb import About, Changes, GraphDb, Reached, snapshot_data, snapshots
from dsmil.store.sqlite import sql_dir

HOUR = 3600.0


def node(node_id: str, sequence: int = 1) -> tuple:
    return (node_id, "vessel", 54.0, 10.0, None, None, "{}", "{}", 1.0, 2.0, sequence)


def edge(edge_id: str, *nodes: str) -> tuple:
    return (edge_id, "meets", str(list(nodes)), 0.5, "{}", "{}", 2.0, 1)


def about(sequence: int, created_ts: float = 0.0) -> About:
    return About(sequence, "e", 1.0, f"g{sequence}", created_ts, 1, 0, 4, "00")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[GraphDb]:
    made = GraphDb(tmp_path / "graph" / "graph.db")
    yield made
    made.close()


def ids(database: GraphDb, table: str = "nodes") -> list[str]:
    with closing(sqlite3.connect(database.path)) as connection:
        return [row[0] for row in connection.execute(f"SELECT id FROM {table} ORDER BY id")]


def test_a_batch_is_one_transaction_with_the_number_it_reached(database: GraphDb) -> None:
    database.write(
        Changes(nodes=[node("a"), node("b")], edges=[edge("e", "a", "b")]), Reached("e1", 7, "5-0", {"HIGH": 2})
    )
    assert database.reached() == Reached("e1", 7, "5-0", {"HIGH": 2})
    broken = iter([node("c"), ("too", "short")])
    with pytest.raises(Unavailable):
        database.write(Changes(nodes=broken, gone_nodes=["a"]), Reached("e1", 8))
    assert ids(database) == ["a", "b"], "nothing of a batch that failed"
    assert database.reached().sequence == 7
    database.write(Changes(gone_nodes=["a"], gone_edges=["e"]), Reached("e1", 8))
    assert (ids(database), ids(database, "edges")) == (["b"], [])


def test_written_twice_is_written_once(database: GraphDb) -> None:
    for _ in range(2):
        database.write(Changes(nodes=[node("a")], edges=[edge("e", "a")]), Reached("e1", 1))
    assert (ids(database), ids(database, "edges")) == (["a"], ["e"])


def test_afresh_leaves_nothing_of_before(database: GraphDb) -> None:
    database.write(Changes(nodes=[node("a")], edges=[edge("e", "a")]), Reached("e1", 1))
    database.write(Changes(nodes=[node("b")], afresh=True), Reached("e2", 1_000_000))
    assert (ids(database), ids(database, "edges")) == (["b"], [])


def test_the_newest_stay_and_the_newest_of_each_hour(database: GraphDb) -> None:
    for sequence in range(1, 21):
        database.keep(about(sequence, sequence * HOUR / 4), b"data", last=2, hours=2)
    assert [one.sequence for one in snapshots(database.path)] == [20, 19, 15]
    assert snapshots(database.path)[0] == about(20, 5 * HOUR)
    assert snapshot_data(database.path, 19) == b"data"
    assert snapshot_data(database.path, 1) is None
    database.drop([20])
    assert [one.sequence for one in snapshots(database.path)] == [19, 15]
    database.keep(about(21, 9 * HOUR), b"data", last=2, hours=0)
    assert [one.sequence for one in snapshots(database.path)] == [21, 19]


def test_before_there_is_a_file_there_are_no_snapshots(tmp_path: Path) -> None:
    assert snapshots(tmp_path / "none.db") == []
    assert snapshot_data(tmp_path / "none.db", 1) is None
    (tmp_path / "empty.db").touch()
    assert snapshots(tmp_path / "empty.db") == []


def test_a_damaged_file_is_set_aside_and_made_anew(database: GraphDb) -> None:
    database.write(Changes(nodes=[node("a")]), Reached("e1", 1))
    database.close()
    database.path.write_bytes(b"this was a database, and is none " * 100)
    with pytest.raises(Unavailable) as said:
        database.open()
    assert "set aside" in (said.value.hint or "")
    database.open()
    assert database.reached() == Reached()
    assert database.path.with_name("graph.db.bad").exists()


def test_a_full_disk_keeps_nothing_of_the_batch_and_passes(
    small_disk: Callable[[int], AbstractContextManager[Path]],
) -> None:
    with small_disk(2 << 20) as place:
        database = GraphDb(place / "graph.db")
        database.write(Changes(nodes=[node("a")]), Reached("e1", 1))
        with pytest.raises(Unavailable):
            database.keep(about(2), bytes(4 << 20), last=2, hours=0)
        assert snapshots(database.path) == []
        database.write(Changes(nodes=[node("b")]), Reached("e1", 2))
        assert ids(database) == ["a", "b"]
        database.close()


def test_the_schema_runs_at_the_prompt_as_well_and_twice(tmp_path: Path) -> None:
    script = (sql_dir("graph") / "0001_init.sql").read_text("utf-8")
    with closing(sqlite3.connect(tmp_path / "g.db")) as connection:
        connection.executescript(script)
        connection.executescript(script)
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables >= {"snapshots", "nodes", "edges"}
