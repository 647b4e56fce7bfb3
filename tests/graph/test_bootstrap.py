"""Whatever was torn, trimmed or lost: the graph a process begins with is what folding the audit log gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsmil.clock import FakeClock
from dsmil.events.envelope import decode
from dsmil.graph import history, snapshot
from dsmil.graph.bootstrap import Gap, Rebuild, of_audit, open_graph
from dsmil.graph.fold import fold
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.intake import RECENT_MIN, Intake
from dsmil.graph.state import state_hash
from dsmil.store.chain import AuditRow
from dsmil.store.graphdb import About, snapshots
from tests.graph.suite import GRAPH, NOW, Suite, gone, seen

pytestmark = pytest.mark.live


def plain(data: list[bytes]) -> str:
    """The state after the events one after the other, each once."""
    graph = Hypergraph()
    for number, one in enumerate(data, 1):
        fold(graph, number, decode(one))
    return state_hash(graph)


def rebuild(suite: Suite) -> tuple[Hypergraph, list[Gap], Rebuild]:
    gaps: list[Gap] = []
    made = Rebuild(suite.settings, suite.wire, tell=gaps.append)
    for _ in made.steps():
        pass
    return made.intake.graph, gaps, made


def test_a_snapshot_and_the_rest_of_the_stream(suite: Suite) -> None:
    data = [seen(n) for n in range(1, 31)]
    suite.add(data[:20])
    suite.rest()
    assert suite.projector.snapshot()
    suite.add(data[20:])
    graph, gaps, made = rebuild(suite)
    assert (state_hash(graph), graph.sequence, gaps) == (plain(data), 30, [])
    assert graph.epoch == suite.epoch()
    assert made.intake.recent.keys() == {f"g{n:06d}" for n in range(1, 31)}
    assert state_hash(open_graph(suite.settings, suite.wire)) == plain(data)


def test_nothing_at_all_is_an_empty_graph(suite: Suite) -> None:
    graph, gaps, _ = rebuild(suite)
    assert (graph.sequence, len(graph.nodes), gaps) == (0, 0, [])


def test_where_the_tail_is_trimmed_the_audit_log_has_it(suite: Suite) -> None:
    data = [seen(n) for n in range(1, 41)]
    suite.add(data[:10])
    suite.rest()
    suite.projector.snapshot()
    suite.add(data[10:])
    suite.write_audit()
    suite.redis.xtrim("GRAPH_EVENTS", minid="0-35", approximate=False)
    graph, gaps, _ = rebuild(suite)
    assert (state_hash(graph), graph.sequence, gaps) == (plain(data), 40, [])


def test_without_any_snapshot_the_audit_log_and_the_stream_do(suite: Suite) -> None:
    data = [seen(n) for n in range(1, 41)]
    suite.add(data)
    suite.write_audit(upto=25)
    suite.redis.xtrim("GRAPH_EVENTS", minid="0-26", approximate=False)
    graph, gaps, _ = rebuild(suite)
    assert (state_hash(graph), graph.sequence, gaps) == (plain(data), 40, [])


def test_what_is_no_event_and_audited_before_its_batch_is_no_divergence(suite: Suite) -> None:
    """The drainer writes down what it cannot read before the events it read with it."""
    data = [seen(n) for n in range(1, 11)]
    suite.add([*data[:5], b"junk", *data[5:8], b"junk", *data[8:]])
    numbers = [1, 2, 3, 4, 5, 7, 8, 9, 11, 12]
    bad = [
        AuditRow(GRAPH.value, f"0-{n}", f"bad{n}", NOW, NOW, "undecodable", "", b"junk", "no event")
        for n in (6, 10)
    ]
    good = [
        AuditRow(GRAPH.value, f"0-{n}", event.event_id, event.ts, event.ingest_ts, event.kind, "l3", one)
        for n, one in zip(numbers, data, strict=True)
        for event in (decode(one),)
    ]
    suite.audit.append([*bad, *good[:7]])
    graph, gaps, made = rebuild(suite)
    assert (state_hash(graph), graph.sequence, gaps, made.diverged) == (plain(data), 12, [], False)
    suite.audit.append(good[7:8])
    suite.redis.xtrim("GRAPH_EVENTS", minid="0-11", approximate=False)
    graph, gaps, made = rebuild(suite)
    assert (state_hash(graph), graph.sequence, gaps, made.diverged) == (plain(data), 12, [], False)
    then = history.picture_at(suite.settings, 7)
    assert (state_hash(then), then.sequence) == (plain(data[:6]), 7)


def test_an_id_of_somebodys_own_in_the_audit_log_is_left_out_as_in_the_stream(suite: Suite) -> None:
    data = [seen(n) for n in range(1, 6)]
    suite.add(data)
    suite.write_audit()
    own = decode(seen(9))
    suite.audit.append([AuditRow(GRAPH.value, "5-1", own.event_id, NOW, NOW, own.kind, "l3", seen(9))])
    graph, gaps, made = rebuild(suite)
    assert (state_hash(graph), graph.sequence, gaps, made.diverged) == (plain(data), 5, [], False)
    assert len(graph.as_of(0).nodes) == 0
    assert state_hash(history.picture_at(suite.settings, 3)) == plain(data[:3])
    assert state_hash(of_audit(suite.settings.paths.audit)) == plain(data)


def test_an_entry_with_several_fields_is_the_same_event_to_everybody(suite: Suite) -> None:
    suite.redis.xadd("GRAPH_EVENTS", {"other": b"x", "event": seen(1)}, id="0-*")
    suite.wire.call("XADD", "GRAPH_EVENTS", "0-*", "event", b"{}", "event", seen(2))
    live = state_hash(suite.rest())
    assert live == state_hash(rebuild(suite)[0]) == plain([seen(1), seen(2)])


def test_a_torn_snapshot_falls_back_to_the_one_before_and_says_so(
    suite: Suite, capsys: pytest.CaptureFixture[str]
) -> None:
    data = [seen(n) for n in range(1, 31)]
    for part in (data[:10], data[10:20]):
        suite.add(part)
        suite.rest()
        suite.projector.snapshot()
    suite.add(data[20:])
    tear(suite, 20)
    graph, gaps, made = rebuild(suite)
    assert (state_hash(graph), graph.sequence) == (plain(data), 30)
    assert [(gap.kind, gap.first) for gap in gaps] == [("snapshot_torn", 20)]
    assert made.unfit == [20]
    assert '"snapshot_torn"' in capsys.readouterr().err
    suite.restart()
    assert [one.sequence for one in snapshots(suite.settings.paths.graph_db)] == [10], "the torn one is removed"
    assert suite.losses() == ["snapshot_torn"]


def test_all_torn_and_all_trimmed_leaves_a_gap_that_is_said(suite: Suite) -> None:
    suite.add([seen(n) for n in range(1, 31)])
    suite.rest()
    suite.projector.snapshot()
    tear(suite, 30)
    suite.redis.xtrim("GRAPH_EVENTS", minid="0-21", approximate=False)
    graph, gaps, _ = rebuild(suite)
    assert graph.sequence == 30
    assert [(gap.kind, gap.first, gap.last) for gap in gaps] == [("snapshot_torn", 30, 30), ("graph_gap", 1, 20)]


def test_what_was_said_twice_is_folded_once_by_everybody(suite: Suite) -> None:
    """A producer whose answer was lost says it again; the audit log has each event once."""
    data = [seen(n, 211_000_001) for n in range(1, 6)]
    suite.add([*data, data[2], data[4], seen(6, 211_000_001)])
    suite.write_audit()
    suite.rest()
    live = suite.keeper.graph
    expected = plain([*data, seen(6, 211_000_001)])
    assert live.sequence == 8
    assert state_hash(live) == state_hash(rebuild(suite)[0]) == state_hash(of_audit(suite.settings.paths.audit))
    assert state_hash(live) == expected
    (vessel,) = live.nodes.values()
    assert vessel.seen[0].count == 6


def test_a_repeat_after_a_snapshot_is_still_known(suite: Suite) -> None:
    data = [seen(n, 211_000_001) for n in range(1, 6)]
    suite.add(data)
    suite.rest()
    suite.projector.snapshot()
    suite.add(data[3:])
    assert state_hash(rebuild(suite)[0]) == plain(data)
    suite.restart()
    assert state_hash(suite.keeper.graph) == plain(data)


def test_where_numbers_were_handed_out_twice_each_event_counts_once(suite: Suite) -> None:
    """Redis lost its end after the audit log had it, and gave the same numbers to others."""
    data = [seen(n, 211_000_001) for n in range(1, 11)]
    suite.add(data)
    suite.rest()
    suite.projector.snapshot()
    suite.write_audit()
    lose_end(suite, keep=6)
    suite.add([seen(21, 211_000_001), data[8], seen(22, 211_000_001)])
    expected = plain([*data, seen(21, 211_000_001), seen(22, 211_000_001)])
    graph, gaps, made = rebuild(suite)
    assert made.diverged
    assert (state_hash(graph), gaps) == (expected, [])
    suite.write_audit()
    assert state_hash(of_audit(suite.settings.paths.audit)) == expected
    assert state_hash(rebuild(suite)[0]) == expected


def test_a_snapshot_of_a_past_that_did_not_happen_is_passed_over(suite: Suite) -> None:
    """Its last events were neither audited nor are they in the stream any more."""
    data = [seen(n, 211_000_001) for n in range(1, 11)]
    suite.add(data[:6])
    suite.rest()
    suite.projector.snapshot()
    suite.write_audit()
    suite.add(data[6:])
    suite.rest()
    suite.projector.snapshot()
    lose_end(suite, keep=6)
    suite.add([seen(21, 211_000_001)])
    graph, _, made = rebuild(suite)
    assert made.unfit == [10]
    assert state_hash(graph) == plain([*data[:6], seen(21, 211_000_001)])


def test_a_snapshot_nobody_can_confirm_is_better_than_none(suite: Suite) -> None:
    suite.add([seen(n) for n in range(1, 11)])
    suite.rest()
    suite.projector.snapshot()
    suite.redis.flushall()
    graph, gaps, _ = rebuild(suite)
    assert (state_hash(graph), gaps) == (plain([seen(n) for n in range(1, 11)]), [])


def test_deletions_are_part_of_it(suite: Suite) -> None:
    data = [*(seen(n) for n in range(1, 11)), gone(11, "vessel:211000001")]
    suite.add(data)
    suite.write_audit()
    graph = of_audit(suite.settings.paths.audit)
    assert state_hash(graph) == plain(data)
    assert "vessel:211000001" not in graph.nodes


def test_ids_are_kept_for_as_long_as_repeats_may_come() -> None:
    intake = Intake()
    first = decode(seen(1))
    intake.take(1, first)
    for number in range(2, 2 * RECENT_MIN):
        intake.recent[f"x{number}"] = number
    intake.take(2, first)
    assert (intake.repeats, intake.graph.sequence) == (1, 2)
    intake.take(3, decode(seen(3)))
    intake.take(4, decode(seen(4)))
    assert len(intake.recent) == RECENT_MIN + 1
    assert intake.last == ("g000004", 4)


def test_what_is_no_event_spends_its_number(suite: Suite) -> None:
    suite.add([seen(1), b"no event", seen(3)])
    graph, gaps, _ = rebuild(suite)
    assert (graph.sequence, graph.refused, gaps) == (3, 1, [])


def tear(suite: Suite, sequence: int) -> None:
    """The snapshot loses its last bytes, as after a power cut."""
    database = suite.keeper._database
    (about,) = [one for one in snapshots(database.path) if one.sequence == sequence]
    data = snapshot_of(database.path, sequence)
    database.keep(about, data[:-3], last=5, hours=0)


def snapshot_of(path: Path, sequence: int) -> bytes:
    from dsmil.store.graphdb import snapshot_data

    data = snapshot_data(path, sequence)
    assert data is not None
    return data


def lose_end(suite: Suite, *, keep: int) -> None:
    """Redis comes back with the first entries only, groups and epochs as they were."""
    rows = suite.entries()[:keep]
    suite.redis.delete("GRAPH_EVENTS")
    for number, data in rows:
        suite.redis.xadd("GRAPH_EVENTS", {"event": data}, id=f"0-{number}")
    for group in ("drainer", "projector"):
        suite.redis.xgroup_create("GRAPH_EVENTS", group, id=f"0-{keep}")


def test_reading_and_folding_are_one_whole(suite: Suite, clock: FakeClock) -> None:
    """A snapshot made of the rebuilt graph says the same again."""
    suite.add([seen(n) for n in range(1, 11)])
    _, _, made = rebuild(suite)
    data = snapshot.encode(made.intake.graph, made.intake.recent)
    again = snapshot.decode(data)
    about = About(10, again.epoch, again.ts, made.intake.last[0], clock.now(), 7, 0, len(data), "")
    assert about.event_id == "g000010"
    assert again.ts == NOW + 10
