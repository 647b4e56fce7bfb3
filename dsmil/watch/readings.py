"""What can be read off a running suite: heartbeats, streams with their groups and lag, and the sources.

Lag is time, not count: now less the `ingest_ts` of a group's oldest unacknowledged entry (contract 3). The
count that Redis gives is null or wrong after trims and restarts (reliability 2.1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from dsmil.errors import BadEvent
from dsmil.events.enums import StreamName
from dsmil.events.envelope import FIELD
from dsmil.events.source import SourceStats
from dsmil.fabric import instances
from dsmil.fabric.topology import DAEMONS
from dsmil.runtime import health
from dsmil.runtime.health import Heartbeat, State

if TYPE_CHECKING:
    from redis import Redis

SOURCES_BACK_MAX = 5000
"""Newest entries of L3_IN searched for `source.stats`, which each live source writes every 10 s."""


class GroupReading(Struct, kw_only=True):
    """A group's pending entries, and how old its oldest unacknowledged one is."""

    group: str
    pending: int
    lag_s: float


class StreamReading(Struct, kw_only=True):
    """One stream. `pending` and `lag_s` are the worst over the groups of ours."""

    stream: str
    length: int
    added: int
    pending: int = 0
    lag_s: float = 0.0
    last_id: str = "0-0"
    groups: list[GroupReading] = []

    @property
    def sequence(self) -> int:
        """The number of GRAPH_EVENTS' newest event: the second half of its id."""
        return int(self.last_id.partition("-")[2])


class DaemonReading(Struct, kw_only=True):
    """One shipped daemon: the verdict on its heartbeat, and that heartbeat."""

    daemon: str
    state: State
    age_s: float | None = None
    lag_s: float = 0.0
    beat: Heartbeat | None = None


class _Stamp(Struct):
    ingest_ts: float


class _Kind(Struct):
    kind: str
    ingest_ts: float
    payload: msgspec.Raw


def daemons(client: Redis, now: float, streams: Sequence[StreamReading] = ()) -> list[DaemonReading]:
    """Every shipped daemon with its state, and every instance heard of lately; `streams` gives each its lag."""
    names = [daemon.name for daemon in DAEMONS if daemon.shipped] + instances.known(client, now)
    values: Any = client.mget([f"dsmil:hb:{name}" for name in names])
    lags = dict.fromkeys(names, 0.0)
    for group in (group for stream in streams for group in stream.groups):
        lags[group.group] = max(lags.get(group.group, 0.0), group.lag_s)
    rows = []
    for name, value in zip(names, values, strict=True):
        beat = _beat(value)
        age_s = now - beat.now if beat else None
        state = health.judge(beat, now)
        rows.append(DaemonReading(daemon=name, state=state, age_s=age_s, lag_s=lags[name], beat=beat))
    return rows


def streams(client: Redis, now: float) -> list[StreamReading]:
    """Every stream, those that do not exist yet as empty."""
    names = list(StreamName)
    pipe = client.pipeline(transaction=False)
    for name in names:
        pipe.xinfo_stream(name.value)
        pipe.xinfo_groups(name.value)
    replies = pipe.execute(raise_on_error=False)
    pairs = zip(names, replies[0::2], replies[1::2], strict=True)
    return [_stream(client, name, (about, groups), now) for name, about, groups in pairs]


def waiting_since(client: Redis, stream: StreamName, after_id: str) -> float | None:
    """When the first entry after that id was first seen, Unix seconds; null where there is none."""
    entries: Any = client.xrange(stream.value, min=f"({after_id}", count=1)
    return _ingested(*entries[0]) if entries else None


def sources(client: Redis) -> list[SourceStats]:
    """The newest word of each source heard of lately, by name."""
    found: dict[str, SourceStats] = {}
    entries: Any = client.xrevrange(StreamName.L3_IN.value, count=SOURCES_BACK_MAX)
    for _, fields in entries:
        data = fields.get(FIELD, b"")
        if b'"source.stats"' not in data:
            continue
        try:
            event = msgspec.json.decode(data, type=_Kind)
            if event.kind == "source.stats":
                stats = msgspec.json.decode(event.payload, type=SourceStats)
                found.setdefault(stats.source, stats)
        except msgspec.MsgspecError:
            continue
    return [found[name] for name in sorted(found)]


def _beat(value: bytes | None) -> Heartbeat | None:
    try:
        return health.decode(value) if value else None
    except BadEvent:
        return None


def _stream(client: Redis, name: StreamName, replies: tuple[Any, Any], now: float) -> StreamReading:
    about, groups = replies
    if isinstance(about, Exception):  # no such key
        return StreamReading(stream=name.value, length=0, added=0)
    rows = [] if isinstance(groups, Exception) else [_group(client, name, group, now) for group in groups]
    ours = [row for row in rows if row.group in {daemon.name for daemon in DAEMONS}]
    return StreamReading(
        stream=name.value,
        length=int(about["length"]),
        added=int(about.get("entries-added", about["length"])),
        pending=max((row.pending for row in ours), default=0),
        lag_s=max((row.lag_s for row in ours), default=0.0),
        last_id=text(about["last-generated-id"]),
        groups=rows,
    )


def _group(client: Redis, name: StreamName, group: dict[str, Any], now: float) -> GroupReading:
    pending = int(group["pending"])
    if pending:
        summary: Any = client.xpending(name.value, group["name"])
        low, count = text(summary["min"] or "-"), 1
    else:
        low, count = f"({text(group['last-delivered-id'])}", 1
    entries: Any = client.xrange(name.value, min=low, count=count)
    lag_s = max(0.0, now - _ingested(*entries[0])) if entries else 0.0
    return GroupReading(group=text(group["name"]), pending=pending, lag_s=round(lag_s, 3))


def _ingested(entry_id: bytes, fields: dict[bytes, bytes]) -> float:
    try:
        return msgspec.json.decode(fields[FIELD], type=_Stamp).ingest_ts
    except (msgspec.MsgspecError, KeyError):  # an entry somebody else wrote: its id says when, if it is a time
        return int(text(entry_id).partition("-")[0]) / 1000 or math.inf


def text(value: Any) -> str:
    """Redis text, decoded."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
