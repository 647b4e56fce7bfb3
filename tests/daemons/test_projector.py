"""The projector keeps rows, keys and snapshots like its graph, and comes back to the same graph after any end."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dsmil.clock import FakeClock
from dsmil.config import Settings
from dsmil.config.projector import Projector as Section
from dsmil.config.streams import Streams
from dsmil.events.enums import Category, Severity
from dsmil.events.envelope import Event, encode
from dsmil.events.graph import EDGE_UPDATE, NODE_DELETE, NODE_UPDATE, Patch
from dsmil.fabric.janitor import GRAPH_KEPT, Janitor
from dsmil.graph.bootstrap import of_audit
from dsmil.graph.keeper import HOLD_MAX
from dsmil.graph.state import state_hash
from dsmil.store.graphdb import snapshots
from tests.graph.suite import NOW, Suite, keys, running, seen, told
from tests.graph.test_projection import agree

pytestmark = pytest.mark.live


@pytest.fixture
def suite(tmp_path: Path, redis_socket: str) -> Iterator[Suite]:
    yield from running(tmp_path, redis_socket)


def rows(suite: Suite) -> dict[str, Any]:
    """graph.db's nodes and edges, as the API would show them."""
    found: dict[str, Any] = {}
    with closing(sqlite3.connect(suite.settings.paths.graph_db)) as database:
        database.row_factory = sqlite3.Row
        for row in database.execute("SELECT * FROM nodes"):
            place = [one for one in (row["lat"], row["lon"], row["alt"]) if one is not None] or None
            found[row["id"]] = {
                "id": row["id"], "kind": row["kind"], "position": place, "frequency": row["frequency"],
                "labels": msgspec.json.decode(row["labels"]), "metadata": msgspec.json.decode(row["metadata"]),
                "created_at": row["created_at"], "updated_at": row["updated_at"],
            }  # fmt: skip
        for row in database.execute("SELECT * FROM edges"):
            found[row["id"]] = {
                "id": row["id"], "kind": row["kind"], "nodes": msgspec.json.decode(row["nodes"]),
                "weight": row["weight"], "labels": msgspec.json.decode(row["labels"]),
                "metadata": msgspec.json.decode(row["metadata"]), "timestamp": row["timestamp"],
            }  # fmt: skip
    return found


def entities(suite: Suite) -> dict[str, Any]:
    graph = suite.keeper.graph
    found = {one.id: one.to_dict() for one in (*graph.nodes.values(), *graph.edges.values())}
    return dict(msgspec.json.decode(msgspec.json.encode(found)))


def mixed(first: int, count: int) -> list[bytes]:
    """Ships seen, hosts linked, radios, deletions."""
    found = []
    for n in range(first, first + count):
        if n % 5 == 0:
            found.append(
                told(n, EDGE_UPDATE, Patch(id=f"flow:{n % 15}", nodes=(f"host:ip:10.0.0.{n % 9}", "svc:a")))
            )
        elif n % 7 == 0:
            found.append(told(n, NODE_UPDATE, Patch(id=f"rf:{n % 4}", frequency=430.0 + n)))
        elif n % 11 == 0:
            found.append(told(n, NODE_DELETE, Patch(id=f"host:ip:10.0.0.{n % 9}")))
        else:
            found.append(seen(n))
    return found


def test_row_27_rows_and_keys_equal_the_graph_once_it_is_quiet(suite: Suite) -> None:
    for first in (1, 61, 121):
        suite.add(mixed(first, 60))
        suite.rest()
        assert rows(suite) == entities(suite)
        agree(suite.redis, suite.keeper.graph)
    assert suite.keeper.graph.sequence == 180
    suite.write_audit()
    assert state_hash(of_audit(suite.settings.paths.audit)) == state_hash(suite.keeper.graph)


def test_row_27_the_audit_log_has_the_streams_order(suite: Suite) -> None:
    suite.add(mixed(1, 40))
    suite.rest()
    suite.write_audit()
    ids = [row.stream_id for row in suite.audit.rows("GRAPH_EVENTS")]
    assert ids == [f"0-{number}" for number in range(1, 41)]


def test_row_26_killed_and_started_it_is_as_before_and_the_numbers_go_on(suite: Suite) -> None:
    weigh = [told(n, EDGE_UPDATE, Patch(id="he:w", nodes=("a", "b"), weight=n * 0.5)) for n in range(1, 4)]
    suite.add(weigh)
    suite.rest()
    suite.projector.snapshot()
    suite.add(mixed(10, 50))
    suite.rest()
    before, sequence = state_hash(suite.keeper.graph), suite.keeper.graph.sequence
    suite.restart()
    after = suite.keeper.graph
    assert (state_hash(after), after.sequence) == (before, sequence)
    assert after.edges["he:w"].weight == 1.5
    assert sum(row.count for node in after.nodes.values() for row in node.seen) == len(
        [n for n in range(10, 60) if n % 5 and n % 7 and n % 11]
    ), "nothing counted twice"
    assert suite.add([seen(99)]) == [sequence + 1]
    assert suite.rest().sequence == sequence + 1
    assert suite.losses() == []


def test_what_the_group_hands_out_again_is_acknowledged_and_not_folded_twice(suite: Suite) -> None:
    """Killed after the fold and before the acknowledgement."""
    suite.add([seen(n, 211_000_001) for n in range(1, 21)])
    suite.redis.xreadgroup("projector", "projector-0", {"GRAPH_EVENTS": ">"}, count=10)
    suite.restart()
    (vessel,) = suite.keeper.graph.nodes.values()
    assert vessel.seen[0].count == 20
    (group,) = [g for g in suite.redis.xinfo_groups("GRAPH_EVENTS") if g["name"] == b"projector"]  # type: ignore[union-attr]
    assert group["pending"] == 0


@pytest.mark.parametrize("lost", ["FLUSHALL", "DEL GRAPH_EVENTS", "DEL dsmil:epoch"])
def test_after_a_loss_the_stream_goes_on_at_the_next_million_and_nothing_known_is_lost(
    suite: Suite, lost: str
) -> None:
    suite.add(mixed(1, 30))
    suite.rest()
    suite.write_audit()
    before, epoch = state_hash(suite.keeper.graph), suite.epoch()
    suite.redis.execute_command(*lost.split())  # type: ignore[no-untyped-call]
    graph = suite.rest()
    assert (state_hash(graph), graph.sequence) == (before, 1_000_000)
    assert suite.epoch() not in ("", epoch)
    assert "graph_renumbered" in suite.losses()
    assert suite.add([seen(31)]) == [1_000_001]
    graph = suite.rest()
    assert graph.sequence == 1_000_001
    assert rows(suite) == entities(suite)
    agree(suite.redis, graph)
    suite.restart()
    assert suite.keeper.graph.sequence == 1_000_001
    assert suite.losses().count("graph_renumbered") == 1


def test_a_redis_that_lost_its_end_is_found_out_by_its_events(suite: Suite) -> None:
    """The numbers it gave out a second time went to others; each event counts once."""
    data = [seen(n, 211_000_001) for n in range(1, 11)]
    suite.add(data)
    suite.rest()
    suite.write_audit()
    suite.redis.xtrim("GRAPH_EVENTS", maxlen=0, approximate=False)
    suite.redis.delete("GRAPH_EVENTS")
    for number, one in enumerate([*data[:6], *(seen(n, 211_000_001) for n in range(21, 26))], 1):
        suite.redis.xadd("GRAPH_EVENTS", {"event": one}, id=f"0-{number}")
    for group in ("drainer", "projector"):
        suite.redis.xgroup_create("GRAPH_EVENTS", group, id="0-6")
    graph = suite.rest()
    assert graph.sequence == 1_000_000
    assert suite.losses().count("graph_renumbered") == 1
    assert graph.nodes["vessel:211000001"].seen[0].count == 15
    suite.write_audit()
    assert state_hash(of_audit(suite.settings.paths.audit)) == state_hash(graph)
    suite.restart()
    assert suite.losses().count("graph_renumbered") == 1
    assert state_hash(suite.keeper.graph) == state_hash(graph)


@pytest.mark.parametrize("every_s", [30, 300])
def test_a_snapshot_is_kept_at_its_time_and_only_where_something_changed(
    tmp_path: Path, redis_socket: str, every_s: int
) -> None:
    suite = Suite(tmp_path, redis_socket, snapshot_s=every_s, keep=5, keep_hours=0)
    suite.rest()
    for number in range(1, 3 * every_s + 10):
        suite.add([seen(number)])
        suite.projector.step(0.0)
        suite.clock.advance(1.0)
    times = [one.created_ts for one in snapshots(suite.settings.paths.graph_db)]
    assert [round(later - earlier) for later, earlier in pairwise(times)] == [every_s] * (len(times) - 1)
    assert len(times) == 3
    for _ in range(12):
        suite.projector.step(0.0)
        suite.clock.advance(every_s / 4)
    found = snapshots(suite.settings.paths.graph_db)
    assert (len(found), found[0].sequence) == (4, 3 * every_s + 9), "one for the rest, none without a change"
    suite.close()


@pytest.mark.parametrize("seconds", [29.9, 300.1])
def test_the_cadence_has_bounds(seconds: float) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"snapshot_s": seconds}, Section)


def test_told_to_stop_it_leaves_a_snapshot_of_all_it_has(suite: Suite) -> None:
    suite.add(mixed(1, 20))
    suite.rest()
    suite.stop()
    assert [one.sequence for one in snapshots(suite.settings.paths.graph_db)] == [20]
    suite.keeper, suite.projector = suite._projector()
    suite.rest()
    assert suite.projector.stats()["processed"] == 0


def test_the_stream_is_trimmed_no_further_than_the_oldest_newest_snapshot(suite: Suite, clock: FakeClock) -> None:
    streams = Streams(retention_s=60)
    janitor = Janitor(suite.redis, streams, clock=clock, required=lambda _: ("projector",))

    def trimmed() -> int:
        janitor.trim()
        clock.advance(200.0)
        janitor.trim()
        return suite.entries()[0][0] if suite.entries() else 0

    suite.add([seen(n) for n in range(1, 101)])
    suite.rest()
    assert trimmed() == 1, "before there is a snapshot nothing goes"
    suite.projector.snapshot()
    suite.add([seen(n) for n in range(101, 201)])
    suite.rest()
    assert trimmed() == 1, f"the last {GRAPH_KEPT} stay however old they are"
    suite.wire.call("XSETID", "GRAPH_EVENTS", f"0-{150 + GRAPH_KEPT}")
    assert trimmed() == 100, "the snapshot's own entry is the first that stays"


def test_in_a_flood_a_snapshot_is_made_before_its_time(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the stream would be full of what it must keep for us, and its producers would wait."""
    monkeypatch.setattr("dsmil.graph.keeper.FLOOD", 40)
    for first in (1, 31, 61):
        suite.add([seen(n) for n in range(first, first + 30)])
        for _ in range(3):
            suite.projector.step(0.0)
    assert [one.sequence for one in snapshots(suite.settings.paths.graph_db)] == [60]


def test_asked_for_a_snapshot_it_makes_one_though_nothing_changed(suite: Suite) -> None:
    suite.add([seen(1)])
    suite.rest()
    suite.projector.snapshot()
    (before,) = snapshots(suite.settings.paths.graph_db)
    suite.clock.advance(2.0)
    suite.redis.set("dsmil:snapshot:take", "1")
    suite.rest()
    (after,) = snapshots(suite.settings.paths.graph_db)
    assert (after.sequence, after.checksum) == (before.sequence, before.checksum)
    assert after.created_ts > before.created_ts
    assert not suite.redis.exists("dsmil:snapshot:take")


def test_old_snapshots_hold_the_stream_only_so_far(suite: Suite) -> None:
    keeper = suite.keeper
    keeper._kept, keeper.snapshot_sequence = [HOLD_MAX * 3, HOLD_MAX * 3 - 10, HOLD_MAX], HOLD_MAX * 3
    assert keeper.held == HOLD_MAX * 3 - 10


def soc(number: int, severity: Severity, kind: str = "soc") -> bytes:
    return encode(
        Event(
            event_id=f"s{number}", ts=NOW, ingest_ts=NOW, source_device=52, source_layer=8, source="soc-router",
            category=Category.SECURITY, severity=severity, kind=kind,
        )
    )  # fmt: skip


def test_soc_events_are_counted_by_severity_each_once(suite: Suite) -> None:
    for number in range(6):
        suite.redis.xadd("SOC_EVENTS", {"event": soc(number, Severity.HIGH if number % 2 else Severity.LOW)})
    suite.redis.xadd("SOC_EVENTS", {"event": soc(9, Severity.HIGH, kind="soc.repeats")})
    suite.rest()
    assert suite.keeper.soc == {"LOW": 3, "HIGH": 3}
    suite.redis.xgroup_setid("SOC_EVENTS", "projector", "0")
    suite.restart()
    suite.redis.xadd("SOC_EVENTS", {"event": soc(10, Severity.CRITICAL)})
    suite.rest()
    assert suite.keeper.soc == {"LOW": 3, "HIGH": 3, "CRITICAL": 1}
    counters = keys(suite.redis)["dsmil:counters"]
    assert {name: count for name, count in counters.items() if name.startswith("soc:")} == {
        "soc:LOW": "3", "soc:HIGH": "3", "soc:CRITICAL": "1",
    }  # fmt: skip


def test_what_is_no_event_is_buried_and_the_next_one_still_follows(suite: Suite) -> None:
    suite.add([seen(1), b"no event", seen(3)])
    graph = suite.rest()
    assert (graph.sequence, graph.refused) == (3, 1)
    assert suite.redis.xlen("DEAD_LETTER") == 1
    assert suite.losses() == []


def test_entries_that_are_gone_are_said_and_passed(suite: Suite) -> None:
    suite.add([seen(n) for n in range(1, 8)])
    suite.redis.xdel("GRAPH_EVENTS", "0-3", "0-4")
    graph = suite.rest()
    assert graph.sequence == 7
    assert "graph_gap" in suite.losses()


def test_a_damaged_database_is_made_anew_and_no_event_is_buried(suite: Suite) -> None:
    suite.add(mixed(1, 20))
    suite.rest()
    path = suite.settings.paths.graph_db
    suite.keeper.close()
    for old in path.parent.glob("graph.db-*"):
        old.unlink()
    path.write_bytes(b"not a database at all " * 400)
    suite.add(mixed(21, 20))
    suite.rest()
    assert rows(suite) == entities(suite)
    assert suite.redis.xlen("DEAD_LETTER") == 0
    assert path.with_name("graph.db.bad").exists()


def test_settings_stand_in_their_section() -> None:
    assert Settings().projector == Section(batch=500, snapshot_s=60.0, keep=5, keep_hours=24, heartbeat_s=30.0)
