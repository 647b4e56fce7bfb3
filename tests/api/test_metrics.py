"""The graph in numbers, health, and the suite's metrics: present, and true."""

from __future__ import annotations

import msgspec
import prometheus_client.parser

from dsmil.clock import SYSTEM
from tests.api.desk import Desk, body_of, is_error


def test_row_33_metrics_are_present_and_true(desk: Desk) -> None:
    for number in range(4):
        place = {"position": [10.0 + number, 20.0]} if number < 3 else {}
        desk.write(
            "POST", "/api/nodes", json={"id": f"n:{number}", "kind": "ab"[number % 2], "frequency": 100.0} | place
        )
    desk.write("POST", "/api/edges", json={"id": "e:1", "nodes": ["n:0", "n:1", "n:2"], "kind": "seen"})
    last = desk.write("POST", "/api/edges", json={"id": "e:2", "nodes": ["n:0"]})
    desk("GET", f"/api/nodes?min_seq={last}")
    told = body_of(desk("GET", "/api/metrics"))
    assert (told["nodes"], told["edges"], told["spatial_index_size"], told["sequence_id"]) == (4, 2, 3, last)
    assert told["kinds"] == {"nodes": {"a": 2, "b": 2}, "edges": {"relationship": 1, "seen": 1}}
    assert told["degree"] == {"mean": 1.0, "max": 2, "distribution": {"0": 1, "1": 2, "2": 1}}
    assert told["central_nodes"][0] == {
        "id": "n:0",
        "kind": "a",
        "degree": 2,
        "centrality": 1.0,
        "frequency": 100.0,
    }
    assert told["stream"] == {"available": True, "last_sequence": last, "length": last, "behind": 0, "lag_s": 0.0}
    assert told["stream_lag"] == 0.0 and told["snapshot_latency"] is None and told["epoch"]
    assert told["snapshot"] == {"sequence_id": None, "age_s": None, "latency_s": None}


def test_row_33_lag_and_snapshot_latency_are_those_of_the_stream_and_the_projector(desk: Desk) -> None:
    last = desk.write("POST", "/api/nodes", json={"id": "x"})
    desk("GET", f"/api/nodes?min_seq={last}")
    beat = {"daemon": "projector", "pid": 1, "state": "ready", "since": 1.0, "state_since": 1.0, "now": SYSTEM.now(),
            "stats": {"snapshot_s": 0.25}}  # fmt: skip
    desk.redis.set("dsmil:hb:projector", msgspec.json.encode(beat))
    assert body_of(desk("GET", "/api/metrics"))["snapshot_latency"] == 0.25
    about = desk.parts.stream.about(0)
    assert about["behind"] == last and abs(SYSTEM.now() - about["first_ts"]) < 60


def test_row_33_without_redis_the_graph_is_told_and_the_stream_is_null(desk: Desk) -> None:
    desk.parts.stream.about = lambda sequence: (_ for _ in ()).throw(_away())  # type: ignore[method-assign]
    told = body_of(desk("GET", "/api/metrics"))
    assert told["stream"]["available"] is False and told["stream_lag"] is None and told["nodes"] == 0


def _away() -> Exception:
    from dsmil.errors import Unavailable

    return Unavailable("reach Redis: away")


def test_metrics_of_the_suite_are_prometheus_text(desk: Desk) -> None:
    answer = desk("GET", "/metrics", None)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    names = {family.name for family in prometheus_client.parser.text_string_to_metric_families(answer.text)}
    assert {"dsmil_daemon_up", "dsmil_redis_stream_length"} <= names


def test_health_says_that_it_lives_and_readiness_what_is_away(desk: Desk) -> None:
    told = body_of(desk("GET", "/health", None))
    assert told["status"] == "healthy" and told["reason"] == "" and told["sequence_id"] == 0
    assert desk("GET", "/health/ready", None).status_code == 200
    states = body_of(desk("GET", "/health/detailed", None))["daemons"]
    assert {"drainer", "l3", "projector"} <= {row["name"] for row in states}
    assert {row["state"] for row in states} == {"absent"}
    desk.parts.engine.away = "reach Redis: gone"
    assert body_of(desk("GET", "/health", None))["status"] == "degraded"
    answer = desk("GET", "/health/ready", None)
    assert answer.status_code == 503 and is_error(answer) and "gone" in answer.json()["detail"]


def test_before_the_graph_is_loaded_nothing_is_answered_from_an_empty_one(desk: Desk) -> None:
    desk.parts.engine.generation = 0
    for method, path, body in (("GET", "/api/nodes", None), ("GET", "/api/nodes/x", None),
                               ("GET", "/api/metrics", None), ("POST", "/api/query", {"query": "FIND NODES"}),
                               ("POST", "/api/nodes", {"id": "x"}),
                               ("GET", "/api/export?format=csv", None)):  # fmt: skip
        answer = desk(method, path, json=body)
        assert answer.status_code == 503 and is_error(answer) and "loaded" in answer.json()["detail"], path
    assert desk("GET", "/health", None).status_code == 200
