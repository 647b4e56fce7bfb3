"""What systemd tells a process in its environment, apart from the sockets it passes (listen.py).

These are no settings, but this package alone reads the environment. What makes no sense counts as not told.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from msgspec import Struct


class Failure(Struct, frozen=True, kw_only=True):
    """How a unit ended, as its OnFailure= unit is told (systemd 251 and later; all empty before)."""

    unit: str = ""
    result: str = ""
    """exit-code, signal, core-dump, watchdog, oom-kill, timeout, start-limit-hit, resources ..."""
    code: str = ""
    """exited, killed or dumped."""
    status: str = ""
    """Exit status, or the signal's name."""
    invocation: str = ""


def journal_stream(environ: Mapping[str, str] | None = None) -> tuple[int, int] | None:
    """Device and inode of the stream that leads into the journal, or None: systemd.exec(5), JOURNAL_STREAM."""
    device, colon, inode = _env(environ).get("JOURNAL_STREAM", "").partition(":")
    if not (colon and _is_number(device) and _is_number(inode)):
        return None
    return int(device), int(inode)


def unit_failure(environ: Mapping[str, str] | None = None) -> Failure:
    """What the MONITOR_* variables say: systemd.exec(5)."""
    env = _env(environ)
    return Failure(
        unit=env.get("MONITOR_UNIT", ""),
        result=env.get("MONITOR_SERVICE_RESULT", ""),
        code=env.get("MONITOR_EXIT_CODE", ""),
        status=env.get("MONITOR_EXIT_STATUS", ""),
        invocation=env.get("MONITOR_INVOCATION_ID", ""),
    )


def _env(environ: Mapping[str, str] | None) -> Mapping[str, str]:
    return os.environ if environ is None else environ


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 20
