"""What the routes work with, made once and handed in: nothing here is kept between requests but the engine."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

import anyio.to_thread
from anyio import CapacityLimiter
from fastapi import Request
from msgspec import Struct, field

from dsmil.api.intake import Intake
from dsmil.api.route import WHO
from dsmil.api.stream import GraphStream
from dsmil.clock import SYSTEM, Clock
from dsmil.config import Settings
from dsmil.errors import Unavailable
from dsmil.graph.hypergraph import Hypergraph
from dsmil.operators.tokens import Token, Tokens

T = TypeVar("T")

WORKERS_MAX = 4
"""Threads that read and write for requests; the interpreter lets one compute at a time anyway."""
WAITERS_MAX = 64
"""Requests that may wait for a sequence at the same time; more wait for their turn to wait."""


class Engine(Protocol):
    """The hypergraph that follows the stream (`dsmil.graph.follow.Follower`): `away` says why it does not just now,
    `generation` is 0 before there is a graph."""

    away: str
    generation: int

    @property
    def graph(self) -> Hypergraph: ...

    @property
    def lock(self) -> AbstractContextManager[Any]: ...

    def wait_for(self, sequence: int, timeout: float) -> bool:
        """Whether it has that sequence, within so many seconds."""


class Parts(Struct, kw_only=True):
    """The engine, the streams, the stores, the pages."""

    settings: Settings
    engine: Engine
    tokens: Tokens
    stream: GraphStream
    intake: Intake
    suite: Callable[[], str]
    """The metrics text of the whole suite; Unavailable where it cannot be read."""
    states: Callable[[], list[dict[str, Any]]]
    """How every daemon is; Unavailable where it cannot be read."""
    snapshot: Callable[[], dict[str, Any]] = lambda: dict.fromkeys(("sequence_id", "age_s", "latency_s"))
    """The projector's newest snapshot."""
    playback: Callable[[], float | None] = lambda: None
    """Where the recordings being played are (Unix seconds), null while none are."""
    counted: Callable[[int, float], None] = lambda *_: None
    clock: Clock = SYSTEM
    workers: CapacityLimiter | None = None
    waiters: CapacityLimiter | None = None
    digging: Any = field(default_factory=threading.Lock)

    @property
    def away(self) -> str:
        """Why the engine does not follow just now; empty while it does."""
        return self.engine.away

    @property
    def graph(self) -> Hypergraph:
        """The graph of now. Unavailable before there is one: an empty one would look like an answer."""
        if not self.engine.generation:
            raise Unavailable("read the graph: it is still being loaded", hint=self.away or "ask again")
        return self.engine.graph

    def deep(self, make: Callable[[], T]) -> T:
        """Make a picture out of what is kept on disk, one at a time."""
        with self.digging:
            return make()

    async def work(self, act: Callable[[], T]) -> T:
        """Do something that blocks, or computes, in a thread."""
        self.workers = self.workers or CapacityLimiter(WORKERS_MAX)
        return await anyio.to_thread.run_sync(act, limiter=self.workers)

    async def wait(self, act: Callable[[], T]) -> T:
        """Do something that only waits, in a thread of its own."""
        self.waiters = self.waiters or CapacityLimiter(WAITERS_MAX)
        return await anyio.to_thread.run_sync(act, limiter=self.waiters)


def parts_of(request: Request) -> Parts:
    """The parts of the app that answers."""
    parts: Parts = request.app.state.parts
    return parts


def who_of(request: Request) -> Token:
    """Who asks, on a route that takes a credential."""
    who: Token = request.scope[WHO]
    return who
