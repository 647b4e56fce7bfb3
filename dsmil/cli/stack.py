"""A private suite from the topology: which daemons there are, and in which order they start and stop.

The drainer starts first and stops last, so that whatever anybody says while stopping is still written down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from dsmil.clock import SYSTEM, Clock
from dsmil.fabric.client import connect, ensure_topology
from dsmil.fabric.private import PrivateRedis
from dsmil.fabric.topology import DAEMONS
from dsmil.runtime.supervisor import Supervisor

LAST_TO_STOP = "drainer"
PROJECTOR = "projector"
NO_GRAPH: Mapping[str, str] = {"DSMIL_L3_GRAPH": "false", "DSMIL_L4_GRAPH": "false"}
"""Without a projector nobody makes GRAPH_EVENTS, and who publishes there would wait for ever."""


def shipped() -> tuple[str, ...]:
    """The daemons of this version."""
    return tuple(daemon.name for daemon in DAEMONS if daemon.shipped)


def groups(names: Sequence[str]) -> list[list[str]]:
    """`names` in order of start: the drainer, those who read streams, those who feed them."""
    readers = {daemon.name for daemon in DAEMONS if daemon.reads}
    parts = [
        [name for name in names if name == LAST_TO_STOP],
        [name for name in names if name != LAST_TO_STOP and name in readers],
        [name for name in names if name not in readers],
    ]
    return [part for part in parts if part]


class _Server:
    """A private Redis that has all streams and groups whenever it stands, the users' group `dsmil` too."""

    def __init__(self, redis: PrivateRedis) -> None:
        self._redis = redis
        self.kill = redis.kill
        self.stop = redis.stop

    @property
    def url(self) -> str:
        """The address as REDIS_URL takes it."""
        return self._redis.url

    @property
    def pid(self) -> int:
        """Process id; 0 while it does not run."""
        return self._redis.pid

    def start(self) -> None:
        """Start it, and make what is missing."""
        self._redis.start()
        with connect(self._redis.url, "up") as client:
            ensure_topology(client)


def private_suite(  # noqa: PLR0913 - all but one are keywords
    directory: Path,
    *,
    daemons: Sequence[str] | None = None,
    profile: Literal["fast", "durable"] = "fast",
    extra_env: Mapping[str, str] | None = None,
    args_by_daemon: Mapping[str, Sequence[str]] | None = None,
    clock: Clock = SYSTEM,
) -> Supervisor:
    """A supervisor for a suite in `directory` with a Redis of its own, not started yet. Without a projector among its
    daemons none says anything on GRAPH_EVENTS."""
    names = shipped() if daemons is None else daemons
    return Supervisor(
        directory,
        groups(names),
        server=_Server(PrivateRedis(directory, profile=profile)),
        clock=clock,
        extra_env={**({} if PROJECTOR in names else NO_GRAPH), **(extra_env or {})},
        args_by_daemon=args_by_daemon,
    )
