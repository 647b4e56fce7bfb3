"""A client of a byte stream that is allowed to go away: TCP here, UNIX sockets in `unix.py`.

Connecting never blocks the loop; a peer that refuses, ends or falls silent is tried again with growing waits,
and `error` says what happened last. TCP pushes back by itself, so nothing is dropped.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

from dsmil.clock import Clock
from dsmil.sensors.wait import Wait

READ_BYTES = 64 * 1024
"""One read, and with it the most a turn of the loop takes from one peer."""
CONNECT_S_MAX = 10.0
"""How long a connection may take to come about."""
IDLE_S = 300.0
"""Silence after which a peer counts as gone: a half-open connection never says so by itself."""

Target = tuple[socket.AddressFamily, Any]
"""Address family and socket address."""


class StreamClient:
    """A connection to `resolve()`, made again whenever it is lost. `idle_s` 0 waits for ever."""

    ended = False
    datagrams = False

    def __init__(self, name: str, resolve: Callable[[], Target], *, clock: Clock, idle_s: float = IDLE_S) -> None:
        self.name = name
        self.error: str | None = None
        self._resolve = resolve
        self._clock = clock
        self._idle_s = idle_s
        self._wait = Wait(clock)
        self._socket: socket.socket | None = None
        self._connected = False
        self._since_s = 0.0  # monotonic: when it was begun, or when data last came

    @property
    def events_for_write(self) -> bool:
        """True while the connection is coming about: then writability is what to wait for."""
        return self._socket is not None and not self._connected

    def fileno(self) -> int | None:
        """The descriptor to wait on, beginning a connection when it is time to; null between attempts."""
        if self._socket is None and self._wait.over():
            self._begin()
        return self._socket.fileno() if self._socket else None

    def due_s(self) -> float | None:
        """Seconds until it wants to be looked at without any data; null: only when data come."""
        if self._socket is None:
            return self._wait.left_s()
        limit = self._limit_s()
        return max(0.0, self._since_s + limit - self._clock.monotonic()) if limit else None

    def read(self) -> Iterator[tuple[str, bytes | None]]:
        """What has come, under the peer's name; null where the connection ended."""
        if self._socket is None:
            return
        if not self._connected and not self._finish():
            return
        limit = self._limit_s()
        try:
            data = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            if limit and self._clock.monotonic() - self._since_s >= limit:
                yield from self._end(f"silent for {limit:g} s")
            return
        except OSError as error:
            yield from self._end(error.strerror or str(error))
            return
        if not data:
            yield from self._end("closed by the peer")
            return
        self._since_s = self._clock.monotonic()
        self._wait.clear()
        yield self.name, data

    def lost(self) -> int:
        """Always 0: a stream waits."""
        return 0

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._connected = False

    def _limit_s(self) -> float:
        return self._idle_s if self._connected else CONNECT_S_MAX

    def _begin(self) -> None:
        try:
            family, address = self._resolve()
            begun = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        except OSError as error:
            self._fail(error.strerror or str(error))
            return
        self._socket, self._since_s = begun, self._clock.monotonic()
        code = begun.connect_ex(address)
        if code == 0:
            self._welcome()
        elif code != errno.EINPROGRESS:
            self._fail(os.strerror(code))

    def _finish(self) -> bool:
        assert self._socket is not None
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._fail(os.strerror(code))
            return False
        try:
            self._socket.getpeername()
        except OSError:
            if self._clock.monotonic() - self._since_s >= CONNECT_S_MAX:
                self._fail(f"no answer in {CONNECT_S_MAX:g} s")
            return False
        self._welcome()
        return True

    def _welcome(self) -> None:
        # The waits start afresh only once data come: a peer that accepts and hangs up is no success.
        self._connected, self.error = True, None
        self._since_s = self._clock.monotonic()

    def _end(self, why: str) -> Iterator[tuple[str, bytes | None]]:
        self._fail(why)
        yield self.name, None

    def _fail(self, why: str) -> None:
        self.error = f"read {self.name}: {why}"
        self.close()
        self._wait.again()


def tcp_client(host: str, port: int, *, clock: Clock, idle_s: float = IDLE_S) -> StreamClient:
    """A client of `host:port`; the name is looked up at each attempt, so a moved host is found again."""

    def resolve() -> Target:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return family, address

    shown = f"[{host}]" if ":" in host else host
    return StreamClient(f"{shown}:{port}", resolve, clock=clock, idle_s=idle_s)
