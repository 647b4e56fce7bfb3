"""The thin wire to Redis for the hot path: a socket, hiredis for packing and reading, nothing else.

redis-py costs two to three times as much per event. Here nothing is retried and nothing hidden: a socket fault
or a server that cannot serve just now is `Unavailable`, an answer that is an error is a `WireError`, and who
calls decides. A reply lost with its connection means *unknown*, so only callers may send a command again.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from typing import cast

import hiredis

from dsmil.errors import ConfigError, Unavailable
from dsmil.fabric.address import Address
from dsmil.fabric.reply import WireError, checked, outcome

__all__ = ["Address", "Wire", "WireError", "checked", "outcome", "pack"]

Word = bytes | str | int | float
Command = tuple[Word, ...]

TIMEOUT_S = 10.0
"""Without a reply for so long the connection is given up: it must exceed the longest blocking read."""
CONNECT_S = 2.0
RECEIVE_BYTES = 256 * 1024
"""One receive takes a whole batch of ordinary size."""
MULTI = b"*1\r\n$5\r\nMULTI\r\n"
EXEC = b"*1\r\n$4\r\nEXEC\r\n"
_OK = b"+OK\r\n"
_QUEUED = b"+QUEUED\r\n"
_MORE = object()
pack = cast(Callable[[Command], bytes], hiredis.pack_command)
"""One command as the bytes Redis reads."""


class Wire:
    """One connection to Redis, made when first needed. Bytes in, bytes out; not for two threads."""

    def __init__(self, address: Address | str, *, name: str = "", timeout_s: float = TIMEOUT_S) -> None:
        self.address = Address.parse(address) if isinstance(address, str) else address
        self.connections = 0
        self.client_id = 0
        self.name = f"dsmil-{name or os.getpid()}"
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self._reader = hiredis.Reader()
        self._buffer = bytearray(RECEIVE_BYTES)
        self._view = memoryview(self._buffer)

    @property
    def connected(self) -> bool:
        """Whether a connection stands, as far as is known."""
        return self._socket is not None

    def open(self) -> None:
        """Nothing: the connection is made when first needed, so a daemon starts without Redis."""

    def close(self) -> None:
        """Drop the connection; the next use makes another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def call(self, *words: Word, extra_s: float = 0.0) -> object:
        """Send one command and take its reply. `extra_s` is how long the server itself may wait."""
        self.send(pack(words))
        return checked(self.receive(1, extra_s=extra_s)[0])

    def pipeline(self, commands: Sequence[Command]) -> list[object]:
        """Send several commands in one write; a reply may be a `WireError`."""
        self.send(b"".join(map(pack, commands)))
        return self.receive(len(commands))

    def transaction(self, commands: Sequence[Command]) -> list[object]:
        """Send several commands as one MULTI/EXEC: all or nothing."""
        self.send(MULTI + b"".join(map(pack, commands)) + EXEC)
        return outcome(self.receive(2, queued=len(commands)))

    def send(self, packed: bytes) -> None:
        """Write packed commands; their replies are taken with `receive`, in order."""
        if self._socket is None:
            self._connect()
        assert self._socket is not None
        try:
            self._socket.sendall(packed)
        except OSError as error:
            raise self._gone(error) from None

    def receive(self, count: int, *, extra_s: float = 0.0, queued: int = 0) -> list[object]:
        """Take `count` replies. An error reply is given as a `WireError`, not raised.

        `queued`: so many more come after the first, those of a transaction's commands. Where all of them say
        QUEUED, as they do, they are dropped unread together with the first, else all are given.
        """
        assert self._socket is not None, "receive without send"
        replies: list[object] = []
        try:
            if queued:
                count += queued - (queued + 1) * self._skip_queued(queued)
            if extra_s:
                self._socket.settimeout(self._timeout_s + extra_s)
            while len(replies) < count:
                reply = self._reader.gets()
                if reply is not _MORE:
                    replies.append(reply)
                    continue
                size = self._socket.recv_into(self._buffer)
                if not size:
                    raise ConnectionResetError("connection closed by the server")
                self._reader.feed(self._view[:size])  # type: ignore[arg-type] # any buffer will do
            if extra_s:
                self._socket.settimeout(self._timeout_s)
        except (OSError, hiredis.ProtocolError) as error:
            raise self._gone(error) from None
        return replies

    def _skip_queued(self, queued: int) -> bool:
        """Pass over `+OK` and `queued` times `+QUEUED`; false where something else came, which is then kept."""
        assert self._socket is not None
        usual = _OK + _QUEUED * queued
        head = b""
        while usual.startswith(head[: len(usual)]) and len(head) < len(usual):
            size = self._socket.recv_into(self._buffer)
            if not size:
                raise ConnectionResetError("connection closed by the server")
            head += self._view[:size]
        skip = head.startswith(usual)
        self._reader.feed(head[len(usual) :] if skip else head)
        return skip

    def _gone(self, error: Exception) -> Unavailable:
        self.close()
        return Unavailable(f"reach Redis at {self.address}: {error or type(error).__name__}")

    def _connect(self) -> None:
        address = self.address
        family = socket.AF_UNIX if address.path else socket.AF_INET
        try:
            if address.path:
                self._socket = socket.socket(family, socket.SOCK_STREAM)
                self._socket.settimeout(CONNECT_S)
                self._socket.connect(address.path)
            else:
                self._socket = socket.create_connection((address.host, address.port), CONNECT_S)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.settimeout(self._timeout_s)
        except OSError as error:
            raise self._gone(error) from None
        self._reader = hiredis.Reader(replyError=WireError, notEnoughData=_MORE)
        self._greet(address)
        self.connections += 1

    def _greet(self, address: Address) -> None:
        hello: list[Command] = []
        if address.password:
            hello.append(("AUTH", *((address.username,) if address.username else ()), address.password))
            # A batch may be larger than all that maxmemory-clients leaves: those who only look give way to it.
            hello.append(("CLIENT", "NO-EVICT", "ON"))
        if address.db:
            hello.append(("SELECT", address.db))
        hello.append(("CLIENT", "SETNAME", self.name))
        replies = self.pipeline([*hello, ("CLIENT", "ID")])
        self.client_id = replies[-1] if isinstance(replies[-1], int) else 0
        for command, reply in zip(hello, replies, strict=False):
            if isinstance(reply, WireError) and command[0] != "CLIENT":
                self.close()
                if reply.away:
                    raise Unavailable(f"use Redis at {address}: {reply}")
                raise ConfigError(f"log in to Redis at {address}: {reply}", hint="check [redis] in dsmil.toml")
