"""The query language over HTTP: pages, subgraphs, and changes that a client can lay over what it has."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from dsmil.clock import SYSTEM
from tests.api.desk import Desk, body_of, is_error


def filled(desk: Desk) -> int:
    """Five ships of two kinds in a row, and two edges; the last sequence."""
    for number in range(5):
        kind = "vessel" if number % 2 else "rf"
        node = {"id": f"n:{number}", "kind": kind, "position": [60.0, 5.0 + number], "frequency": 400.0 + number}
        desk.write("POST", "/api/nodes", json={**node, "labels": {"rank": number}})
    desk.write("POST", "/api/edges", json={"id": "e:all", "nodes": [f"n:{number}" for number in range(5)]})
    return desk.write("POST", "/api/edges", json={"id": "e:odd", "nodes": ["n:1", "n:3"], "kind": "seen"})


def test_a_query_answers_what_fits_in_pages(desk: Desk) -> None:
    last = filled(desk)
    answer = body_of(
        desk("POST", f"/api/query?min_seq={last}", json={"query": 'FIND NODES WHERE kind = "vessel"'})
    )
    assert [node["id"] for node in answer["nodes"]] == ["n:1", "n:3"] and answer["edges"] == []
    assert (answer["count"], answer["cursor"], answer["sequence_id"]) == (2, None, last)
    assert answer["query_id"].startswith("q:")
    found, cursor = [], None
    while True:
        body = {"query": "FIND NODES", "limit": 2, "query_id": "mine"} | ({"cursor": cursor} if cursor else {})
        page = body_of(desk("POST", "/api/query", json=body))
        assert page["count"] == 5 and page["query_id"] == "mine"
        found += [node["id"] for node in page["nodes"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert found == [f"n:{number}" for number in range(5)]
    near = body_of(desk("POST", "/api/query", json={"query": 'FIND NODES WITHIN 60km OF "n:0"'}))
    assert [node["id"] for node in near["nodes"]] == ["n:0", "n:1"]
    edges = body_of(desk("POST", "/api/query", json={"query": 'FIND EDGES WHERE kind = "seen"'}))
    assert [edge["id"] for edge in edges["edges"]] == ["e:odd"]
    plan = body_of(desk("POST", "/api/query", json={"query": 'EXPLAIN FIND NODES WHERE kind = "vessel"'}))["plan"]
    assert plan["index"] == "kind" and plan["candidates"] == 2


@pytest.mark.parametrize("path", ["/api/query", "/api/query/subgraph"])
def test_a_query_that_cannot_be_read_is_400_with_its_place(desk: Desk, path: str) -> None:
    answer = desk("POST", path, json={"query": "FIND NODES\nWHERE kind = = 3"})
    assert answer.status_code == 400 and is_error(answer) and answer.json()["error"] == "bad_query"
    assert (answer.json()["line"], answer.json()["column"]) == (2, 14) and "expected" in answer.json()["hint"]
    for wrong in ("drop table", "FIND", 'FIND NODES WITHIN 5km OF "nobody"', "FIND NODES LIMIT x", " "):
        assert desk("POST", path, json={"query": wrong}).status_code == 400, wrong


@pytest.mark.parametrize(
    "body",
    [{}, {"query": ""}, {"query": "x" * 4097}, {"query": 7}, {"query": "FIND NODES", "limit": 0},
     {"query": "FIND NODES", "limit": 10**6}, {"query": "FIND NODES", "as_of": "never"},
     {"query": "FIND NODES", "more": 1}, {"query": "FIND NODES AS OF 1", "as_of": 1},
     {"query": "FIND NODES", "as_of": True}],
)  # fmt: skip
def test_a_query_body_out_of_bounds_is_422(desk: Desk, body: Any) -> None:
    answer = desk("POST", "/api/query", json=body)
    assert answer.status_code == 422 and is_error(answer), answer.text


def test_a_cursor_of_another_query_is_refused(desk: Desk) -> None:
    filled(desk)
    cursor = body_of(desk("POST", "/api/query", json={"query": "FIND NODES", "limit": 1}))["cursor"]
    for body in ({"query": "FIND EDGES", "cursor": cursor}, {"query": "FIND NODES", "cursor": "junk"}):
        assert desk("POST", "/api/query", json=body).status_code == 400


def test_the_past_is_asked_by_body_and_by_clause(desk: Desk) -> None:
    last = filled(desk)
    desk("GET", f"/api/nodes?min_seq={last}")
    for body in (
        {"query": "FIND NODES", "as_of": 2},
        {"query": "FIND NODES AS OF 2"},
        {"query": "FIND NODES", "as_of": "2"},
    ):
        answer = body_of(desk("POST", "/api/query", json=body))
        assert (answer["count"], answer["sequence_id"]) == (2, 2)
    assert body_of(desk("POST", "/api/query", json={"query": "FIND NODES", "as_of": SYSTEM.now()}))["count"] == 5


def test_a_query_that_takes_too_long_is_refused_and_says_so(desk: Desk) -> None:
    filled(desk)
    whole = desk.parts.settings
    desk.parts.settings = replace(whole, api=replace(whole.api, query_s_max=-1.0))
    answer = desk("POST", "/api/query", json={"query": "FIND NODES WHERE metadata.x = 1 OR labels.rank > 2"})
    assert answer.status_code == 400 and "longer" in answer.json()["detail"] and answer.json()["hint"]


def test_a_subgraph_comes_whole_and_without_loose_ends(desk: Desk) -> None:
    last = filled(desk)
    body = {"query": 'FIND SUBGRAPH WHERE kind = "vessel"', "query_id": "ships"}
    answer = body_of(desk("POST", f"/api/query/subgraph?min_seq={last}", json=body))
    assert (answer["query_id"], answer["sequence_id"]) == ("ships", last)
    assert [node["id"] for node in answer["nodes"]] == ["n:1", "n:3"]
    assert [edge["id"] for edge in answer["edges"]] == ["e:odd"], "e:all has members outside"
    assert answer["stats"]["node_count"] == 2 and answer["stats"]["kinds"] == {"vessel": 2}
    assert answer["timestamp"].endswith("Z")
    assert desk("POST", "/api/query/subgraph", json={**body, "limit": 5}).status_code == 422


QUERIES = (
    "FIND SUBGRAPH", 'FIND SUBGRAPH WHERE kind = "vessel"', "FIND SUBGRAPH WHERE labels.rank > 1",
    'FIND EDGES WHERE kind = "seen"', 'FIND SUBGRAPH EDGES ANY WHERE kind = "vessel"', "FIND NODES FREQ 100 TO 300",
)  # fmt: skip
IDS = st.sampled_from([f"n:{number}" for number in range(4)])
ACTS = st.one_of(
    st.tuples(st.just("POST"), st.just("/api/nodes?upsert=true"), st.fixed_dictionaries(
        {"id": IDS, "kind": st.sampled_from(["vessel", "rf"]),
         "labels": st.fixed_dictionaries({"rank": st.integers(0, 3)}),
         "frequency": st.one_of(st.none(), st.floats(0, 400))})),
    st.tuples(st.just("DELETE"), IDS.map("/api/nodes/{}".format), st.none()),
    st.tuples(st.just("POST"), st.just("/api/edges?upsert=true"), st.fixed_dictionaries(
        {"id": st.sampled_from(["e:1", "e:2"]), "nodes": st.lists(IDS, min_size=1, max_size=3, unique=True),
         "kind": st.sampled_from(["seen", "near"])})),
    st.tuples(st.just("DELETE"), st.sampled_from(["/api/edges/e:1", "/api/edges/e:2"]), st.none()),
)  # fmt: skip


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.lists(ACTS, max_size=6), after=st.lists(ACTS, max_size=6), text=st.sampled_from(QUERIES))
def test_a_client_that_applies_diffs_has_the_subgraph(desk: Desk, before: Any, after: Any, text: str) -> None:
    first = acted(desk, before)
    kept = body_of(desk("POST", f"/api/query/subgraph?min_seq={first}", json={"query": text}))
    start = kept["sequence_id"]
    last = acted(desk, after)
    body = {"query": text, "from_sequence": start, "to_sequence": max(last, start)}
    change = body_of(desk("POST", f"/api/query/diff?min_seq={last}", json=body))
    assert (change["from_sequence"], change["to_sequence"]) == (start, max(last, start))
    now = body_of(desk("POST", "/api/query/subgraph", json={"query": text}))
    for what in ("nodes", "edges"):
        mine = {one["id"]: one for one in kept[what]}
        for gone in change[what]["deleted"]:
            del mine[gone]
        assert not {one["id"] for one in change[what]["created"]} & set(mine)
        assert {one["id"] for one in change[what]["updated"]} <= set(mine)
        mine |= {one["id"]: one for one in change[what]["created"] + change[what]["updated"]}
        assert sorted(mine.values(), key=lambda one: one["id"]) == now[what]
    assert msgspec.json.encode(now["stats"])


def acted(desk: Desk, acts: Any) -> int:
    last = 0
    for method, path, body in acts:
        answer = desk(method, path, json=body)
        assert answer.status_code in (200, 201, 404), answer.text
        last = answer.json().get("sequence_id", last)
    return last


@pytest.mark.parametrize(
    "body", [{"from_sequence": 3, "to_sequence": 2}, {"from_sequence": 99, "to_sequence": 100}]
)
def test_a_range_that_is_none_is_refused(desk: Desk, body: Any) -> None:
    last = filled(desk)
    answer = desk("POST", f"/api/query/diff?min_seq={last}", json={"query": "FIND NODES", **body})
    assert answer.status_code == 400 and is_error(answer)


def test_a_range_that_is_not_kept_any_more_is_410(desk: Desk) -> None:
    last = filled(desk)
    desk("GET", f"/api/nodes?min_seq={last}")
    graph = desk.parts.engine.graph
    with desk.parts.engine.lock:
        graph.undo.begin(graph.sequence, graph.ts)
    body = {"query": "FIND NODES", "from_sequence": 1, "to_sequence": last}
    answer = desk("POST", "/api/query/diff", json=body)
    assert answer.status_code == 410 and is_error(answer), answer.text
