"""A UDP socket that takes datagrams as they come and counts those that were lost.

UDP cannot be slowed: what the loop does not fetch in time the kernel throws away, and Linux says how many
(SO_RXQ_OVFL rides along with the next datagram). Those are the source's `dropped`. A socket that systemd opened
is used as it is and never closed over an error that may pass: nobody but systemd could open it again.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from dsmil.clock import Clock
from dsmil.errors import ConfigError
from dsmil.sensors.wait import Wait

DATAGRAM_BYTES_MAX = 64 * 1024
"""The largest datagram UDP can carry."""
DATAGRAMS_MAX = 512
"""Datagrams fetched in one go, so that other sources get their turn."""
RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
"""Asked of the kernel (which may give less): several seconds of a busy AIS feed while Redis restarts."""
SO_RXQ_OVFL = 40
"""linux/socket.h; Python has no name for it."""
SO_MEMINFO = 55
"""The same: nine numbers, the last how many datagrams were thrown away so far."""
FATAL = (errno.EBADF, errno.ENOTSOCK, errno.EINVAL)
"""After these a descriptor will never be our socket again; any other error may pass."""
_COUNT = struct.Struct("=I")
_MEMINFO = struct.Struct("=9I")


class Udp:
    """A bound UDP socket. A port that is taken is tried again with growing waits, and `error` says so."""

    ended = False
    datagrams = True
    events_for_write = False

    def __init__(self, host: str, port: int, *, clock: Clock, given: socket.socket | None = None) -> None:
        self.address = (host, port)
        self.error: str | None = None
        self._clock = clock
        self._given = given is not None
        self._socket = given
        self._wait = Wait(clock)
        self._overflow = _lost_before(given) if given else 0
        self._lost = 0

    @property
    def port(self) -> int:
        """The bound port (the asked-for one until then; 0 lets the kernel choose)."""
        return self._socket.getsockname()[1] if self._socket else self.address[1]

    def fileno(self) -> int | None:
        """The descriptor to wait on, opening the socket when it is time to; null while it cannot be had."""
        if not self._wait.over():
            return None
        if self._socket is None and not self._given:
            self._open()
        return self._socket.fileno() if self._socket else None

    def due_s(self) -> float | None:
        """Seconds until it wants to be looked at without any data; null: only when data come."""
        if self._socket is None:
            return None if self._given else self._wait.left_s()
        return None if self.error is None else self._wait.left_s()

    def read(self) -> Iterator[tuple[str, bytes | None]]:
        """The datagrams that are there, each with its peer; an empty one counts as none."""
        if self._socket is None or not self._wait.over():
            return
        for _ in range(DATAGRAMS_MAX):
            try:
                data, extra, _flags, peer = self._socket.recvmsg(DATAGRAM_BYTES_MAX, 64)
            except BlockingIOError:
                self._well()
                return
            except OSError as error:
                self._fail(error)
                return
            self._count_lost(extra)
            if data:
                yield shown(peer), data

    def lost(self) -> int:
        """Datagrams lost since this was last asked."""
        lost, self._lost = self._lost, 0
        return lost

    def close(self) -> None:
        """Give the port back; a passed one goes on filling up in the hands of who passed it."""
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
        self._socket, self._overflow = opened, 0
        self._well()

    def _well(self) -> None:
        self.error = None
        self._wait.clear()

    def _fail(self, error: OSError) -> None:
        self.error = f"listen on udp {shown(self.address)}: {error.strerror or error}"
        if not self._given:
            self.close()
        elif error.errno in FATAL:
            self.close()
            self.error += " (the socket passed by systemd is lost: restart this daemon)"
        self._wait.again()

    def _count_lost(self, extra: list[tuple[int, int, bytes]]) -> None:
        for level, kind, data in extra:
            if level == socket.SOL_SOCKET and kind == SO_RXQ_OVFL and len(data) >= _COUNT.size:
                # The kernel counts from the socket's birth, modulo 2**32; what queued before we took a passed
                # socket over carries an older sum.
                (total,) = _COUNT.unpack_from(data)
                gained = (total - self._overflow) % 2**32
                if gained < 2**31:
                    self._lost += gained
                    self._overflow = total


def given(fds: Iterable[int], *, clock: Clock, unit: str) -> list[Udp]:
    """The sockets systemd passed, by their descriptors. ConfigError, naming the socket `unit`, where one is no UDP
    socket."""
    return [_taken(fd, clock, unit) for fd in fds]


def names(family: str, found: Sequence[Udp]) -> list[str]:
    """Each one's source name: `ais:udp:10110`; with the host too where two hosts have that port, because the name
    is a part of every event's id."""
    ports = [each.port for each in found]
    return [f"{family}:udp:{each.port if ports.count(each.port) == 1 else shown(each.address)}" for each in found]


def shown(address: Sequence[Any]) -> str:
    """`host:port` of a socket address, `[host]:port` for IPv6; an IPv4 peer of an IPv6 socket as IPv4."""
    host = str(address[0]).removeprefix("::ffff:") if "." in str(address[0]) else str(address[0])
    return f"[{host}]:{address[1]}" if ":" in host else f"{host}:{address[1]}"


def _taken(fd: int, clock: Clock, unit: str) -> Udp:
    try:
        taken = socket.socket(fileno=fd)
        if taken.family not in (socket.AF_INET, socket.AF_INET6) or taken.type != socket.SOCK_DGRAM:
            taken.detach()
            raise OSError(errno.EPROTOTYPE, "not a UDP socket")
        taken.setblocking(False)
        taken.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
    except OSError as error:
        raise ConfigError(
            f"use the socket passed as descriptor {fd}: {error.strerror}",
            hint=f"ListenDatagram=host:port in {unit} (systemctl edit {unit})",
        ) from None
    host, port = taken.getsockname()[:2]
    return Udp(host, port, clock=clock, given=taken)


def _lost_before(taken: socket.socket) -> int:
    """What the kernel had thrown away of a passed socket when we took it over: another life's loss."""
    with suppress(OSError, struct.error):
        return int(_MEMINFO.unpack(taken.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, _MEMINFO.size))[-1])
    return 0


def _is_ipv6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False
