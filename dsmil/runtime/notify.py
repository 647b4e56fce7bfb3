"""Tells systemd, or our own supervisor, how a daemon fares: READY, STATUS, WATCHDOG, RELOADING, STOPPING.

Sent from the daemon's one loop, so a watchdog ping proves that the loop turns; a no-op where nobody listens.
"""

from __future__ import annotations

import socket

import sdnotify  # type: ignore[import-untyped, unused-ignore]

from dsmil.clock import SYSTEM, Clock

PING_EVERY_S = 1.0
"""Far below a third of any WatchdogSec we ship (30 s)."""
WAIT_S = 2.0
"""READY and STOPPING wait this long for a listener whose queue is full; pings and status are dropped instead,
because a supervisor that does not read must never hold a daemon up."""
STATUS_CHARS_MAX = 200
"""`systemctl status` shows one line."""


class Notifier:
    """The sd_notify protocol over the socket that NOTIFY_SOCKET names."""

    def __init__(self, *, clock: Clock = SYSTEM) -> None:
        self._link = sdnotify.SystemdNotifier()
        self._socket: socket.socket | None = self._link.socket
        self._clock = clock
        self._pinged = -PING_EVERY_S

    def ready(self, status: str = "") -> None:
        """The daemon stands; also ends a reload."""
        self._send("READY=1", _status(status), wait_s=WAIT_S)

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(_status(text))

    def ping(self) -> None:
        """The loop turned. Sent at most once a second."""
        now = self._clock.monotonic()
        if now - self._pinged >= PING_EVERY_S:
            self._pinged = now
            self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """A reload begins; `ready` ends it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={int(self._clock.monotonic() * 1e6)}")

    def stopping(self, status: str = "") -> None:
        """The daemon drains."""
        self._send("STOPPING=1", _status(status), wait_s=WAIT_S)

    def _send(self, *lines: str, wait_s: float = 0.0) -> None:
        if self._socket is not None:
            self._socket.settimeout(wait_s)
        self._link.notify("\n".join(line for line in lines if line))


def _status(text: str) -> str:
    return f"STATUS={text.replace(chr(10), ' ')[:STATUS_CHARS_MAX]}" if text else ""
