"""The look-only port of the installed Redis: opened after each start, once who gives no name may only look.

A server that binds it at its start does not start where somebody else has it, and nothing may depend on a port that
is only for looking.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

from dsmil.errors import ConfigError, DsmilError
from dsmil.fabric.wire import Wire, WireError

_LINE = re.compile(r"^[ \t]*port\s", re.MULTILINE | re.IGNORECASE)
_NOT_HAD = "Unable to listen"


class PortTaken(DsmilError):
    """The look-only port cannot be had; everything else goes on without it."""


def open_port(wire: Wire, port: int) -> None:
    """Let the server listen there, as admin. A port it has stays, and so does what the operator chose."""
    now = cast(list[bytes], wire.call("CONFIG", "GET", "port"))[1]
    if not port or now != b"0":
        return
    told = cast(bytes, wire.call("INFO", "server")).decode()
    own = re.search(r"^config_file:(/.*)$", told, re.MULTILINE)
    if own and chosen(Path(own[1].strip()).parent / "redis.d"):
        return
    try:
        wire.call("CONFIG", "SET", "port", port)
    except WireError as error:
        if _NOT_HAD not in str(error):
            raise
        raise PortTaken(
            f"open the look-only port {port}: Redis cannot have it, so somebody else does; the socket serves on",
            hint=f"ss -lntp 'sport = :{port}' names him; free it, then systemctl restart dsmil-redis-admit",
        ) from None


def chosen(folder: Path) -> bool:
    """Whether a file of redis.d has a `port` line: that is the operator's, 0 too, and wins."""
    try:
        return any(_LINE.search(path.read_text("utf-8", "replace")) for path in folder.glob("*.conf"))
    except OSError as error:
        raise ConfigError(f"look for a port of your own: {error}", hint="let group dsmil read it") from None
