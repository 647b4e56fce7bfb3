"""Nodes and edges over HTTP: made, read, changed and deleted as events of the one stream."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from dsmil.clock import SYSTEM
from dsmil.fabric import graphstream
from tests.api.desk import Desk, body_of, is_error


def test_row_29_the_ten_routes_answer_and_a_read_sees_the_write_it_names(desk: Desk) -> None:
    made = desk("POST", "/api/nodes", json={"id": "vessel:1", "kind": "vessel", "position": [60.0, 5.0]})
    assert made.status_code == 201
    assert body_of(made) == {"status": "created", "id": "vessel:1", "sequence_id": 1}
    assert made.headers["location"] == "/api/nodes/vessel:1"
    seen = body_of(desk("GET", "/api/nodes/vessel:1?min_seq=1"))
    assert (seen["kind"], seen["position"], seen["frequency"]) == ("vessel", [60.0, 5.0], None)
    assert seen["metadata"]["provenance"][0]["source"] == "operator:token:admin"

    taken = desk("POST", "/api/nodes", json={"id": "vessel:1"})
    assert taken.status_code == 409 and is_error(taken) and "upsert" in taken.json()["hint"]
    again = desk(
        "POST", "/api/nodes?upsert=true", json={"id": "vessel:1", "kind": "vessel", "labels": {"flag": "NO"}}
    )
    assert again.status_code == 200 and again.json()["status"] == "updated"

    changed = desk(
        "PATCH", "/api/nodes/vessel:1", json={"labels": {"flag": None, "name": "ADA"}, "frequency": 156.8}
    )
    assert body_of(changed) == {"status": "updated", "id": "vessel:1", "sequence_id": 3}
    seen = body_of(desk("GET", "/api/nodes/vessel:1?min_seq=3"))
    assert seen["labels"] == {"name": "ADA"} and seen["frequency"] == 156.8 and seen["position"] == [60.0, 5.0]

    edge = desk("POST", "/api/edges", json={"id": "e:1", "nodes": ["vessel:1", "rf:new"], "weight": -60.5})
    assert edge.status_code == 201
    assert desk("POST", "/api/edges", json={"id": "e:1", "nodes": ["a"]}).status_code == 409
    seen = body_of(desk("GET", f"/api/edges/e:1?min_seq={edge.json()['sequence_id']}"))
    assert (seen["nodes"], seen["weight"], seen["kind"]) == (["vessel:1", "rf:new"], -60.5, "relationship")
    assert body_of(desk("GET", "/api/nodes/rf:new"))["kind"] == "entity", "a member nobody told of is a bare node"
    assert [row["id"] for row in body_of(desk("GET", "/api/nodes"))["nodes"]] == ["rf:new", "vessel:1"]
    assert [row["id"] for row in body_of(desk("GET", "/api/edges?node=rf:new"))["edges"]] == ["e:1"]

    gone = desk("DELETE", "/api/nodes/rf:new")
    assert gone.json()["status"] == "deleted"
    assert desk("GET", f"/api/nodes/rf:new?min_seq={gone.json()['sequence_id']}").status_code == 404
    assert desk("GET", "/api/edges/e:1").status_code == 404, "an edge goes with its node"
    desk.write("POST", "/api/edges", json={"id": "e:2", "nodes": ["vessel:1"]})
    assert desk("DELETE", "/api/edges/e:2").json()["status"] == "deleted"
    for method, path in (("GET", "/api/nodes/x"), ("PATCH", "/api/nodes/x"), ("DELETE", "/api/nodes/x"),
                         ("GET", "/api/edges/x"), ("DELETE", "/api/edges/x")):  # fmt: skip
        missing = desk(method, path, json={"kind": "x"} if method == "PATCH" else None)
        assert missing.status_code == 404 and is_error(missing), (method, path)


@pytest.mark.parametrize(
    "body",
    [
        {"id": ""}, {"id": "x" * 513}, {"id": "a\nb"}, {"id": 7}, {"kind": None}, {"kind": ""}, {"kind": "k" * 65},
        {"position": [91, 0]}, {"position": [0, 181]}, {"position": [0]}, {"position": [0, 0, 0, 0]},
        {"position": ["0", "0"]}, {"position": {"lat": 0}}, {"frequency": -1}, {"frequency": "433"},
        {"frequency": True}, {"labels": None}, {"labels": []}, {"labels": {"": 1}}, {"labels": {"k" * 129: 1}},
        {"metadata": {str(n): n for n in range(257)}}, {"unknown": 1}, {"type": "vessel"}, [], "x", None, 7,
    ],
)  # fmt: skip
def test_row_29_a_body_out_of_bounds_is_422_and_nothing_is_written(desk: Desk, body: Any) -> None:
    answer = desk("POST", "/api/nodes", json=body)
    assert answer.status_code == 422 and is_error(answer), answer.text
    assert desk.entries("GRAPH_EVENTS") == []


@pytest.mark.parametrize(
    "text",
    ['{"frequency": NaN}', '{"frequency": 1e999}', '{"labels": {"a": Infinity}}', '{"id": "\\ud800"}', "{", "",
     '{"metadata": ' + "[" * 5000 + "]" * 5000 + "}", "\xff", '{"id": "a"} x'],
)  # fmt: skip
def test_row_29_what_is_no_json_is_422(desk: Desk, text: str) -> None:
    data = text.encode("latin-1" if text == "\xff" else "utf-8")
    answer = desk("POST", "/api/nodes", content=data, headers={"content-type": "application/json"})
    assert answer.status_code == 422 and is_error(answer), answer.text
    assert desk.entries("GRAPH_EVENTS") == []


def test_a_text_that_is_no_json_is_named_by_line_and_column(desk: Desk) -> None:
    answer = desk("POST", "/api/nodes", content=b'{\n  "id": NaN}', headers={"content-type": "application/json"})
    assert (answer.json()["line"], answer.json()["column"]) == (2, 9)


def test_a_body_of_another_type_is_415(desk: Desk) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = desk("POST", "/api/nodes", content=b"{}", headers={"content-type": kind})
        assert answer.status_code == 415 and is_error(answer)


@pytest.mark.parametrize("body", [{}, {"id": "x"}, {"nodes": []}, {"kind": None}, {"position": [100, 0]}])
def test_a_patch_that_says_nothing_or_nonsense_is_422(desk: Desk, body: Any) -> None:
    desk.write("POST", "/api/nodes", json={"id": "x"})
    assert desk("PATCH", "/api/nodes/x", json=body).status_code == 422


@pytest.mark.parametrize(
    "body",
    [{}, {"nodes": []}, {"nodes": "ab"}, {"nodes": [""]}, {"nodes": [str(n) for n in range(257)]},
     {"nodes": ["a"], "weight": "1"}, {"nodes": ["a"], "weight": None}, {"nodes": ["a"], "timestamp": 1}],
)  # fmt: skip
def test_an_edge_needs_members_and_a_finite_weight(desk: Desk, body: Any) -> None:
    assert desk("POST", "/api/edges", json=body).status_code == 422


def test_a_body_that_no_event_can_hold_is_refused(desk: Desk) -> None:
    for value in ("x" * 70_000, nested(40)):
        answer = desk("POST", "/api/nodes", json={"id": "x", "metadata": {"a": value}})
        assert answer.status_code == 422 and is_error(answer)
    assert desk.entries("GRAPH_EVENTS") == []


def nested(depth: int) -> Any:
    found: Any = 1
    for _ in range(depth):
        found = [found]
    return found


def test_a_null_takes_away_and_the_rest_stays(desk: Desk) -> None:
    node = {"id": "x", "position": [1, 2, 3], "frequency": 100.0, "metadata": {"a": 1, "b": {"c": [1]}}}
    desk.write("POST", "/api/nodes", json=node)
    last = desk.write("PATCH", "/api/nodes/x", json={"position": None, "metadata": {"a": None}})
    seen = body_of(desk("GET", f"/api/nodes/x?min_seq={last}"))
    assert seen["position"] is None and seen["frequency"] == 100.0
    assert {key: value for key, value in seen["metadata"].items() if key != "provenance"} == {"b": {"c": [1]}}


def test_what_was_read_can_be_written_back(desk: Desk) -> None:
    last = desk.write("POST", "/api/nodes", json={"id": "x", "metadata": {"a": 1}})
    seen = body_of(desk("GET", f"/api/nodes/x?min_seq={last}"))
    last = desk.write("PATCH", "/api/nodes/x", json={"metadata": seen["metadata"]})
    again = body_of(desk("GET", f"/api/nodes/x?min_seq={last}"))
    assert again["metadata"]["a"] == 1 and again["metadata"]["provenance"][0]["count"] == 2


@pytest.mark.parametrize("node_id", ["port:tcp/443", "a b", "a%2Fb", "é:ü", "x?y#z", "a//b", "/", "a/"])
def test_any_id_can_be_reached_by_its_path(desk: Desk, node_id: str) -> None:
    from urllib.parse import quote

    made = desk("POST", "/api/nodes", json={"id": node_id})
    path = f"/api/nodes/{quote(node_id, safe='')}"
    assert body_of(desk("GET", f"{path}?min_seq={made.json()['sequence_id']}"))["id"] == node_id
    assert body_of(desk("GET", path))["id"] == node_id
    assert desk("DELETE", path).json()["id"] == node_id


def test_ids_are_made_where_none_is_given(desk: Desk) -> None:
    made = [desk("POST", "/api/nodes", json={"kind": "note"}).json()["id"] for _ in range(3)]
    assert len(set(made)) == 3 and all(one.startswith("note:") for one in made)
    edge = desk("POST", "/api/edges", json={"kind": "seen", "nodes": made}).json()["id"]
    assert edge.startswith("he:seen:")


def test_lists_come_in_pages_that_leave_nothing_out(desk: Desk) -> None:
    for number in range(7):
        last = desk.write(
            "POST", "/api/nodes", json={"id": f"n:{number}", "kind": "odd" if number % 2 else "even"}
        )
    found, cursor = [], ""
    while True:
        page = body_of(desk("GET", f"/api/nodes?limit=3&min_seq={last}{cursor}"))
        found += [row["id"] for row in page["nodes"]]
        assert page["count"] == len(page["nodes"]) <= 3 and page["sequence_id"] == last
        if page["cursor"] is None:
            break
        cursor = f"&cursor={page['cursor']}"
    assert found == [f"n:{number}" for number in range(7)]
    assert [row["id"] for row in body_of(desk("GET", "/api/nodes?kind=odd"))["nodes"]] == ["n:1", "n:3", "n:5"]
    assert desk("GET", "/api/nodes?cursor=!!").status_code == 422
    assert (
        desk("GET", "/api/nodes?limit=0").status_code == 422 == desk("GET", "/api/nodes?limit=1001").status_code
    )


def test_the_past_is_read_by_sequence_and_by_time(desk: Desk) -> None:
    desk.write("POST", "/api/nodes", json={"id": "x", "labels": {"v": 1}})
    then = SYSTEM.now()
    last = desk.write("PATCH", "/api/nodes/x", json={"labels": {"v": 2}})
    desk("GET", f"/api/nodes/x?min_seq={last}")
    assert body_of(desk("GET", "/api/nodes/x?as_of=1"))["labels"] == {"v": 1}
    assert body_of(desk("GET", f"/api/nodes/x?as_of={then!r}"))["labels"] == {"v": 1}
    assert desk("GET", "/api/nodes/x?as_of=0").status_code == 404
    assert body_of(desk("GET", "/api/nodes?as_of=1"))["sequence_id"] == 1
    assert body_of(desk("GET", "/api/nodes/x?as_of=2999-01-01T00:00:00Z"))["labels"] == {"v": 2}
    for wrong in ("", "yesterday", "nan", "-1", "1e300", "99999-01-01"):
        assert desk("GET", f"/api/nodes/x?as_of={wrong}").status_code == 422, wrong


def test_a_moment_before_the_earliest_kept_is_410(desk: Desk) -> None:
    graph = desk.parts.engine.graph
    desk.write("POST", "/api/nodes", json={"id": "x"})
    last = desk.write("PATCH", "/api/nodes/x", json={"kind": "y"})
    desk("GET", f"/api/nodes/x?min_seq={last}")
    with desk.parts.engine.lock:
        graph.undo.begin(graph.sequence, graph.ts)
    answer = desk("GET", "/api/nodes/x?as_of=1")
    assert answer.status_code == 410 and is_error(answer) and "earliest" in answer.json()["detail"]


def test_a_sequence_that_was_never_given_out_is_412_at_once(desk: Desk) -> None:
    for path in ("/api/nodes?min_seq=99", "/api/nodes/x?as_of=99", "/api/edges/x?min_seq=1"):
        answer = desk("GET", path)
        assert answer.status_code == 412 and is_error(answer) and "newest is 0" in answer.json()["detail"]


def test_an_engine_that_stays_behind_is_503_after_a_while(desk: Desk) -> None:
    whole = desk.parts.settings
    desk.parts.settings = replace(whole, api=replace(whole.api, wait_s_max=0.05))
    desk.parts.engine.stop()
    desk.redis.xadd("GRAPH_EVENTS", {"event": "{}"}, id="0-*")
    desk.parts.engine.start()  # it was told to stop, and does at once
    answer = desk("GET", "/api/nodes?min_seq=1")
    assert answer.status_code == 503 and is_error(answer) and answer.json()["error"] == "behind"


def test_of_two_creates_at_once_one_is_a_conflict(desk: Desk) -> None:
    found = [one.status_code for one in desk.at_once(6, "POST", "/api/nodes", json={"id": "x"})]
    assert sorted(found) == [201] + [409] * 5
    assert len(desk.entries("GRAPH_EVENTS")) == 1


def test_an_act_is_one_event_signed_by_its_operator(desk: Desk) -> None:
    desk.write("POST", "/api/nodes", json={"id": "x", "kind": "note"}, who="operator")
    (event,) = desk.entries("GRAPH_EVENTS")
    assert (event.kind, event.source, event.source_device, event.source_seq) == (
        "graph.node_create",
        "api",
        13,
        1,
    )
    assert event.to_dict()["payload"]["by"] == "token:operator" and event.event_id.count("-") == 4


def test_without_a_projector_nothing_is_written_and_reads_go_on(desk: Desk) -> None:
    desk.redis.delete("dsmil:epoch")
    answer = desk("POST", "/api/nodes", json={"id": "x"})
    assert answer.status_code == 503 and is_error(answer) and "projector" in answer.json()["detail"]
    assert desk("GET", "/api/nodes").status_code == 200
    desk.redis.delete("GRAPH_EVENTS")
    desk.redis.set("dsmil:epoch", "x")
    assert desk("POST", "/api/nodes", json={"id": "x"}).status_code == 503
    assert not desk.redis.exists("GRAPH_EVENTS"), "only the projector makes the stream"


def test_after_a_loss_numbers_go_on_at_the_next_million(desk: Desk, address: str) -> None:
    from dsmil.fabric.wire import Wire

    desk.write("POST", "/api/nodes", json={"id": "x"})
    wire = Wire(address)
    graphstream.create(wire, now=SYSTEM.now(), known=1, why="test")
    wire.close()
    assert desk.write("POST", "/api/nodes", json={"id": "y"}) == 1_000_001
    assert desk("GET", "/api/nodes/y?min_seq=1000001").status_code == 200
