"""A TCP socket that listens: opened here, or by systemd, which keeps it from one life of the daemon to the next."""

from __future__ import annotations

import errno
import socket

from dsmil.errors import ConfigError, Unavailable

BACKLOG = 256
"""Who calls while nobody accepts waits: those who come while the daemon restarts."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. Unavailable while the address cannot be had, ConfigError where it never can."""
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        why = f"listen on {where}: {error.strerror or error}"
        if error.errno in (errno.EACCES, errno.EPERM):
            raise ConfigError(why, hint="choose a port above 1023") from None
        raise Unavailable(why, hint=f"see who has it: ss -ltnp 'sport = :{port}'") from None


def taken(fd: int) -> socket.socket:
    """The listening socket somebody passed as this descriptor; ConfigError where it is none."""
    try:
        door = socket.socket(fileno=fd)
        listens = door.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise ConfigError(f"use the socket passed as descriptor {fd}: {error.strerror}") from None
    if not listens or door.type != socket.SOCK_STREAM:
        door.detach()
        raise ConfigError(
            f"use the socket passed as descriptor {fd}: it does not listen",
            hint="ListenStream=host:port, Accept=no, in the socket unit",
        )
    return door
