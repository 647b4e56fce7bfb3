"""A client of a UNIX stream socket: how nDPId's distributor is best reached on its own machine.

It lives exactly like the TCP client; only the address is a path.
"""

from __future__ import annotations

import socket

from dsmil.clock import Clock
from dsmil.errors import ConfigError
from dsmil.sensors.tcp import IDLE_S, StreamClient

PATH_BYTES_MAX = 107
"""What fits into sockaddr_un."""


def unix_client(path: str, *, clock: Clock, idle_s: float = IDLE_S) -> StreamClient:
    """A client of the socket at `path`; ConfigError where the kernel could not hold that path."""
    if not 0 < len(path.encode()) <= PATH_BYTES_MAX:
        raise ConfigError(f"connect to {path}: longer than {PATH_BYTES_MAX} bytes", hint="use a shorter path")
    return StreamClient(path, lambda: (socket.AF_UNIX, path), clock=clock, idle_s=idle_s)
