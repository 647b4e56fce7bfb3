"""A daemon's heartbeat, and what may be concluded from it.

Written each five seconds under a key that expires, so a dead daemon falls silent by itself.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec
from msgspec import Struct

from dsmil.errors import BadEvent

BEAT_EVERY_S = 5.0
"""Often enough that `status` is fresh, seldom enough to cost nothing."""
SILENT_AFTER_S = 20.0
"""Three missed heartbeats and the longest block: then a daemon counts as silent."""

Stat = float | int | str | bool | None


class State(StrEnum):
    """Where a daemon is in its life; the last two are the verdict of whoever reads its heartbeat."""

    STARTING = "starting"
    READY = "ready"
    DEGRADED = "degraded"
    DRAINING = "draining"
    SILENT = "silent"
    ABSENT = "absent"


class Heartbeat(Struct, kw_only=True):
    """What a daemon last said of itself. `since` is its start, `state_since` its last change, Unix seconds."""

    daemon: str
    pid: int
    state: State
    since: float
    state_since: float
    now: float
    version: str = ""
    error: str | None = None
    stats: dict[str, Stat] = {}
    metrics: str = ""


def decode(data: bytes) -> Heartbeat:
    """Read a heartbeat; BadEvent where it is none."""
    try:
        return msgspec.json.decode(data, type=Heartbeat)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadEvent(f"decode heartbeat: {error}") from None


def judge(beat: Heartbeat | None, now: float) -> State:
    """The state to show for a daemon: its own word while that is fresh."""
    if beat is None:
        return State.ABSENT
    return State.SILENT if now - beat.now > SILENT_AFTER_S else beat.state
