"""The graph in Redis, for people who look with redis-cli: equal to the engine once that is quiet.

Each round is one transaction that also says which number it reached, so after any fall the copy goes on from there;
where the engine does not remember so far back, or Redis is another, all of it is made anew, a piece at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import msgspec

from dsmil.fabric.projected import ADJACENT, BAND, COUNTERS, ENTITY, HOST, POSITIONS, TRACK, TRACK_MAX
from dsmil.fabric.wire import Command, Wire, WireError, checked
from dsmil.graph.bands import bucket_of
from dsmil.graph.changes import VESSEL, Changed, changed_since, position_ts
from dsmil.graph.entity import Edge, Node
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.picture import TooOld
from dsmil.runtime import logs

PIECE = 500
"""Entities, or keys to remove, in one transaction: Redis serves nobody else for some five milliseconds."""
COMMANDS_MAX = 5_000
"""Commands in one transaction, some 20 milliseconds; a batch of the projector is less."""
HOST_ID = "host:ip:"

log = logs.get()


class Projection:
    """Keeps the keys of `dsmil.fabric.projected` like a graph. `pending` tells that they are not like it yet."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._reached: tuple[str, int] | None = None
        self._soc: dict[str, int] = {}
        self._anew: Iterator[None] | None = None
        self.rewrites = 0
        self.refused = 0

    def forget(self) -> None:
        """Redis may be another: look again how far it has come."""
        self._reached = self._anew = None

    def pending(self, graph: Hypergraph, soc: Mapping[str, int]) -> bool:
        """Whether there is something to write."""
        told = self._reached == (graph.epoch, graph.sequence) and self._soc == soc
        return self._anew is not None or not told

    def update(self, graph: Hypergraph, soc: Mapping[str, int]) -> None:
        """Bring the keys a piece further; call it until nothing is `pending`. Unavailable: Redis is away or full."""
        try:
            self._follow(graph, soc)
            if self._anew is not None and next(self._anew, self) is self:
                self._anew = None
                self._carry_out(_counts(graph, soc))
        except BaseException:
            self.forget()
            raise

    def _follow(self, graph: Hypergraph, soc: Mapping[str, int]) -> None:
        changed = self._changed(graph)
        if changed is None:
            changed, self._anew = Changed({}, {}, []), self._all(graph)
            self.rewrites += 1
        commands = _commands(graph, changed)
        if len(commands) > COMMANDS_MAX:  # halfway through, the keys are no moment of the graph
            self._carry_out(_counts(graph, soc, done=False))
            for start in range(0, len(commands), COMMANDS_MAX):
                self._carry_out(commands[start : start + COMMANDS_MAX])
            commands = []
        self._carry_out([*commands, *_counts(graph, soc, done=self._anew is None)])
        self._reached, self._soc = (graph.epoch, graph.sequence), dict(soc)

    def _changed(self, graph: Hypergraph) -> Changed | None:
        """What is to be written; null where that is everything."""
        epoch, sequence = self._reached or self._look()
        if epoch != graph.epoch or sequence > graph.sequence:
            return None
        try:
            return changed_since(graph, sequence)
        except TooOld:
            return None

    def _look(self) -> tuple[str, int]:
        epoch, sequence = cast(list[Any], self._wire.call("HMGET", COUNTERS, "epoch", "sequence"))
        return (epoch or b"").decode(), int(sequence or 0)

    def _all(self, graph: Hypergraph) -> Iterator[None]:
        """Remove everything, then write everything; what changes meanwhile is written by the rounds between."""
        for prefix in (ENTITY, ADJACENT, BAND, HOST, TRACK):
            for keys in self._keys(prefix):
                gone = [key for key in keys if prefix != TRACK or not _vessel_of(key, graph)]
                self._carry_out([("DEL", *gone)] if gone else [])
                yield
        self._carry_out([("DEL", POSITIONS)])
        ids = [*graph.nodes, *graph.edges]
        for start in range(0, len(ids), PIECE):
            part = ids[start : start + PIECE]
            piece = Changed(
                nodes={one: None for one in part if one in graph.nodes},
                edges={one: None for one in part if one in graph.edges},
                tracks=self._new_places(graph, part),
            )
            self._carry_out(_commands(graph, piece))
            yield

    def _keys(self, prefix: str) -> Iterator[list[bytes]]:
        cursor = b"0"
        while True:
            cursor, keys = cast(Any, self._wire.call("SCAN", cursor, "MATCH", f"{prefix}*", "COUNT", PIECE))
            yield keys
            if cursor == b"0":
                return

    def _new_places(self, graph: Hypergraph, ids: Iterable[str]) -> list[Node]:
        """Vessels whose track does not end where they are: a track outlives the rest."""
        vessels = [graph.nodes[one] for one in ids if one.startswith(VESSEL) and one in graph.nodes]
        placed = [node for node in vessels if node.position is not None]
        heads = self._wire.pipeline([("LINDEX", _track_key(node), 0) for node in placed]) if placed else []
        return [node for node, head in zip(placed, heads, strict=True) if checked(head) != _track_point(node)]

    def _carry_out(self, commands: list[Command]) -> None:
        if not commands:
            return
        for reply in self._wire.transaction(commands):
            if isinstance(reply, WireError) and not reply.away:  # somebody put something else under that key
                self.refused += 1
                log.warning("projection_refused", error=str(reply))
            else:
                checked(reply)


def _commands(graph: Hypergraph, changed: Changed) -> list[Command]:
    commands: list[Command] = []
    for node_id, node in changed.nodes.items():
        commands += _of_node(node_id, node, graph.nodes.get(node_id))
    for edge_id, edge in changed.edges.items():
        commands += _of_edge(edge_id, edge, graph.edges.get(edge_id))
    for moved in changed.tracks:
        if moved.id in graph.nodes:
            key = _track_key(moved)
            commands += [("LPUSH", key, _track_point(moved)), ("LTRIM", key, 0, TRACK_MAX - 1)]
    return commands


def _of_node(node_id: str, old: Node | None, new: Node | None) -> Iterator[Command]:
    told = b"" if new is None else msgspec.json.encode(new.to_dict())
    names = [f"{ENTITY}{node_id}"]
    if node_id.startswith(HOST_ID):
        names.append(f"{HOST}{node_id.removeprefix(HOST_ID)}")
    for name in names:
        yield ("DEL", name) if new is None else ("SET", name, told)
    was, now = _band(old), _band(new)
    if was and was != now:
        yield ("SREM", was, node_id)
    if now:
        yield ("SADD", now, node_id)
    if not node_id.startswith(VESSEL):
        return
    if new is not None and new.position is not None:
        yield ("ZADD", POSITIONS, position_ts(new), node_id)
    else:
        yield ("ZREM", POSITIONS, node_id)
    if new is None:
        yield ("DEL", f"{TRACK}{node_id.removeprefix(VESSEL)}")


def _of_edge(edge_id: str, old: Edge | None, new: Edge | None) -> Iterator[Command]:
    name = f"{ENTITY}{edge_id}"
    yield ("DEL", name) if new is None else ("SET", name, msgspec.json.encode(new.to_dict()))
    was, now = set(old.nodes if old else ()), set(new.nodes if new else ())
    for node_id in was - now:
        yield ("SREM", f"{ADJACENT}{node_id}", edge_id)
    for node_id in now - was:
        yield ("SADD", f"{ADJACENT}{node_id}", edge_id)


def _counts(graph: Hypergraph, soc: Mapping[str, int], *, done: bool = True) -> list[Command]:
    """The counters. Before all is written they name no epoch, so whoever comes after begins anew."""
    counters = graph.counters
    fields: dict[str, str | int | float] = {
        "epoch": graph.epoch if done else "", "sequence": graph.sequence, "ts": graph.ts, "nodes": len(graph.nodes),
        "edges": len(graph.edges),
        **{f"nodes:{kind}": count for kind, count in counters.node_kinds.items()},
        **{f"edges:{kind}": count for kind, count in counters.edge_kinds.items()},
        **{f"soc:{severity}": count for severity, count in soc.items()},
    }  # fmt: skip
    return [("DEL", COUNTERS), ("HSET", COUNTERS, *(word for pair in fields.items() for word in pair))]


def _band(node: Node | None) -> str:
    return "" if node is None or node.frequency is None else f"{BAND}{bucket_of(node.frequency)}"


def _track_key(node: Node) -> str:
    return f"{TRACK}{node.id.removeprefix(VESSEL)}"


def _track_point(node: Node) -> bytes:
    lat, lon = (node.position or ())[:2]
    return msgspec.json.encode((position_ts(node), lat, lon))


def _vessel_of(key: bytes, graph: Hypergraph) -> bool:
    return VESSEL + key.decode("utf-8", "replace").removeprefix(TRACK) in graph.nodes
