"""`dsmil query` answers from the graph at any kept moment; `dsmil diff` tells what changed in an answer."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.cli.world import NOW, World

SHIPS = 'FIND NODES WHERE kind = "vessel"'


def ids(answer: Any, what: str = "nodes") -> list[str]:
    return [one["id"] for one in answer[what]]


def test_a_query_is_answered_as_the_api_tells_it(world: World) -> None:
    found = world.json("query", SHIPS)
    assert ids(found) == ["vessel:1", "vessel:2", "vessel:3"]
    assert (found["count"], found["cursor"], found["sequence_id"], found["edges"]) == (3, None, 9, [])
    assert found["nodes"][0]["position"] == [55.8, 12.7] and found["nodes"][0]["updated_at"] == NOW + 8


def test_text_comes_from_stdin_and_names_its_fault_with_line_and_column(world: World) -> None:
    assert ids(world.json("query", "-", stdin='FIND EDGES\nWHERE kind = "heard"'), "edges") == ["he:heard:1"]
    done = world.run("query", "-", stdin="FIND NODES\nWHERE kind ==")
    assert done.exit_code == 2 and "line 2, column" in done.stderr and "expected" in done.stderr


def test_people_see_a_table_without_anything_that_acts_on_a_screen(world: World) -> None:
    done = world.run("query", SHIPS, "--limit", "2")
    assert done.exit_code == 0 and "\x1b" not in done.stdout and "ALMA\ufffd[2J" in done.stdout
    head, first, second = done.stdout.splitlines()
    assert head.split() == ["id", "kind", "name", "position", "MHz", "seen", "labels"]
    assert first.startswith("vessel:1") and "55.80000, 12.70000" in first and "2023-11-14" in first
    assert second.index("vessel", 8) == head.index("kind")
    assert "2 shown, 3 fit, at sequence 9" in done.stderr
    cursor = re.search(r"--cursor (\S+)", done.stderr)
    assert cursor is not None
    assert ids(world.json("query", SHIPS, "--cursor", cursor[1])) == ["vessel:3"]
    assert world.run("query", f"{SHIPS} RETURN count").stdout == "3\n"


def test_a_subgraph_shows_nodes_and_edges(world: World) -> None:
    shown = world.run("query", 'FIND SUBGRAPH WHERE kind = "vessel"').stdout
    assert "he:meet:1" in shown and "vessel:1, vessel:2" in shown and "he:heard:1" not in shown


def test_explain_tells_the_index_instead_of_the_answer(world: World) -> None:
    done = world.run("query", SHIPS, "--explain")
    assert done.exit_code == 0 and "index: kind" in done.stdout and "vessel:1" not in done.stdout
    assert world.json("query", f"EXPLAIN {SHIPS}")["index"] == "kind"


@pytest.mark.parametrize("as_of", ["2", str(NOW + 2.5), "2023-11-14T22:13:22.5Z"])
def test_the_past_is_asked_by_sequence_or_by_time(as_of: str, world: World) -> None:
    found = world.json("query", SHIPS, "--as-of", as_of)
    assert ids(found) == ["vessel:1", "vessel:2"] and found["nodes"][0]["position"] == [55.7, 12.6]
    assert found["sequence_id"] == 2


def test_as_of_in_the_text_is_the_same_and_both_are_one_too_many(world: World) -> None:
    assert ids(world.json("query", f"{SHIPS} AS OF 1")) == ["vessel:1"]
    assert world.run("query", f"{SHIPS} AS OF 1", "--as-of", "2").exit_code == 2
    assert world.run("query", SHIPS, "--as-of", "yesterday").exit_code == 2


def test_further_back_than_the_engine_remembers_snapshots_and_audit_log_answer(world: World) -> None:
    """A new engine begins with the newest snapshot: what was before it comes out of the audit log."""
    world.snapshot(NOW + 100)
    world.delete("vessel:2")
    world.snapshot(NOW + 200)
    world.forget_stream(10)
    assert ids(world.json("query", SHIPS)) == ["vessel:1", "vessel:3"]
    for moment, names in (("9", 3), ("3", 2), ("0", 0), (str(NOW + 9.5), 3), (str(NOW + 1.5), 1)):
        assert world.json("query", SHIPS, "--as-of", moment)["count"] == names, moment
    done = world.run("query", SHIPS, "--as-of", "5.0")
    assert done.exit_code == 1 and "before the earliest kept moment" in done.stderr


def test_a_diff_tells_what_came_changed_and_went(world: World) -> None:
    world.delete("vessel:2")
    found = world.json("diff", 'FIND SUBGRAPH WHERE kind = "vessel"', "--from", "5")
    assert (found["from_sequence"], found["to_sequence"]) == (5, 10)
    assert ids(found["nodes"], "created") == ["vessel:3"] and ids(found["nodes"], "updated") == ["vessel:1"]
    assert found["nodes"]["deleted"] == ["vessel:2"] and found["edges"]["deleted"] == ["he:meet:1"]
    shown = world.run("diff", SHIPS, "--from", "5", "--to", "9")
    assert [line.split()[:3] for line in shown.stdout.splitlines()[2:4]] == [
        ["+", "node", "vessel:3"], ["~", "node", "vessel:1"],
    ]  # fmt: skip
    assert shown.stdout.splitlines()[-1].startswith("1 nodes created, 1 updated, 0 deleted; 0 edges created")
    assert world.run("diff", SHIPS, "--from", "9", "--to", "5").exit_code == 2


def test_a_diff_reaches_behind_the_newest_snapshot(world: World) -> None:
    expected = world.json("diff", SHIPS, "--from", "3", "--to", "9")
    world.snapshot(NOW + 100)
    assert world.json("diff", SHIPS, "--from", "3", "--to", "9") == expected
    assert world.json("diff", SHIPS, "--from", "3", "--to", "8")["nodes"]["created"] == []


def test_since_goes_by_the_playback_pointer_while_recordings_play(world: World) -> None:
    text = f"{SHIPS} SINCE 2s"
    assert world.json("query", text)["count"] == 0, "long ago by the clock"
    world.wire.call("HSET", "dsmil:ais:playback", "state", "play", "position_ts", str(NOW + 9))
    assert ids(world.json("query", text)) == ["vessel:1", "vessel:3"]
    world.wire.call("HSET", "dsmil:ais:playback", "state", "pause")
    assert world.json("query", text)["count"] == 0


def test_without_redis_it_says_so(world: World) -> None:
    world.env["REDIS_URL"] = "unix:///nowhere/redis.sock"
    done = world.run("query", SHIPS)
    assert done.exit_code == 69 and "reach Redis" in done.stderr
