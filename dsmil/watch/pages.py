"""A few pages by HTTP: GET and HEAD, one request a connection, nothing read beyond the head of a request.

Hand-written because whoever asks must not be able to hold it: every visitor has two seconds and eight kilobytes in
all, however he sends them, and those who are slow keep nobody else waiting.
"""

from __future__ import annotations

import errno
import re
import selectors
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus

from msgspec import Struct

from dsmil.clock import SYSTEM, Clock
from dsmil.errors import ConfigError, Unavailable

VISIT_S_MAX = 2.0
"""From the connection to the end of the answer; on loopback milliseconds."""
VISITORS_MAX = 64
"""At a time; the next one in takes the place of the one who has been there longest."""
HEAD_BYTES_MAX = 8192
"""Of a request: what most servers allow."""
LINGER_S = 0.5
"""After an answer, for the visitor to close: closing first, with something unread, would throw the answer away."""
CHUNK_BYTES = 4096
BACKLOG = 4 * VISITORS_MAX

_REQUEST = re.compile(rb"([A-Z]{1,16}) (?:http://[^/ ]*)?(/[!-~]*) HTTP/1\.[01]\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Answer(Struct, frozen=True):
    """What a page says."""

    status: int
    body: bytes
    kind: str = "text/plain; charset=utf-8"


def said(status: HTTPStatus) -> Answer:
    """The plain answer that only names its status."""
    return Answer(status.value, f"{status.value} {status.phrase}\n".encode())


class Pages:
    """Serves `pages`, by path, on a socket that listens. `counted` is told the status of every answer."""

    def __init__(
        self,
        pages: Mapping[str, Callable[[], Answer]],
        *,
        counted: Callable[[int], None] = lambda _: None,
        clock: Clock = SYSTEM,
    ) -> None:
        self._pages = dict(pages)
        self._counted = counted
        self._clock = clock
        self._door: socket.socket | None = None
        self._selector = selectors.DefaultSelector()
        self._visitors: dict[int, _Visitor] = {}

    def open(self, door: socket.socket) -> None:
        """Serve on this listening socket from now on."""
        door.setblocking(False)
        self._door = door
        self._selector.register(door, _READ)

    def close(self) -> None:
        """Let go of the socket and of whoever is there."""
        for visitor in list(self._visitors.values()):
            self._leave(visitor)
        if self._door is not None:
            self._selector.unregister(self._door)
            self._door.close()
            self._door = None

    def serve(self, timeout_s: float) -> int:
        """Wait at most `timeout_s` for something to do and do it; returns how many requests were answered.
        Unavailable: nobody can be let in, for want of descriptors or memory."""
        answered = 0
        for key, _ in self._selector.select(self._wait_s(timeout_s)):
            if key.fileobj is self._door:
                self._let_in()
            elif key.fd in self._visitors:  # who was sent away just now is not
                answered += self._turn(self._visitors[key.fd])
        now = self._clock.monotonic()
        for visitor in [each for each in self._visitors.values() if now >= each.until]:
            self._leave(visitor)
        return answered

    def _wait_s(self, timeout_s: float) -> float:
        first = min((visitor.until for visitor in self._visitors.values()), default=float("inf"))
        return max(0.0, min(timeout_s, first - self._clock.monotonic()))

    def _let_in(self) -> None:
        assert self._door is not None
        for _ in range(VISITORS_MAX):
            try:
                line, _ = self._door.accept()
            except BlockingIOError:
                return
            except ConnectionError:  # gone already
                continue
            except OSError as error:
                raise Unavailable(f"accept a connection: {error.strerror or error}") from None
            line.setblocking(False)
            if len(self._visitors) >= VISITORS_MAX:
                self._leave(next(iter(self._visitors.values())))
            self._visitors[line.fileno()] = _Visitor(line, self._clock.monotonic() + VISIT_S_MAX)
            self._selector.register(line, _READ)

    def _turn(self, visitor: _Visitor) -> int:
        try:
            asked = visitor.turn()
        except BlockingIOError:
            return 0
        except OSError:  # it went away
            self._leave(visitor)
            return 0
        if asked is not None:
            self._answer(visitor, asked)
        if visitor.lingers:
            visitor.until = min(visitor.until, self._clock.monotonic() + LINGER_S)
        if visitor.ended:
            self._leave(visitor)
        else:
            self._selector.modify(visitor.line, _WRITE if visitor.answer else _READ)
        return asked is not None

    def _answer(self, visitor: _Visitor, head: bytes) -> None:
        began = self._clock.monotonic()
        answer, body = self._find(head)
        self._counted(answer.status)
        visitor.answer = memoryview(_head(answer, self._clock.now()) + (answer.body if body else b""))
        # While a page is made nobody is served: that time is not the visitors'.
        ended = self._clock.monotonic()
        for each in self._visitors.values():
            each.until += ended - began
        visitor.until = ended + VISIT_S_MAX

    def _find(self, head: bytes) -> tuple[Answer, bool]:
        """The answer to a request, and whether its body goes along."""
        if len(head) > HEAD_BYTES_MAX:
            return said(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE), True
        found = _REQUEST.match(head)
        if found is None:
            return said(HTTPStatus.BAD_REQUEST), True
        page = self._pages.get(found[2].partition(b"?")[0].decode("ascii"))
        if page is None:
            return said(HTTPStatus.NOT_FOUND), found[1] != b"HEAD"
        if found[1] not in (b"GET", b"HEAD"):
            return said(HTTPStatus.METHOD_NOT_ALLOWED), True
        return page(), found[1] == b"GET"

    def _leave(self, visitor: _Visitor) -> None:
        del self._visitors[visitor.line.fileno()]
        self._selector.unregister(visitor.line)
        visitor.line.close()


class _Visitor:
    """One connection: its request as far as it has come, then its answer as far as it has gone, then the wait for
    its end."""

    def __init__(self, line: socket.socket, until: float) -> None:
        self.line = line
        self.until = until
        self.answer = memoryview(b"")
        self.lingers = self.ended = False
        self._head = bytearray()
        self._left = HEAD_BYTES_MAX * 8

    def turn(self) -> bytes | None:
        """Go on; the head of the request once it is whole, or too long. OSError where the visitor is gone."""
        if self.answer:
            self._send()
            return None
        data = self.line.recv(CHUNK_BYTES)
        self._left -= len(data)
        self.ended = not data or self._left <= 0
        if self.lingers or self.ended:
            return None
        # What ends the head may have come in two parts.
        seen = max(0, len(self._head) - 3)
        self._head += data
        end = _HEAD_END.search(self._head, seen)
        if end is not None and end.end() <= HEAD_BYTES_MAX:
            return bytes(self._head[: end.end()])
        return bytes(self._head) if len(self._head) > HEAD_BYTES_MAX else None

    def _send(self) -> None:
        self.answer = self.answer[self.line.send(self.answer) :]
        if not self.answer:
            self.line.shutdown(socket.SHUT_WR)
            self.lingers = True


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


def _head(answer: Answer, now: float) -> bytes:
    status = HTTPStatus(answer.status)
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Date: {datetime.fromtimestamp(now, UTC):%a, %d %b %Y %H:%M:%S} GMT",
        f"Content-Type: {answer.kind}",
        f"Content-Length: {len(answer.body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    ]
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        lines.append("Allow: GET, HEAD")
    return "\r\n".join([*lines, "", ""]).encode()
