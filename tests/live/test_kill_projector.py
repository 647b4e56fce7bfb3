"""Projector, API and Redis killed under load: the graph is what folding the audit log gives, the numbers go on, and
each event counts once, here, over HTTP, and for whoever follows.

`DSMIL_TEST_KILLS=13` gives the full measure, 52 kills; without it four.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
import requests

from dsmil.clock import SYSTEM
from dsmil.errors import Unavailable
from dsmil.events.enums import StreamName
from dsmil.events.graph import EDGE_UPDATE, NODE_DELETE, Patch
from dsmil.fabric.publisher import Publisher
from dsmil.fabric.wire import Wire
from dsmil.graph import snapshot
from dsmil.graph.bootstrap import of_audit
from dsmil.graph.export import export
from dsmil.graph.follow import Follower
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.state import state_hash
from dsmil.operators.book import Book
from dsmil.operators.roles import Role
from dsmil.operators.tokens import Tokens
from dsmil.store.graphdb import snapshot_data, snapshots
from dsmil.store.loss import read_losses
from tests.graph.suite import seen, told

pytestmark = pytest.mark.live
GRAPH = StreamName.GRAPH_EVENTS
BATCH = 25
VICTIMS = (("projector",), ("redis",), ("api",), ("redis", "projector", "api"))
BACK_S_MAX = 30.0


class Writer:
    """Says more and more of the graph; what was not taken is said again, the same events."""

    def __init__(self, suite: Any) -> None:
        self._suite = suite
        self._publisher = Publisher(Wire(suite.settings.redis.address(), name="writer"), GRAPH)
        self._left: list[bytes] = []
        self.said: list[bytes] = []

    def more(self) -> bool:
        """One batch; whether it was taken."""
        if not self._left:
            first = len(self.said) + 1
            self._left = [_event(number) for number in range(first, first + BATCH)]
            self.said += self._left
        return self.settle() and not self._left

    def settle(self) -> bool:
        """See that what was said is there."""
        self._suite.supervisor.poll(0.0)
        try:
            if self._left:
                self._publisher.publish(self._left)
            self._publisher.settle()
        except Unavailable:
            self._suite.supervisor.poll(0.01)
            return False
        self._left = []
        return True


def _event(number: int) -> bytes:
    if number % 9 == 0:
        link = Patch(id=f"he:{number % 5}", nodes=("a", f"b{number % 3}"), weight=number * 0.5, by="op-1")
        return told(number, EDGE_UPDATE, link)
    if number % 50 == 1:
        return told(number, NODE_DELETE, Patch(id=f"b{number % 3}", by="op-1"))
    return seen(number)


@pytest.fixture
def follower() -> Iterator[list[Follower]]:
    held: list[Follower] = []
    yield held
    for one in held:
        one.stop()


def test_row_26_killed_under_load_the_graph_is_that_of_the_audit_log(
    suites: Any, kills: int, follower: list[Follower]
) -> None:
    listen = f"127.0.0.1:{_free_port()}"
    suite = suites(("drainer", "projector", "api"), env={"DSMIL_API_LISTEN": listen})
    suite.ready()
    with Book(suite.settings.paths.operators_db) as book:
        token = Tokens(book).make(Role.OBSERVER)[0]
    follower.append(Follower(suite.settings, Wire(suite.settings.redis.address(), name="follower")))
    follower[0].start()
    writer, chance = Writer(suite), Random(26)
    for number in range(len(VICTIMS) * kills):
        until = SYSTEM.monotonic() + chance.uniform(0.3, 1.5)
        while SYSTEM.monotonic() < until:
            writer.more()
            suite.supervisor.poll(0.02)
        for victim in VICTIMS[number % len(VICTIMS)]:
            if victim == "redis":
                suite.supervisor.server.kill()
            else:
                suite.supervisor.kill(victim)
        suite.until("said again", writer.more, within_s=BACK_S_MAX)
    suite.until("all of it is there", writer.settle, within_s=BACK_S_MAX)
    suite.until("the drainer has all", lambda: suite.all_in_audit(writer.said), within_s=60.0)
    last = number_of_last(suite)
    suite.until("the projector has all", lambda: suite.stat("projector", "sequence") >= last, within_s=60.0)
    assert follower[0].wait_for(last, 30.0)
    audited = of_audit(suite.settings.paths.audit)
    with follower[0].lock:
        assert state_hash(follower[0].graph) == state_hash(audited)
    suite.until("the API has all", lambda: _asked(listen, token, "metrics")["sequence_id"] >= last, within_s=60.0)
    told_by_api = requests.get(
        f"http://{listen}/api/export?format=ndjson", headers={"Authorization": f"Bearer {token}"}, timeout=30
    )
    assert told_by_api.content == b"".join(export("ndjson", audited))
    suite.supervisor.stop()
    kept = newest(suite)
    assert (state_hash(kept), kept.sequence) == (state_hash(audited), last)
    counts = [row.count for node in audited.nodes.values() for row in node.seen]
    assert sum(counts) == sum(b'"seen"' in data for data in writer.said), "each event once"
    rows = [row.event_id for row in suite.audit.rows(GRAPH.value)]
    assert len(rows) == len(set(rows)) == len(writer.said)
    kinds = {loss.kind for loss in read_losses(suite.settings.paths.audit)}
    assert kinds <= {"graph_renumbered", "stream_replaced", "stream_went_back"}, kinds


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _asked(listen: str, token: str, what: str) -> Any:
    answer = requests.get(f"http://{listen}/api/{what}", headers={"Authorization": f"Bearer {token}"}, timeout=10)
    return answer.json()


def number_of_last(suite: Any) -> int:
    about: Any = suite.redis.xinfo_stream(GRAPH.value)
    return int(about["last-generated-id"].split(b"-")[1])


def newest(suite: Any) -> Hypergraph:
    path = suite.settings.paths.graph_db
    data = snapshot_data(path, snapshots(path)[0].sequence)
    assert data is not None
    return snapshot.decode(data).restored()
