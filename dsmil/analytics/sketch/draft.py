"""One entity while a batch is read: what was said of it, in order, and the one patch that comes to the same.

Of each key the value with the greater (time, order) stands, as the fold would have it from one patch each. Keys
seen before the patch's own time are named in `times`, and `seen` says who told how often since when.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct

from dsmil.events.envelope import Event
from dsmil.events.graph import SEEN_MAX, Patch, Seen

_NOTHING: dict[str, Any] = {}
FUTURE_MAX_S = 86_400.0
"""A time this far after its own arrival is a wrong clock: it would hold its keys for ever (as `engine`)."""


class Row(Struct, frozen=True, gc=False):
    """One thing said: when it was so (Unix seconds), the patch, the event that told it."""

    ts: float
    patch: Patch
    event: Event


class Draft(Struct):
    """What a batch says of one entity, in order; `ended`: it was taken away before the first of `rows`."""

    edge: bool
    rows: list[Row] = []
    ended: Row | None = None


def time_of(event: Event) -> float:
    """When an observation was so; its arrival where its own time is absurd."""
    return event.ts if event.ts <= event.ingest_ts + FUTURE_MAX_S else event.ingest_ts


def merged(rows: list[Row]) -> Patch:
    """Rows of one entity, in order, as one patch; its time is the greatest of theirs."""
    newest = rows[0] if len(rows) == 1 else newest_of(rows)
    if len(rows) == 1 or all(row is newest or _covers(newest.patch, row.patch) for row in rows):
        patch = newest.patch  # as nearly always: the last report says everything anew
        return Patch(
            id=patch.id, kind=patch.kind, position=patch.position, frequency=patch.frequency, nodes=patch.nodes,
            weight=patch.weight, labels=patch.labels or UNSET, metadata=patch.metadata or UNSET,
            seen=_seen(rows), times=patch.times,
        )  # fmt: skip
    known: dict[str, tuple[float, Any]] = {}
    for row in rows:
        _absorb(known, row)
    return _patch(rows[0].patch.id, known, _seen(rows), newest.ts)


def newest_of(rows: list[Row]) -> Row:
    """The row of the greatest time, and of those the last."""
    newest = rows[0]
    for row in rows:
        if row.ts >= newest.ts:
            newest = row
    return newest


def _covers(new: Patch, old: Patch) -> bool:
    """Whether a later patch leaves nothing of an earlier one."""
    if new.times or old.times:
        return False
    for one, two in (
        (new.kind, old.kind), (new.position, old.position), (new.frequency, old.frequency),
        (new.nodes, old.nodes), (new.weight, old.weight),
    ):  # fmt: skip
        if one is UNSET and two is not UNSET:
            return False
    labels, metadata = new.labels or _NOTHING, new.metadata or _NOTHING
    return (not old.labels or old.labels.keys() <= labels.keys()) and (
        not old.metadata or old.metadata.keys() <= metadata.keys()
    )


def _absorb(known: dict[str, tuple[float, Any]], row: Row) -> None:
    """Take in a row's keys, each unless what is known of it is later."""
    patch, ts = row.patch, row.ts
    facts: dict[str, Any] = {}
    for key in ("kind", "position", "frequency", "nodes", "weight"):
        value = getattr(patch, key)
        if value is not UNSET:
            facts[key] = value
    if patch.labels is not UNSET:
        facts.update((f"labels.{key}", value) for key, value in patch.labels.items())
    if patch.metadata is not UNSET:
        facts.update((f"metadata.{key}", value) for key, value in patch.metadata.items())
    early = patch.times
    for key, value in facts.items():
        at = early.get(key, ts) if early else ts
        before = known.get(key)
        if before is None or at >= before[0]:
            known[key] = (at, value)


def _patch(entity_id: str, known: dict[str, tuple[float, Any]], seen: tuple[Seen, ...], ts: float) -> Patch:
    top: dict[str, Any] = {}
    labels: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    times: dict[str, float] = {}
    for key, (at, value) in known.items():
        place, dot, name = key.partition(".")
        if not dot:
            top[key] = value
        elif place == "labels":
            labels[name] = value
        else:
            metadata[name] = value
        if at < ts:
            times[key] = at
    if labels:
        top["labels"] = labels
    if metadata:
        top["metadata"] = metadata
    return Patch(id=entity_id, seen=seen, times=times, **top)


def _seen(rows: list[Row]) -> tuple[Seen, ...]:
    """Who told it: one row a source; of too many, those heard last."""
    if len(rows) == 1:
        return (Seen(rows[0].event.source, rows[0].ts, rows[0].ts),)
    found: dict[str, tuple[float, float, int]] = {}
    for row in rows:
        ts, before = row.ts, found.get(row.event.source)
        found[row.event.source] = (ts, ts, 1) if before is None else (
            min(before[0], ts), max(before[1], ts), before[2] + 1
        )  # fmt: skip
    told = [Seen(source, *row) for source, row in found.items()]
    if len(told) > SEEN_MAX:
        kept = sorted(told, key=lambda row: (-row.last_ts, row.source))[:SEEN_MAX]
        told = [row for row in told if row in kept]
    return tuple(told)
