"""Who reads and writes which stream: the one table that groups, access rights and trimming follow.

A required reader holds trimming back; an optional one that is overrun resumes from the audit log.
"""

from __future__ import annotations

import re

from msgspec import Struct

from dsmil.events.enums import StreamName

S = StreamName


class Daemon(Struct, frozen=True):
    """One daemon: its device and layer, what its group reads, what it writes, and what it `watches` without a group,
    so that each of its processes sees all of it. `shipped` ones exist today: only their groups are made, because a
    group nobody reads would hold its stream back for ever."""

    name: str
    device: int
    layer: int
    reads: tuple[StreamName, ...] = ()
    writes: tuple[StreamName, ...] = ()
    required: bool = True
    shipped: bool = True
    watches: tuple[StreamName, ...] = ()


DAEMONS: tuple[Daemon, ...] = (
    Daemon("rf-ingest", 10, 0, (), (S.L3_IN,)),
    Daemon("ais-playback", 11, 0, (), (S.L3_IN,)),
    Daemon("net-parser", 5, 0, (), (S.L3_IN,)),
    Daemon("l3", 16, 3, (S.L3_IN,), (S.L3_OUT, S.GRAPH_EVENTS)),
    Daemon("l4", 25, 4, (S.L3_IN, S.L3_OUT, S.L4_IN), (S.L4_OUT, S.GRAPH_EVENTS)),
    Daemon("soc-router", 52, 8, (S.L3_OUT, S.L4_OUT), (S.SOC_EVENTS,)),
    Daemon("l8", 51, 8, (S.SOC_EVENTS,), (S.L8_ALERTS, S.L9_COMMANDS), required=False),
    Daemon("drainer", 14, 0, tuple(StreamName), ()),
    Daemon("projector", 62, 9, (S.GRAPH_EVENTS, S.SOC_EVENTS), ()),
    Daemon("api", 13, 0, (),
           (S.GRAPH_EVENTS, S.CONTROL, S.L3_IN, S.L4_IN,
            S.PIPELINE_CRITICAL, S.PIPELINE_HIGH, S.PIPELINE_NORMAL, S.PIPELINE_LOW),
           watches=(S.GRAPH_EVENTS, S.SOC_EVENTS, S.CONTROL)),
    Daemon("pipeline", 12, 0,
           (S.PIPELINE_CRITICAL, S.PIPELINE_HIGH, S.PIPELINE_NORMAL, S.PIPELINE_LOW),
           (S.GRAPH_EVENTS, S.L4_IN), shipped=False),
    Daemon("memory", 54, 8, (S.SOC_EVENTS, S.MEMORY_EVENTS), (S.MEMORY_EVENTS,), required=False,
           shipped=False),
)  # fmt: skip
"""Every daemon may also write DEAD_LETTER. The drainer makes no group on GRAPH_EVENTS before the projector
has created that stream."""

BY_NAME: dict[str, Daemon] = {daemon.name: daemon for daemon in DAEMONS}

USER_GROUP = "dsmil"
USER_GROUP_STREAMS: tuple[StreamName, ...] = (S.L3_IN, S.L3_OUT, S.L4_IN, S.L4_OUT, S.SOC_EVENTS)
"""The documented group, for users to read and acknowledge; it feeds nothing of ours and holds nothing back."""

_INSTANCE = re.compile(r"[a-z0-9-]{1,32}")

CREATED_BY_PROJECTOR: frozenset[StreamName] = frozenset({S.GRAPH_EVENTS})
"""Streams nobody else may create (their ids are `0-*`)."""

STREAM_CAP = 100_000
SOC_STREAM_CAP = 500_000
"""Entries a stream may hold before it slows its producers: about 30 MB and 150 MB of Redis memory."""


def groups_of(stream: StreamName) -> tuple[str, ...]:
    """The groups of a stream that belong to shipped daemons."""
    return tuple(daemon.name for daemon in DAEMONS if daemon.shipped and stream in daemon.reads)


def required_groups_of(stream: StreamName) -> tuple[str, ...]:
    """Those of them that hold trimming back."""
    return tuple(
        daemon.name for daemon in DAEMONS if daemon.shipped and daemon.required and stream in daemon.reads
    )


def writers_of(stream: StreamName) -> tuple[str, ...]:
    """The shipped daemons that write a stream."""
    return tuple(daemon.name for daemon in DAEMONS if daemon.shipped and stream in daemon.writes)


def cap_of(stream: StreamName) -> int:
    """How many entries a stream may hold."""
    return SOC_STREAM_CAP if stream is S.SOC_EVENTS else STREAM_CAP


def full_name(daemon: str, instance: str) -> str:
    """`ais-playback@harbour`, one more daemon of that kind; the daemon's own name without an instance."""
    return f"{daemon}@{instance}" if instance else daemon


def is_instance(name: str) -> bool:
    """Whether an instance may be called that."""
    return _INSTANCE.fullmatch(name) is not None


def is_full_name(name: str) -> bool:
    """Whether `name` is that of an instance. A daemon that reads streams has none: its consumer is one."""
    daemon, at, instance = name.partition("@")
    found = BY_NAME.get(daemon)
    return bool(at) and found is not None and found.shipped and not found.reads and is_instance(instance)
