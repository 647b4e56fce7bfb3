"""Which descriptors systemd says it passed: LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES, as sd_listen_fds(3) has them.

They are no settings, but this package alone reads the environment. What makes no sense counts as not passed: a
variable left over from somebody else's start must not keep a daemon down.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

FDS_MAX = 64
"""More sockets than any unit of ours names; a larger number is somebody's mistake."""
UNNAMED = ("", "unknown")
"""What systemd calls a descriptor nobody named."""


def listen_names(environ: Mapping[str, str] | None = None) -> list[str]:
    """The names of the descriptors passed to this process, in their order (the first is descriptor 3); empty for
    one that has no name. An empty list: none were passed, or to another process."""
    env = os.environ if environ is None else environ
    pid, count = _number(env.get("LISTEN_PID", "")), _number(env.get("LISTEN_FDS", ""))
    if pid != os.getpid() or not 0 < count <= FDS_MAX:
        return []
    names = env.get("LISTEN_FDNAMES", "").split(":")
    names = ["" if name in UNNAMED else name for name in names]
    return (names + [""] * count)[:count]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else -1
