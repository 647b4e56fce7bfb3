"""The keys in Redis say what the graph says, after any history, any interruption and any loss."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from dsmil.errors import Unavailable
from dsmil.events.graph import EDGE_DELETE, EDGE_UPDATE, NODE_DELETE, NODE_UPDATE, Patch
from dsmil.fabric import projected
from dsmil.fabric.wire import Wire
from dsmil.graph.changes import changed_since, position_ts
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.projection import Projection
from tests.graph.suite import keys
from tests.graph.test_fold import folded
from tests.graph.worlds import HISTORIES

pytestmark = pytest.mark.live


def expected(graph: Hypergraph, soc: dict[str, int] | None = None) -> dict[str, Any]:
    """What the keys must hold, tracks left out: they are history."""
    found: dict[str, Any] = {}
    for entity in (*graph.nodes.values(), *graph.edges.values()):
        found[f"dsmil:entity:{entity.id}"] = msgspec.to_builtins(entity.to_dict(), str_keys=True)
    for node in graph.nodes.values():
        if node.id.startswith("host:ip:"):
            found[f"dsmil:network:host:{node.id[8:]}"] = found[f"dsmil:entity:{node.id}"]
        if graph.memberships(node.id):
            found[f"dsmil:adj:{node.id}"] = set(graph.memberships(node.id))
        if node.frequency is not None:
            bucket = int(node.frequency // 10 * 10)
            found.setdefault(f"dsmil:rf:band:{bucket}", set()).add(node.id)
        if node.id.startswith("vessel:") and node.position is not None:
            found.setdefault("dsmil:ais:positions", {})[node.id] = position_ts(node)
    found["dsmil:counters"] = {
        "epoch": graph.epoch, "sequence": str(graph.sequence), "ts": msgspec.json.encode(graph.ts).decode(),
        "nodes": str(len(graph.nodes)), "edges": str(len(graph.edges)),
        **{f"nodes:{kind}": str(count) for kind, count in graph.counters.node_kinds.items()},
        **{f"edges:{kind}": str(count) for kind, count in graph.counters.edge_kinds.items()},
        **{f"soc:{severity}": str(count) for severity, count in (soc or {}).items()},
    }  # fmt: skip
    return found


def shown(client: redis.Redis) -> dict[str, Any]:
    found = {name: value for name, value in keys(client).items() if "track" not in name}
    found["dsmil:counters"]["ts"] = msgspec.json.encode(float(found["dsmil:counters"]["ts"])).decode()
    return msgspec.json.decode(msgspec.json.encode(_plain(found)))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return sorted(value) if isinstance(value, set) else value


def agree(client: redis.Redis, graph: Hypergraph, soc: dict[str, int] | None = None) -> None:
    assert shown(client) == msgspec.json.decode(msgspec.json.encode(_plain(expected(graph, soc))))


def write(projection: Projection, graph: Hypergraph) -> None:
    while projection.pending(graph, {}):
        projection.update(graph, {})


@pytest.fixture
def client(redis_socket: str) -> redis.Redis:
    return redis.Redis(unix_socket_path=redis_socket)


@settings(max_examples=60, deadline=None)
@given(st.lists(HISTORIES, max_size=4), st.integers(0, 5))
def test_it_is_equal_to_the_graph_after_any_history(
    _redis: str,  # noqa: PT019 - emptied by each example
    parts: list,
    lost: int,
) -> None:
    client, wire = redis.Redis(unix_socket_path=_redis), Wire(f"unix://{_redis}")
    client.flushall()
    projection, graph = Projection(wire), Hypergraph(epoch="e")
    write(projection, graph)
    for number, part in enumerate(parts):
        folded(part, graph)
        write(projection, graph)
        agree(client, graph)
        if number == lost:
            client.flushall()
            projection.forget()
            write(projection, graph)
            agree(client, graph)
    wire.close()
    client.close()


def test_row_45_the_keys_of_one_domain_are_its_own_and_can_go_without_the_others(
    redis_socket: str, client: redis.Redis
) -> None:
    """Ids that look like another domain's keys stay in their own; what was cleared comes back with a change."""
    wire, graph = Wire(f"unix://{redis_socket}"), Hypergraph(epoch="e")
    projection = Projection(wire)
    steps = [
        (NODE_UPDATE, Patch(id="vessel:1", kind="vessel", position=(1.0, 2.0)), 1.0),
        (NODE_UPDATE, Patch(id="rf:a", kind="rf_emitter", frequency=433.92), 1.0),
        (NODE_UPDATE, Patch(id="host:ip:192.0.2.1", kind="host"), 1.0),
        *((NODE_UPDATE, Patch(id=odd, frequency=99.5, position=(0.0, 0.0)), 1.0) for odd in
          ("ais:positions", "network:host:192.0.2.1", "rf:band:430", "operator:op-1", "*", "dsmil:counters")),
    ]  # fmt: skip
    write(projection, folded(steps, graph))
    assert client.zrange("dsmil:ais:positions", 0, -1) == [b"vessel:1"]
    assert client.smembers("dsmil:rf:band:430") == {b"rf:a"}
    assert client.keys("dsmil:network:*") == [b"dsmil:network:host:192.0.2.1"]
    before = shown(client)
    client.delete(*client.keys("dsmil:ais:*"))  # type: ignore[misc]
    assert {name: one for name, one in before.items() if not name.startswith("dsmil:ais:")} == shown(client)
    write(projection, folded([(NODE_UPDATE, Patch(id="vessel:1", position=(1.0, 3.0)), 2.0)], graph))
    agree(client, graph)


def test_after_a_restart_it_goes_on_from_where_the_keys_are(redis_socket: str, client: redis.Redis) -> None:
    wire, graph = Wire(f"unix://{redis_socket}"), Hypergraph(epoch="e")
    write(Projection(wire), graph)
    folded(
        [(NODE_UPDATE, Patch(id=f"vessel:{n}", kind="vessel", position=(1.0, n)), 1.0) for n in range(9)], graph
    )
    again = Projection(wire)
    write(again, graph)
    assert again.rewrites == 0, "the graph remembers what the keys lack"
    agree(client, graph)


def test_what_redis_lost_of_it_is_written_again(redis_socket: str, client: redis.Redis) -> None:
    """A server killed while the disk syncs comes back some batches earlier, keys and counters alike."""
    wire, graph = Wire(f"unix://{redis_socket}"), Hypergraph(epoch="e")
    projection = Projection(wire)
    write(projection, graph)
    folded([(EDGE_UPDATE, Patch(id="he:1", nodes=("a", "b")), 1.0)], graph)
    write(projection, graph)
    before = {name: client.dump(name) for name in client.keys("*")}  # type: ignore[union-attr]
    folded([(EDGE_UPDATE, Patch(id="he:1", nodes=("a", "c")), 2.0), (NODE_DELETE, Patch(id="b"), 2.0)], graph)
    write(projection, graph)
    client.flushall()
    for name, data in before.items():
        client.restore(name, 0, data)  # type: ignore[arg-type]
    projection.forget()
    write(projection, graph)
    assert projection.rewrites == 1, "the one at the beginning"
    agree(client, graph)


@pytest.mark.parametrize("epoch", ["e", "another"])
def test_keys_of_another_graph_are_made_anew(redis_socket: str, client: redis.Redis, epoch: str) -> None:
    wire = Wire(f"unix://{redis_socket}")
    old = folded([(EDGE_UPDATE, Patch(id=f"he:{n}", nodes=("x", "y")), 1.0) for n in range(1500)])
    old.epoch = "e"
    write(Projection(wire), old)
    graph = folded([(NODE_UPDATE, Patch(id="rf:1", frequency=433.9), 1.0)], Hypergraph(epoch=epoch))
    write(Projection(wire), graph)
    agree(client, graph)


def test_while_it_is_made_anew_the_graph_goes_on(redis_socket: str, client: redis.Redis) -> None:
    wire = Wire(f"unix://{redis_socket}")
    client.sadd("dsmil:adj:stale", "he:stale")
    steps = [(EDGE_UPDATE, Patch(id=f"he:{n}", nodes=(f"a{n % 300}", f"b{n % 70}")), 1.0) for n in range(6000)]
    graph = folded(steps, Hypergraph(epoch="e"))
    projection, turn = Projection(wire), 0
    while projection.pending(graph, {}):
        projection.update(graph, {})
        if turn < 12:
            folded(
                [
                    (EDGE_UPDATE, Patch(id=f"he:{turn}", nodes=(f"a{turn}", f"c{turn}")), 2.0 + turn),
                    (EDGE_UPDATE, Patch(id=f"he:{turn - 1}", nodes=(f"d{turn}",)), 2.0 + turn),
                    (EDGE_DELETE, Patch(id=f"he:{1000 + turn}"), 2.0 + turn),
                    (NODE_DELETE, Patch(id=f"a{100 + turn}"), 2.0 + turn),
                    (NODE_UPDATE, Patch(id=f"new{turn}", frequency=100.0 + turn), 2.0 + turn),
                ],
                graph,
            )
            assert client.hget("dsmil:counters", "epoch") == b"", "who begins now begins anew"
        turn += 1
    assert turn > 12
    agree(client, graph)


def test_a_track_holds_every_place_newest_first_and_five_hundred(redis_socket: str, client: redis.Redis) -> None:
    wire, graph = Wire(f"unix://{redis_socket}"), Hypergraph(epoch="e")
    projection = Projection(wire)
    write(projection, graph)
    places = [(NODE_UPDATE, Patch(id="vessel:1", position=(n / 100, 1.0)), float(n)) for n in range(1, 621)]
    folded([*places[:10], places[3], (NODE_UPDATE, Patch(id="vessel:1", labels={"a": 1}), 11.0)], graph)
    write(projection, graph)
    track = keys(client)["dsmil:ais:track:1"]
    assert track == [[float(n), n / 100, 1.0] for n in range(10, 0, -1)], "an old report moves no ship back"
    folded(places[10:], graph)
    write(projection, graph)
    track = keys(client)["dsmil:ais:track:1"]
    assert (len(track), track[0]) == (projected.TRACK_MAX, [620.0, 6.2, 1.0])
    projection.forget()
    client.delete("dsmil:counters")
    write(projection, graph)
    assert keys(client)["dsmil:ais:track:1"] == track, "a track outlives what is made anew"
    folded([(NODE_DELETE, Patch(id="vessel:1"), 700.0)], graph)
    write(projection, graph)
    assert not client.exists("dsmil:ais:track:1")


def test_a_redis_that_is_full_keeps_what_it_has_and_is_brought_up_later(
    redis_socket: str, client: redis.Redis
) -> None:
    wire, graph = Wire(f"unix://{redis_socket}"), Hypergraph(epoch="e")
    projection = Projection(wire)
    write(projection, graph)
    before = shown(client)
    folded([(EDGE_UPDATE, Patch(id="he:1", nodes=("a", "b")), 1.0)], graph)
    client.config_set("maxmemory", "1")
    try:
        with pytest.raises(Unavailable):
            projection.update(graph, {})
        assert shown(client) == before, "all of a batch or nothing"
    finally:
        client.config_set("maxmemory", "0")
    write(projection, graph)
    agree(client, graph)


def test_a_key_somebody_else_uses_is_counted_and_hinders_nobody(redis_socket: str, client: redis.Redis) -> None:
    wire, graph = Wire(f"unix://{redis_socket}"), Hypergraph(epoch="e")
    projection = Projection(wire)
    write(projection, graph)
    client.set("dsmil:adj:a", "mine")
    folded([(EDGE_UPDATE, Patch(id="he:1", nodes=("a", "b")), 1.0)], graph)
    write(projection, graph)
    assert projection.refused == 1
    assert client.smembers("dsmil:adj:b") == {b"he:1"}


def test_changes_name_each_entity_once_as_it_was() -> None:
    graph = folded([(EDGE_UPDATE, Patch(id="he:1", nodes=("a", "b")), 1.0)])
    old = graph.edges["he:1"]
    folded(
        [
            (EDGE_UPDATE, Patch(id="he:1", nodes=("a", "c")), 2.0),
            (EDGE_UPDATE, Patch(id="he:1", nodes=("a", "d")), 3.0),
            (NODE_DELETE, Patch(id="c"), 4.0),
        ],
        graph,
    )
    found = changed_since(graph, 1)
    assert found.edges == {"he:1": old}
    assert found.nodes == {"c": None, "d": None}
