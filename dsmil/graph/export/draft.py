"""What a line of an imported file asks for: one node or edge, checked as strictly as the stream does.

An entity that was exported carries the time of each of its keys; with them the patch made here folds into exactly the
entity that was exported. One written by hand needs its id alone.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from dsmil.errors import QueryError
from dsmil.events.envelope import DEPTH_MAX, EVENT_BYTES_MAX, Ts, depth
from dsmil.events.graph import (
    MEMBERS_MAX,
    SEEN_MAX,
    EntityId,
    Facts,
    Megahertz,
    Patch,
    Position,
    Seen,
    Word,
)

PATCH_BYTES_MAX = EVENT_BYTES_MAX - 8 * 1024
"""A patch and its envelope are one event; the envelope of an import takes less than that."""
LAT_MAX, LON_MAX = 90.0, 180.0
PROVENANCE = "provenance"
"""The metadata key under which the API tells `seen`: in a line without `seen` it says nothing."""
_OLDEST = "created_at"
"""No key of an entity, so that in `times` it says nothing but how long the entity is known."""

Rows = Annotated[tuple[Seen, ...], Meta(max_length=SEEN_MAX)]

_encode = msgspec.json.Encoder().encode


class NodeLine(Struct, frozen=True, kw_only=True, tag="node", tag_field="type", forbid_unknown_fields=True):
    """A node as a file tells it; the fields are those of `Node`."""

    id: EntityId
    kind: Word | UnsetType = UNSET
    position: Position | UnsetType | None = UNSET
    frequency: Megahertz | UnsetType | None = UNSET
    labels: Facts = {}
    metadata: Facts = {}
    created_at: Ts | UnsetType = UNSET
    updated_at: Ts | UnsetType = UNSET
    times: dict[str, Ts] | UnsetType = UNSET
    seen: Rows | UnsetType = UNSET


class EdgeLine(Struct, frozen=True, kw_only=True, tag="edge", tag_field="type", forbid_unknown_fields=True):
    """An edge as a file tells it; the fields are those of `Edge`."""

    id: EntityId
    kind: Word | UnsetType = UNSET
    nodes: Annotated[tuple[EntityId, ...], Meta(min_length=1, max_length=MEMBERS_MAX)]
    weight: float | UnsetType = UNSET
    labels: Facts = {}
    metadata: Facts = {}
    created_at: Ts | UnsetType = UNSET
    timestamp: Ts | UnsetType = UNSET
    times: dict[str, Ts] | UnsetType = UNSET
    seen: Rows | UnsetType = UNSET


class Draft(Struct, frozen=True):
    """A patch, what it is of, where it stood (`line` from 1), and when it was so; null: now."""

    line: int
    is_edge: bool
    ts: float | None
    patch: Patch


def drafts_of(told: NodeLine | EdgeLine, line: int) -> list[Draft]:
    """The patches that make what a line tells: more than one where one event cannot hold it. QueryError says what
    is wrong with it."""
    is_edge = isinstance(told, EdgeLine)
    last = told.timestamp if isinstance(told, EdgeLine) else told.updated_at
    if isinstance(told, NodeLine):
        _check(told, line)
    patch = _patch(told)
    ts = None if last is UNSET else last
    drafts = [Draft(line, is_edge, ts, piece) for piece in ([patch] if _fits(patch) else _pieces(patch, line))]
    first = told.created_at
    if first is not UNSET and patch.seen and first < min(row.first_ts for row in patch.seen):
        # Its sources saw it later than it is known: they would say for how long it is, so that is told before them.
        drafts.insert(0, Draft(line, is_edge, first, Patch(id=patch.id, nodes=patch.nodes)))
    return drafts


def refuse(line: int, why: str | Exception, hint: str = "") -> QueryError:
    """What is wrong with a line of an import."""
    if isinstance(why, Exception):
        why = "it nests too deep" if isinstance(why, RecursionError) else str(why)
    return QueryError(f"read import, line {line}: {why}", line=line, hint=hint)


def _check(node: NodeLine, line: int) -> None:
    place = node.position
    if isinstance(place, tuple) and (abs(place[0]) > LAT_MAX or abs(place[1]) > LON_MAX):
        raise refuse(line, f"position {list(place)} is no latitude and longitude", "[lat, lon] in degrees")


def _patch(told: NodeLine | EdgeLine) -> Patch:
    fields: dict[str, Any] = {name: getattr(told, name) for name in told.__struct_fields__}
    for name in ("updated_at", "timestamp"):
        fields.pop(name, None)
    times = dict(told.times or {})
    if told.times is not UNSET:  # an entity that was held: what nobody ever said of it is not said now
        for name, silent in (("kind", None), ("position", None), ("frequency", None), ("weight", 0.0)):
            if name in fields and name not in times and (name == "kind" or fields[name] == silent):
                fields[name] = UNSET
    if fields["seen"] is UNSET:
        fields["seen"] = ()
        fields["metadata"] = {key: value for key, value in told.metadata.items() if key != PROVENANCE}
    for group in ("labels", "metadata"):
        fields[group] = _with_removed(group, fields[group], times) or UNSET
    if (first := fields.pop("created_at")) is not UNSET:
        times[_OLDEST] = first
    return Patch(**{**fields, "times": times})


def _with_removed(group: str, facts: Facts, times: dict[str, float]) -> Facts:
    """`facts` and a null for each key that was taken away: when it was, is a part of what is held."""
    head = f"{group}."
    gone = [key[len(head) :] for key in times if key.startswith(head) and key[len(head) :] not in facts]
    return {**facts, **dict.fromkeys(gone)} if gone else facts


def _fits(patch: Patch) -> bool:
    data = _encode(patch)
    if len(data) > PATCH_BYTES_MAX:
        return False
    # Opening brackets bound the depth from above: hardly any patch needs the exact count.
    return data.count(b"{") + data.count(b"[") <= DEPTH_MAX or depth(data) <= DEPTH_MAX


def _pieces(patch: Patch, line: int) -> list[Patch]:
    """`patch` as several that each fit an event: one with all but labels and metadata, then as many keys as fit."""
    rest = [
        (group, key, value)
        for group, facts in (("labels", patch.labels), ("metadata", patch.metadata))
        for key, value in (facts.items() if isinstance(facts, dict) else ())
    ]
    own = {name: ts for name, ts in patch.times.items() if "." not in name}
    pieces = [msgspec.structs.replace(patch, labels=UNSET, metadata=UNSET, times=own)]
    for group, key, value in rest:
        one = _piece(patch, group, {key: value})
        known = getattr(pieces[-1], group)
        more = _piece(patch, group, {**known, key: value}) if isinstance(known, dict) else None
        if more is not None and _fits(more):
            pieces[-1] = more
        else:
            pieces.append(one)
    for piece in pieces:
        if not _fits(piece):
            raise refuse(line, f"{patch.id} nests deeper than {DEPTH_MAX} or has a value too large for an event")
    return pieces


def _piece(patch: Patch, group: str, facts: Facts) -> Patch:
    times = {name: ts for key in facts if (ts := patch.times.get(name := f"{group}.{key}")) is not None}
    return Patch(id=patch.id, by=patch.by, times=times, **{group: facts})  # type: ignore[arg-type] # by its name
