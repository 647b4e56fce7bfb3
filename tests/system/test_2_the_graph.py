"""What was observed stands in the graph, and the API answers for it on the port that systemd holds."""

from __future__ import annotations

import json
import re
import threading
import time
from typing import Any

import pytest

from tests.system.fabric import MEMBER, STRANGER, Fabric
from tests.system.test_2_recordings import CALLING

GRAPH_DB, OPERATORS_DB = "/var/lib/dsmil/graph.db", "/var/lib/dsmil/operators/operators.db"


@pytest.fixture(scope="module")
def observer(fabric: Fabric) -> str:
    """A bearer token, made as the README says."""
    return fabric.machine.say("dsmil user token --role observer")


def test_health_needs_no_credential(fabric: Fabric) -> None:
    status, body = fabric.http("GET", "/health")
    assert (status, body["status"]) == (200, "healthy"), body
    assert fabric.http("GET", "/health/ready")[0] == 200


def test_metrics_of_the_whole_suite_are_served_by_it(fabric: Fabric) -> None:
    """Where Prometheus looks, without a credential."""
    status, text = fabric.http("GET", "/metrics")
    assert status == 200 and "# TYPE dsmil_" in text
    for daemon in ("soc-router", "drainer", "ais-playback", "projector", "api"):
        assert f'daemon="{daemon}"' in text
    for metric in ("dsmil_graph_nodes", "dsmil_redis_stream_lag", "dsmil_db_size_bytes", "dsmil_losses_waiting"):
        assert f"\n{metric}{{" in text


def test_without_a_token_nothing_of_the_graph_is_told(fabric: Fabric, observer: str) -> None:
    assert fabric.http("GET", "/api/metrics")[0] == 401
    assert fabric.http("GET", "/api/metrics", token=f"{observer[:-1]}_")[0] == 401
    assert fabric.http("POST", "/api/nodes", token=observer, body={"id": "x"})[0] == 403


def test_what_was_observed_is_in_the_graph(fabric: Fabric, observer: str, show: Any) -> None:
    def caught_up() -> bool:
        told = fabric.http("GET", "/api/metrics", token=observer)[1]
        return told["nodes"] > 0 and told["stream"]["behind"] == 0

    fabric.machine.until("the graph has caught up", caught_up, every_s=0.5)
    told = fabric.http("GET", "/api/metrics", token=observer)[1]
    assert {"vessel", "host"} <= told["kinds"]["nodes"].keys(), told["kinds"]
    show(f"graph: {told['nodes']} nodes, {told['edges']} edges at {told['sequence_id']}", graph=told["nodes"])
    status, node = fabric.http("GET", f"/api/nodes/vessel:{CALLING}", token=observer)
    assert status == 200 and node["kind"] == "vessel", node
    asked = {"query": 'FIND NODES WHERE kind = "host" LIMIT 5'}
    status, found = fabric.http("POST", "/api/query", token=observer, body=asked)
    assert status == 200 and len(found["nodes"]) == 5, found


def test_an_operator_changes_the_graph_through_the_stream(fabric: Fabric, observer: str) -> None:
    operator = fabric.machine.say("dsmil user token --role operator --expires 1h")
    node = {"id": "note:here", "kind": "note", "position": [54.4, 10.2], "labels": {"by": "a test"}}
    status, told = fabric.http("POST", "/api/nodes", token=operator, body=node)
    assert status in (200, 201), told
    status, seen = fabric.http("GET", f"/api/nodes/note:here?min_seq={told['sequence_id']}", token=observer)
    assert status == 200 and seen["labels"] == {"by": "a test"}
    last = fabric.machine.say("redis-cli XREVRANGE GRAPH_EVENTS + - COUNT 1").split()[0]
    assert int(last.removeprefix("0-")) >= told["sequence_id"]


def test_members_look_into_the_graph_and_nobody_at_the_accounts(fabric: Fabric) -> None:
    """graph.db is the group's to read, whether or not the projector has it open; the accounts are nobody's."""
    machine, count = fabric.machine, ["sqlite3", "-readonly", GRAPH_DB, "SELECT count(*) FROM nodes"]
    assert int(machine.say(count, user=MEMBER)) > 0
    assert machine.run(count, user=STRANGER, check=False).returncode != 0
    assert machine.run(["sqlite3", GRAPH_DB, "DELETE FROM nodes"], user=MEMBER, check=False).returncode != 0
    for user in (MEMBER, STRANGER):
        assert machine.run(f"cat {OPERATORS_DB}", user=user, check=False).returncode != 0
        assert machine.run("dsmil user list", user=user, check=False).returncode != 0
    assert machine.say(f"stat -c %a:%U:%G {OPERATORS_DB}") == "600:dsmil:dsmil", (
        "root has written to it meanwhile"
    )


def test_a_member_asks_on_the_command_line(fabric: Fabric) -> None:
    """From the newest snapshot and the stream, with no account."""
    assert "kept: sequence" in fabric.machine.say("dsmil snapshot take", user=MEMBER)
    assert fabric.status()["graph"]["snapshots"] >= 1
    done = fabric.machine.run(
        ["dsmil", "query", f'FIND NODES WHERE id = "vessel:{CALLING}"', "--json"], user=MEMBER
    )
    assert [node["id"] for node in json.loads(done.stdout)["nodes"]] == [f"vessel:{CALLING}"]
    fabric.machine.run("systemctl stop dsmil-projector")
    try:
        done = fabric.machine.run(["dsmil", "query", 'FIND NODES WHERE id = "note:here"', "--json"], user=MEMBER)
        assert json.loads(done.stdout)["count"] == 1
    finally:
        fabric.machine.run("systemctl start dsmil-projector")
    fabric.ready()


def test_while_the_api_restarts_nobody_is_refused(fabric: Fabric) -> None:
    """Who calls meanwhile waits in the socket."""
    statuses: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            statuses.append(fabric.http("GET", "/health")[0])
            time.sleep(0.05)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        for _ in range(2):
            fabric.machine.run("systemctl restart dsmil-api")
            time.sleep(0.3)
    finally:
        stop.set()
        thread.join(30)
    assert len(statuses) > 5 and set(statuses) == {200}, statuses
    fabric.ready()


def test_redis_refused_nobody_meanwhile(fabric: Fabric) -> None:
    refused = fabric.redis("ACL", "LOG")
    assert refused == "", re.findall(r"^(?:object|username)\n.*|name=\S*|cmd=\S*", refused, re.MULTILINE)
