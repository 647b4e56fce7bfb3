"""api (device 13): the HTTP face of the suite, on the socket of dsmil-api.socket or on its configured address.

It lives as every daemon does, with one difference: its loop is asyncio's, turned in slices by the daemon's own, so
that a watchdog ping still proves that requests are answered. What is away is waited for while serving goes on.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn

from dsmil.api.app import create_app
from dsmil.api.connection import Connection
from dsmil.api.intake import Intake
from dsmil.api.parts import Parts
from dsmil.api.stream import GraphStream
from dsmil.api.suite import Suite
from dsmil.clock import SYSTEM, SystemClock
from dsmil.config import Settings
from dsmil.config.sources import split_address
from dsmil.daemons.assembly import LOOK_S, STATUS_S, hot_of
from dsmil.daemons.presence import Present
from dsmil.errors import ConfigError, DsmilError, Unavailable
from dsmil.events.enums import StreamName
from dsmil.fabric.heartbeat import heartbeat_writer
from dsmil.fabric.instances import Entered
from dsmil.fabric.publisher import Publisher
from dsmil.fabric.topology import full_name, is_instance
from dsmil.fabric.wire import Wire
from dsmil.graph.follow import Follower
from dsmil.graph.state import relax_collector
from dsmil.operators.book import Book
from dsmil.operators.tokens import Tokens
from dsmil.runtime import logs
from dsmil.runtime.activation import passed
from dsmil.runtime.daemon import Daemon, refuse, start
from dsmil.runtime.door import listen, taken
from dsmil.runtime.metrics import Metrics

NAME = "api"
DEVICE = 13
SOCKET_NAME = "http"
"""FileDescriptorName= of dsmil-api.socket."""
SLICE_S = 0.25
"""One turn of the daemon's loop: how soon a stop signal is seen."""
WIRE_S = 2.0
"""Longest wait for Redis in a request: who asks is to be told before he gives up."""
DRAIN_S = 5
"""Requests in flight get so long to end; then they are cut off."""
NOTE_S = 15.0
"""Between two writings of when tokens were used."""
SETTLE_S = 5.0
"""Between two looks whether Redis still holds what was published last."""
BUSY_MS = 500
"""Wait for another writer of operators.db: the loop stands meanwhile."""
SECONDS = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0)
"""Edges of the histogram of requests."""

log = logs.get()


class LoopClock(SystemClock):
    """The machine's clock, whose waiting turns a loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def sleep(self, seconds: float) -> None:
        """Serve for so long."""
        self._loop.run_until_complete(asyncio.sleep(seconds))


class Serving:
    """The daemon's work, and the part that holds its socket: uvicorn, turned a slice at a time."""

    def __init__(self, parts: Parts, *, loop: asyncio.AbstractEventLoop, metrics: Metrics) -> None:
        self._parts = parts
        self._loop = loop
        self._metrics = metrics
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None
        self._fallen: BaseException | None = None
        self._url = ""
        self._note_due = self._settle_due = 0.0
        self._settling: asyncio.Future[None] | None = None
        self._counts = {"requests": 0, "refused": 0, "failed": 0}

    def open(self) -> None:
        """Take the socket systemd passed, else open the configured address. Unavailable while that is taken."""
        door = _door(self._parts.settings)
        config = uvicorn.Config(
            create_app(self._parts), http=Connection, ws="none", lifespan="off", log_config=None, access_log=False,
            server_header=False, proxy_headers=False, timeout_graceful_shutdown=DRAIN_S,
        )  # fmt: skip
        self._server = _Server(config)
        self._task = self._loop.create_task(self._server.serve(sockets=[door]))
        while not self._server.started and not self._task.done():
            self._loop.run_until_complete(asyncio.sleep(0))
        self._url = url_of(door)
        log.info("listening", url=self._url)

    def close(self) -> None:
        """End at once what is left, and the loop."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                self._loop.run_until_complete(self._task)
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def step(self, timeout_s: float) -> int:
        """Serve for a slice; returns the answers given in it. Unavailable: the engine does not follow just now."""
        assert self._task is not None
        before = self._counts["requests"]
        self._loop.run_until_complete(asyncio.sleep(min(timeout_s, SLICE_S)))
        if self._task.done():
            self._task.result()
            raise RuntimeError("the server ended by itself")
        if self._fallen is not None:
            raise self._fallen
        self._note_uses()
        self._settle()
        away = self._parts.away
        if away:
            raise Unavailable(away)
        return self._counts["requests"] - before

    def drain(self) -> None:
        """Let nobody in any more and finish what is begun."""
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            self._loop.run_until_complete(self._task)
        self._note_uses(at_once=True)

    def stats(self) -> Mapping[str, float | int | str | bool]:
        """Answers by sort, what the engine holds, and where it listens."""
        graph = self._parts.engine.graph
        held = {"sequence": graph.sequence, "nodes": len(graph.nodes), "edges": len(graph.edges)}
        return {**self._counts, **held, "url": self._url}

    def count(self, status: int, seconds: float) -> None:
        """One answer more."""
        self._counts["requests"] += 1
        self._counts["refused"] += 400 <= status < 500
        self._counts["failed"] += status >= 500
        about = "Answers by HTTP status"
        self._metrics.counter("dsmil_http_requests_total", about, code=str(status)).inc()
        self._metrics.histogram("dsmil_http_seconds", "From request to answer", SECONDS).observe(seconds)

    def fall(self, thread: threading.ExceptHookArgs) -> None:
        """A thread broke, the engine's say; the next step breaks with it, or it would tell the past for ever."""
        self._fallen = thread.exc_value or RuntimeError("a thread ended by itself")

    def _settle(self) -> None:
        """See in a thread that what was published lately is still there."""
        now = self._parts.clock.monotonic()
        if now >= self._settle_due and (self._settling is None or self._settling.done()):
            self._settle_due = now + SETTLE_S
            self._settling = self._loop.run_in_executor(None, _settled, self._parts.intake)

    def _note_uses(self, *, at_once: bool = False) -> None:
        now = self._parts.clock.monotonic()
        if now < self._note_due and not at_once:
            return
        self._note_due = now + NOTE_S
        try:
            self._parts.tokens.note_uses()
        except DsmilError as error:  # when a token was used is worth a line, not a request
            log.warning("uses_not_noted", error=str(error))


class Following:
    """The engine as a part of the daemon: its thread runs while the daemon lives."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower

    def open(self) -> None:
        """Begin to follow; what is away is waited for in the thread."""
        self._follower.start()

    def close(self) -> None:
        """Stop following."""
        self._follower.stop()


class _Server(uvicorn.Server):
    """uvicorn's server; signals are the daemon's."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Library(logging.Handler):
    """What uvicorn and asyncio have to say, as lines of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass on a warning or worse; a request's own failure is told where it is answered."""
        if not record.getMessage().startswith("Exception in ASGI application"):
            say = log.error if record.levelno >= logging.ERROR else log.warning
            say("library", library=record.name, said=record.getMessage())


def url_of(door: socket.socket) -> str:
    """The URL under which a listening socket is reached."""
    if door.family == socket.AF_UNIX:
        return f"unix:{door.getsockname()}"
    host, port = door.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def build(settings: Settings, instance: str = "") -> Daemon:
    """Put the daemon together."""
    name = full_name(NAME, instance)
    relax_collector()
    logging.basicConfig(handlers=[_Library(logging.WARNING)], level=logging.WARNING)
    loop, run, metrics = asyncio.new_event_loop(), os.urandom(8).hex(), Metrics(name)
    address = settings.redis.address()
    writer, frames, intel = (Wire(address, name=f"{name}-{each}", timeout_s=WIRE_S) for each in ("w", "f", "i"))
    book, stream, suite = (
        Book(settings.paths.operators_db, busy_ms=BUSY_MS),
        GraphStream(writer, run=run),
        Suite(settings),
    )
    follower = Follower(settings, Wire(address, name=name, timeout_s=settings.redis.socket_timeout_s))
    intake = Intake(
        Publisher(frames, StreamName.L3_IN, cap=settings.streams.cap),
        Publisher(intel, StreamName.L4_IN, cap=settings.streams.cap),
        run=run,
    )
    parts = Parts(
        settings=settings, engine=follower, tokens=Tokens(book), stream=stream, intake=intake,
        suite=suite.text, states=suite.states, snapshot=suite.snapshot, playback=suite.playback,
    )  # fmt: skip
    serving = Serving(parts, loop=loop, metrics=metrics)
    parts.counted = serving.count
    threading.excepthook = serving.fall
    look = Wire(address, name=f"{name}-side", timeout_s=LOOK_S)
    heartbeat = heartbeat_writer(look, name)
    held: list[Any] = [look, frames, intel, stream, suite, book, Following(follower), serving]
    work: Any = serving
    if instance:
        entered = Entered(look, name)
        held, heartbeat = [*held, entered], entered.beside(heartbeat)
    else:
        work = Present(
            serving, hot_of(settings, metrics), daemon=name, devices=(DEVICE,), every_s=STATUS_S, clock=SYSTEM
        )
        held.append(work)
    return Daemon(
        name, work, settings=settings, parts=held, heartbeat=heartbeat, clock=LoopClock(loop), metrics=metrics
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to stop; the exit code. `--instance NAME`: one more of its kind, with an address of its own."""
    words = list(sys.argv[1:] if argv is None else argv)
    instance = ""
    if words[:1] == ["--instance"] and len(words) > 1:
        instance, words = words[1], words[2:]
        if not is_instance(instance):
            hint = "1 to 32 of a-z, 0-9 and -"
            return refuse(
                NAME, ConfigError(f"start {NAME} as instance {instance!r}: not a name for one", hint=hint)
            )
    return start(full_name(NAME, instance), lambda settings: build(settings, instance), argv=words)


def _settled(intake: Intake) -> None:
    with suppress(Unavailable):  # the next look sends again what is not there
        intake.settle()


def _door(settings: Settings) -> socket.socket:
    fd = passed(SOCKET_NAME)
    if fd is not None:
        return taken(fd)
    at = split_address(settings.api.listen)
    assert at is not None, "[api] refuses an empty listen"
    # Asked anew what it is: asyncio sends small answers at once only on a socket it knows for TCP, and one that was
    # opened without naming the protocol does not say so. They would wait 40 ms for the reader's acknowledgement.
    return socket.socket(fileno=listen(*at).detach())


if __name__ == "__main__":
    raise SystemExit(main())
