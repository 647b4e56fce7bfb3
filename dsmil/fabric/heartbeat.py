"""Where a daemon's heartbeat stands in Redis, and how it gets there: over the wire every daemon has anyway.

redis-py would do it too, but loading it costs each daemon 13 MB and a third of its start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from dsmil.fabric.wire import Wire

HEARTBEAT_TTL_S = 90
"""A daemon not heard of for so long is not there: 18 heartbeats missed."""


def heartbeat_key(daemon: str) -> str:
    """Where a daemon's heartbeat stands."""
    return f"dsmil:hb:{daemon}"


def heartbeat_writer(wire: Wire, daemon: str) -> Callable[[dict[str, Any]], None]:
    """A function that writes a daemon's heartbeat `dsmil:hb:<daemon>`, gone after 90 s of silence."""
    key = heartbeat_key(daemon)

    def beat(state: dict[str, Any]) -> None:
        wire.call("SET", key, msgspec.json.encode(state), "EX", HEARTBEAT_TTL_S)

    return beat
