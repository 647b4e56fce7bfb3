"""Starts daemons of Layer 8 as processes against the tests' private Redis."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import redis

from dsmil.clock import SYSTEM
from dsmil.config.private import private_environment
from dsmil.events import envelope
from dsmil.events.envelope import Event

WAIT_S = 60.0
NO_GRAPH = {"DSMIL_L3_GRAPH": "false", "DSMIL_L4_GRAPH": "false"}
"""Daemons start alone here: without a projector nothing would take what they say of the graph."""


class Bench:
    """A private suite: `start` daemons, `add` events to a stream, `wait` for what comes out of another."""

    def __init__(self, directory: Path, socket: str) -> None:
        self.directory = directory
        self.redis = redis.Redis(unix_socket_path=socket)
        self._environment = private_environment(directory, f"unix://{socket}")
        self._children: list[subprocess.Popen[bytes]] = []
        (directory / "run").mkdir()

    def start(self, module: str, **environ: str) -> subprocess.Popen[bytes]:
        log = (self.directory / f"{module}.log").open("ab")
        child = subprocess.Popen(
            [sys.executable, "-m", f"dsmil.daemons.{module}"],
            env={**self._environment, "DSMIL_SOC_ROUTER_SHRINK_URL": "", **NO_GRAPH, **environ},
            stderr=log, stdout=log,
        )  # fmt: skip
        self._children.append(child)
        return child

    def stop(self, child: subprocess.Popen[bytes], how: int = signal.SIGTERM) -> int:
        os.kill(child.pid, how)
        return child.wait(15)

    def add(self, stream: str, events: Sequence[Event | bytes]) -> None:
        pipe = self.redis.pipeline(transaction=False)
        for event in events:
            pipe.xadd(stream, {"event": event if isinstance(event, bytes) else envelope.encode(event)})
        pipe.execute()

    def events(self, stream: str) -> list[Event]:
        rows = cast(list[Any], self.redis.xrange(stream))
        return [envelope.decode(fields[b"event"]) for _, fields in rows]

    def wait(self, stream: str, enough: Callable[[list[Event]], bool]) -> list[Event]:
        """All events of a stream, once they are `enough`; waits by blocking reads, each of at most a second."""
        last = b"0-0"
        found: list[Event] = []
        for _ in range(int(WAIT_S)):
            reply = cast(list[Any], self.redis.xread({stream: last}, block=1000))
            for _, rows in reply:
                found += [envelope.decode(fields[b"event"]) for _, fields in rows]
                last = rows[-1][0]
            if enough(found):
                return found
        raise AssertionError(f"{stream}: {len(found)} events after {WAIT_S} s; {self.words()}")

    def settle(self, stream: str, group: str, *, left: int = 0) -> None:
        """Wait until a group has read and acknowledged a stream, or at most `left` entries are still unread."""
        until = SYSTEM.monotonic() + WAIT_S
        while SYSTEM.monotonic() < until:
            groups = cast(list[dict[str, Any]], self.redis.xinfo_groups(stream))
            mine = next((g for g in groups if g["name"] == group.encode()), None)
            if mine is not None and (mine["lag"] or 0) <= left and (left or mine["pending"] == 0):
                return
            self.redis.xread({"dsmil:test:never": "0"}, block=5)
        raise AssertionError(f"{group} does not finish {stream}; {self.words()}")

    def words(self) -> str:
        return "\n".join(path.read_text()[-2000:] for path in self.directory.glob("*.log"))

    def close(self) -> None:
        for child in self._children:
            if child.poll() is None:
                child.kill()
                child.wait()
        self.redis.close()


@pytest.fixture
def bench(tmp_path: Path, redis_socket: str) -> Iterator[Bench]:
    made = Bench(tmp_path, redis_socket)
    yield made
    made.close()
