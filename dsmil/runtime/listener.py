"""The receiving end of sd_notify, for a supervisor of our own.

An abstract socket: no path to be too long or left behind. The kernel names the sender, so nobody else can speak.
"""

from __future__ import annotations

import secrets
import select
import socket
import struct
from collections.abc import Iterator

_UCRED = struct.Struct("3i")
DATAGRAM_BYTES_MAX = 4096
DATAGRAMS_MAX = 1000
"""Read at once: eight daemons send about two a second each."""


class Listener:
    """Hears what children say of themselves."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        name = f"dsmil-{secrets.token_hex(8)}"
        self._socket.bind(f"\0{name}")
        self.address = f"@{name}"

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()

    def heard(self, timeout_s: float) -> Iterator[tuple[int, dict[str, str]]]:
        """(pid, fields) of every message, waiting at most `timeout_s` for the first."""
        select.select([self._socket], [], [], timeout_s)
        for _ in range(DATAGRAMS_MAX):
            try:
                data, extra, _, _ = self._socket.recvmsg(DATAGRAM_BYTES_MAX, socket.CMSG_SPACE(_UCRED.size))
            except BlockingIOError:
                return
            for level, kind, value in extra:
                if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                    yield _UCRED.unpack(value[: _UCRED.size])[0], _fields(data)


def _fields(data: bytes) -> dict[str, str]:
    lines = (line.partition("=") for line in data.decode("utf-8", "replace").splitlines())
    return {key: value for key, _, value in lines}
