"""journald's native protocol: one datagram an entry, so that every key of a log line is a field of its own.

Hand-written, because it is ten lines and a binding to libsystemd would be a dependency to compile. A journal that
does not read must never hold a daemon up: what finds no room is dropped, counted, and told once there is room.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import struct
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

import msgspec

from dsmil.config.systemd import journal_stream

SOCKET = "/run/systemd/journal/socket"
PRIORITIES = {"CRITICAL": 2, "ERROR": 3, "WARNING": 4, "INFO": 6, "DEBUG": 7}
"""Our levels as syslog(3) counts them."""
WAIT_S = 0.05
"""A full journal is waited for so long, once; until it takes an entry again, nothing waits for it."""
NAME_CHARS_MAX = 64
"""journald's own bound for the name of a field."""
FIELDS_MAX = 48
ENTRY_BYTES_MAX = 64 << 10
"""Well below the kernel's default bound for a datagram (208 KiB), so that no entry needs a memfd."""

_NO_ROOM = (errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM)
_SEND_BUFFER_BYTES = 1 << 20


class Journal:
    """Sends a daemon's lines to journald."""

    def __init__(self, daemon: str, path: str = SOCKET) -> None:
        self._daemon, self._path = daemon, path
        self._socket: socket.socket | None = None
        self._full = False
        self._dropped = 0

    def put(self, level: str, event: str, message: str, fields: Mapping[str, Any]) -> bool:
        """Send an entry. False where there is no journal: then the line is for stderr."""
        try:
            if not self._send(self._entry(level, event, message, fields)):
                self._dropped += 1
            elif self._dropped:
                self._tell_dropped()
        except OSError:
            self.close()
            return False
        return True

    def close(self) -> None:
        """Let go of the socket; the next entry makes another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _tell_dropped(self) -> None:
        count = self._dropped
        said = f"log_lines_dropped: the journal did not read them in time count={count}"
        if self._send(self._entry("WARNING", "log_lines_dropped", said, {"count": count})):
            self._dropped -= count

    def _entry(self, level: str, event: str, message: str, fields: Mapping[str, Any]) -> bytes:
        own = {
            "MESSAGE": message,
            "PRIORITY": str(PRIORITIES[level]),
            "SYSLOG_IDENTIFIER": f"dsmil-{self._daemon}",
            "DSMIL_DAEMON": self._daemon,
            "DSMIL_EVENT": event,
        }
        return encode([*own.items(), *_bounded(fields, own)])

    def _send(self, data: bytes) -> bool:
        """True when taken, False when there was no room. Raises OSError where nobody listens."""
        if self._socket is None:
            self._socket = _opened()
        flags = socket.MSG_NOSIGNAL | (socket.MSG_DONTWAIT if self._full else 0)
        try:
            self._socket.sendto(data, flags, self._path)  # by path each time: journald may have been started anew
        except OSError as error:
            self._full = error.errno in _NO_ROOM
            if self._full:
                return False
            raise
        self._full = False
        return True


def encode(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Fields as journald reads them: KEY=value, or, where the value has a newline, KEY, its length, the value."""
    data = bytearray()
    for name, text in pairs:
        value = text.encode("utf-8", "replace")
        if b"\n" in value:
            data += name.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"
        else:
            data += name.encode() + b"=" + value + b"\n"
    return bytes(data)


def leads_to_journal(stream: TextIO) -> bool:
    """Whether `stream` is the one systemd connected to the journal (and not a file it was redirected into)."""
    told = journal_stream()
    try:
        found = os.fstat(stream.fileno()) if told else None
    except (OSError, ValueError):
        return False
    return found is not None and told == (found.st_dev, found.st_ino)


def _opened() -> socket.socket:
    link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    # The kernel's own time-out: Python's would spin, because poll(2) knows only the room on our side.
    link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, int(WAIT_S * 1e6)))
    return link


def _bounded(fields: Mapping[str, Any], own: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """The keys of a line as fields, as many as there is room for; a key named like one of ours gives way."""
    taken: dict[str, str] = {}
    room, left_out = ENTRY_BYTES_MAX, 0
    for key, value in fields.items():
        name = f"DSMIL_{re.sub('[^A-Z0-9_]', '_', key.upper())}"[:NAME_CHARS_MAX]
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        room -= len(name) + 4 * len(text)
        if value is None or name in own or name in taken:
            continue
        if room < 0 or len(taken) >= FIELDS_MAX:
            left_out += 1
            continue
        taken[name] = text
    if left_out:
        taken["DSMIL_FIELDS_LEFT_OUT"] = str(left_out)
    return taken.items()
