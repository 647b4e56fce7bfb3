"""A UDP socket that takes datagrams as they come and counts those that were lost.

UDP cannot be slowed: what the loop does not fetch in time the kernel throws away, and Linux says how many
(SO_RXQ_OVFL rides along with the next datagram). Those are the source's `dropped`.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator

from dsmil.clock import Clock
from dsmil.sensors.wait import Wait

DATAGRAM_BYTES_MAX = 64 * 1024
"""The largest datagram UDP can carry."""
DATAGRAMS_MAX = 512
"""Datagrams fetched in one go, so that other sources get their turn."""
RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
"""Asked of the kernel (which may give less): several seconds of a busy AIS feed while Redis restarts."""
SO_RXQ_OVFL = 40
"""linux/socket.h; Python has no name for it."""
_COUNT = struct.Struct("=I")


class Udp:
    """A bound UDP socket. A port that is taken is tried again with growing waits, and `error` says so."""

    ended = False
    datagrams = True
    events_for_write = False

    def __init__(self, host: str, port: int, *, clock: Clock) -> None:
        self.address = (host, port)
        self.error: str | None = None
        self._clock = clock
        self._socket: socket.socket | None = None
        self._wait = Wait(clock)
        self._overflow = 0
        self._lost = 0

    @property
    def port(self) -> int:
        """The bound port (the asked-for one until then; 0 lets the kernel choose)."""
        return self._socket.getsockname()[1] if self._socket else self.address[1]

    def fileno(self) -> int | None:
        """The descriptor to wait on, opening the socket when it is time to; null while it cannot be had."""
        if self._socket is None and self._wait.over():
            self._open()
        return self._socket.fileno() if self._socket else None

    def due_s(self) -> float | None:
        """Seconds until it wants to be looked at without any data; null: only when data come."""
        return None if self._socket else self._wait.left_s()

    def read(self) -> Iterator[tuple[str, bytes | None]]:
        """The datagrams that are there, each with its peer; an empty one counts as none."""
        if self._socket is None:
            return
        for _ in range(DATAGRAMS_MAX):
            try:
                data, extra, _flags, peer = self._socket.recvmsg(DATAGRAM_BYTES_MAX, 64)
            except BlockingIOError:
                return
            except OSError as error:
                self._fail(error)
                return
            self._count_lost(extra)
            if data:
                yield f"{peer[0]}:{peer[1]}", data

    def lost(self) -> int:
        """Datagrams lost since this was last asked."""
        lost, self._lost = self._lost, 0
        return lost

    def close(self) -> None:
        """Give the port back."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self) -> None:
        host, port = self.address
        family = socket.AF_INET6 if _is_ipv6(host) else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            opened.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
            opened.bind((host, port))
        except OSError as error:
            opened.close()
            self._fail(error)
            return
        self._socket, self._overflow, self.error = opened, 0, None
        self._wait.clear()

    def _fail(self, error: OSError) -> None:
        self.error = f"listen on udp {self.address[0]}:{self.address[1]}: {error.strerror or error}"
        self.close()
        self._wait.again()

    def _count_lost(self, extra: list[tuple[int, int, bytes]]) -> None:
        for level, kind, data in extra:
            if level == socket.SOL_SOCKET and kind == SO_RXQ_OVFL and len(data) >= _COUNT.size:
                # The kernel counts from the socket's birth, modulo 2**32.
                (total,) = _COUNT.unpack_from(data)
                self._lost += (total - self._overflow) % 2**32
                self._overflow = total


def _is_ipv6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False
