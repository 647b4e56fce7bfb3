"""The only writer of the graph: one event in, the graph one step further.

What it does hangs on the graph and the event alone, so every process that folds the same stream holds the same
graph. Of two observations of one key the later one stands, and of equal times the one further down the stream: an
old file never moves a ship back. What a person writes stands by its place in the stream. A number that was folded
in already is passed over, so a redelivery changes nothing; what cannot be read is counted, and its number spent.
"""

from __future__ import annotations

from sys import intern
from typing import Any

import msgspec
from msgspec import UNSET

from dsmil.events.envelope import Event
from dsmil.events.graph import (
    COUNT_MAX,
    EDGE_CREATE,
    EDGE_DELETE,
    EDGE_UPDATE,
    NODE_CREATE,
    NODE_DELETE,
    NODE_UPDATE,
    SEEN_MAX,
    Patch,
    Seen,
)
from dsmil.graph.entity import Edge, Facts, Node
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.stamps import NEVER, NONE, gathered, later, shape_of, spread
from dsmil.graph.undo import Before

BARE = "entity"
"""Kind of a node that an edge names and nobody has told about, or that was told about without a kind."""
LINK = "relationship"
"""Kind of an edge told about without one."""
LAT_MAX, LON_MAX = 90.0, 180.0
_decode = msgspec.json.Decoder(Patch).decode


def fold(graph: Hypergraph, sequence: int, event: Event) -> bool:
    """Fold in the event with this number; false where it could not be read, or was folded in before."""
    if sequence <= graph.sequence:
        return False
    try:
        patch = _decode(event.payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _refuse(graph, sequence, event.ingest_ts)
    return apply(graph, sequence, event.kind, patch, ts=event.ts, ingest_ts=event.ingest_ts)


def apply(  # noqa: PLR0913 - two are keywords
    graph: Hypergraph, sequence: int, kind: str, patch: Patch, *, ts: float, ingest_ts: float
) -> bool:
    """`fold` for a patch already decoded: `ts` is when its keys were seen, `ingest_ts` when dsmil first saw them."""
    if sequence <= graph.sequence:
        return False
    changes: list[Before] = []
    if kind in (NODE_UPDATE, NODE_CREATE):
        good = _patch_node(graph, patch, ts, changes)
    elif kind in (EDGE_UPDATE, EDGE_CREATE):
        good = _patch_edge(graph, patch, ts, changes)
    elif kind == NODE_DELETE:
        good = _delete_node(graph, patch.id, changes)
    else:
        good = kind == EDGE_DELETE and _delete_edge(graph, patch.id, changes)
    if not good:
        return _refuse(graph, sequence, ingest_ts)
    graph.sequence, graph.ts = sequence, ingest_ts
    graph.version += 1
    graph.undo.note((sequence, ingest_ts, tuple(changes)))
    return True


def pass_over(graph: Hypergraph, sequence: int, ingest_ts: float) -> None:
    """Spend a number that changes nothing."""
    graph.sequence, graph.ts = sequence, ingest_ts
    graph.undo.note((sequence, ingest_ts, ()))


def _refuse(graph: Hypergraph, sequence: int, ingest_ts: float) -> bool:
    graph.refused += 1
    pass_over(graph, sequence, ingest_ts)
    return False


def _patch_node(graph: Hypergraph, patch: Patch, ts: float, changes: list[Before]) -> bool:
    position = patch.position
    if isinstance(position, tuple) and not (abs(position[0]) <= LAT_MAX and abs(position[1]) <= LON_MAX):
        return False
    before = graph.nodes.get(patch.id)
    old = before or _bare(patch.id, ts)
    last_ts = old.updated_at
    if ts >= last_ts and not patch.times:
        first_ts = _since(patch, ts)
        fresh, times = later(old.fresh, old.times, last_ts, (shape_of(patch), ts))
        last_ts = ts
    else:
        stamps = spread(old.fresh, old.times, last_ts)
        patch, first_ts = _standing(patch, ts, stamps)
        last_ts = max(last_ts, ts)
        fresh, times = gathered(stamps, last_ts)
        position = patch.position
    kind, frequency = patch.kind, patch.frequency
    new = Node(
        old.id,
        old.kind if kind is UNSET else intern(kind),
        old.position if position is UNSET else position,
        old.frequency if frequency is UNSET else frequency,
        _merged(old.labels, patch.labels) if patch.labels else old.labels,
        _merged(old.metadata, patch.metadata) if patch.metadata else old.metadata,
        old.created_at if old.created_at <= first_ts else first_ts,
        last_ts,
        fresh,
        times or _NOTHING,
        _seen(old.seen, patch.seen) if patch.seen else old.seen,
    )
    changes.append((old.id, before, False))
    graph.replace_node(old.id, before, new)
    return True


def _patch_edge(graph: Hypergraph, patch: Patch, ts: float, changes: list[Before]) -> bool:
    before = graph.edges.get(patch.id)
    if before is None and patch.nodes is UNSET:
        return False
    old = before or Edge(patch.id, LINK, (), 0.0, _NOTHING, _NOTHING, ts, ts, NONE, _NOTHING, ())
    last_ts = old.timestamp
    if ts >= last_ts and not patch.times:
        first_ts = _since(patch, ts)
        fresh, times = later(old.fresh, old.times, last_ts, (shape_of(patch), ts))
        last_ts = ts
    else:
        stamps = spread(old.fresh, old.times, last_ts)
        patch, first_ts = _standing(patch, ts, stamps)
        last_ts = max(last_ts, ts)
        fresh, times = gathered(stamps, last_ts)
    kind, weight = patch.kind, patch.weight
    new = Edge(
        old.id,
        old.kind if kind is UNSET else intern(kind),
        old.nodes if patch.nodes is UNSET else _known(graph, patch.nodes, ts, changes),
        old.weight if weight is UNSET else weight,
        _merged(old.labels, patch.labels) if patch.labels else old.labels,
        _merged(old.metadata, patch.metadata) if patch.metadata else old.metadata,
        old.created_at if old.created_at <= first_ts else first_ts,
        last_ts,
        fresh,
        times or _NOTHING,
        _seen(old.seen, patch.seen) if patch.seen else old.seen,
    )
    changes.append((old.id, before, True))
    graph.replace_edge(old.id, before, new)
    return True


def _known(graph: Hypergraph, members: tuple[str, ...], ts: float, changes: list[Before]) -> tuple[str, ...]:
    """The members by the graph's own ids; those nobody has told of become bare nodes."""
    found = []
    for node_id in members:
        node = graph.nodes.get(node_id)
        if node is None:
            node = _bare(node_id, ts)
            changes.append((node_id, None, False))
            graph.replace_node(node_id, None, node)
        found.append(node.id)
    return tuple(found)


def _delete_node(graph: Hypergraph, node_id: str, changes: list[Before]) -> bool:
    """A node goes with every edge over it, under one number. One that is not there stays away."""
    old = graph.nodes.get(node_id)
    if old is None:
        return True
    for edge_id in sorted(graph.memberships(node_id)):
        _delete_edge(graph, edge_id, changes)
    changes.append((node_id, old, False))
    graph.replace_node(node_id, old, None)
    return True


def _delete_edge(graph: Hypergraph, edge_id: str, changes: list[Before]) -> bool:
    old = graph.edges.get(edge_id)
    if old is not None:
        changes.append((edge_id, old, True))
        graph.replace_edge(edge_id, old, None)
    return True


def _standing(patch: Patch, ts: float, stamps: dict[str, float]) -> tuple[Patch, float]:
    """What of a patch stands against `stamps`, which are brought up to date, and its earliest time."""
    act = patch.by != ""  # a person may write over what was seen later than now: a wrong clock must not stop him
    early = patch.times
    lost = set()
    for key in shape_of(patch):
        at = min(ts, early.get(key, ts))  # a key is never seen after its patch
        if at >= stamps.get(key, NEVER):
            stamps[key] = at
        elif not act:
            lost.add(key)
    first_ts = _since(patch, ts)
    if not lost:
        return patch, first_ts
    kept = {
        name: getattr(patch, name)
        for name in ("kind", "position", "frequency", "nodes", "weight")
        if name not in lost
    }
    for name in ("labels", "metadata"):
        facts = getattr(patch, name) or {}
        kept[name] = {key: value for key, value in facts.items() if f"{name}.{key}" not in lost}
    return Patch(id=patch.id, seen=patch.seen, **kept), first_ts


def _since(patch: Patch, ts: float) -> float:
    """The earliest time a patch tells of: who saw the entity says since when, and else the times of its keys."""
    rows = patch.seen
    if len(rows) == 1:
        first_ts = rows[0].first_ts
        return first_ts if first_ts < ts else ts
    return min(ts, *(row.first_ts for row in rows)) if rows else min(ts, *patch.times.values(), ts)


def _merged(old: Facts, more: Any) -> Facts:
    """`old` with the keys of `more`; null takes a key away."""
    new = {**old, **more}
    if None in more.values():
        for key, value in more.items():
            if value is None:
                del new[key]
    return new


def _seen(old: tuple[Seen, ...], more: tuple[Seen, ...]) -> tuple[Seen, ...]:
    """Provenance with more rows: one a source; of more than 16 sources those heard last."""
    if len(more) == 1 and len(old) < 2:
        row = more[0]
        if not old:
            return (Seen(intern(row.source), row.first_ts, row.last_ts, row.count),)
        known = old[0]
        if known.source == row.source:
            return (_joined(known, row),)
    rows = {row.source: row for row in old}
    for row in more:
        rows[row.source] = _joined(rows[row.source], row) if row.source in rows else row
    if len(rows) > SEEN_MAX:
        kept = sorted(rows.values(), key=lambda row: (-row.last_ts, row.source))[:SEEN_MAX]
        return tuple(row for row in rows.values() if row in kept)
    return tuple(rows.values())


def _joined(known: Seen, row: Seen) -> Seen:
    first_ts = known.first_ts if known.first_ts <= row.first_ts else row.first_ts
    last_ts = known.last_ts if known.last_ts >= row.last_ts else row.last_ts
    count = known.count + row.count
    return Seen(known.source, first_ts, last_ts, count if count < COUNT_MAX else COUNT_MAX)


_NOTHING: Facts = {}
"""Shared by all that have none; entities' dicts are never written to."""


def _bare(node_id: str, ts: float) -> Node:
    return Node(node_id, BARE, None, None, _NOTHING, _NOTHING, ts, ts, NONE, _NOTHING, ())
