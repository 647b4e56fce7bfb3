"""One connection: a request's head is bounded in size, the whole of it in time, and what is refused before there is
a request is refused in the one shape of every error.

The server below parses whatever comes and waits for as long as it takes: anybody who may connect, with no
credential at all, could fill the memory with one endless head, or hold every place with heads that never end.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from dsmil.api.faults import RETRY_S, Fault, answer

HEAD_BYTES_MAX = 64 * 1024
"""Of method, path and headers; a query has room in it, and other servers stop at half of it."""
REQUEST_S_MAX = 30.0
"""From the first byte to the last of a request: a body is at most a megabyte, and comes from this machine."""
CONNECTIONS_MAX = 512


class HeadTooLarge(Exception):
    """Ends the parsing of a head."""


class Connection(HttpToolsProtocol):
    """The server's protocol with bounds. Its callbacks are those of the parser."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._head_bytes = 0
        self._in_head = True
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, unless there are too many."""
        super().connection_made(transport)
        self._begin()
        if len(self.connections) > CONNECTIONS_MAX:
            headers = {"retry-after": RETRY_S}
            detail = f"more than {CONNECTIONS_MAX} connections are open"
            self._refuse(Fault(503, "busy", detail, hint="close some, or ask again", headers=headers))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse some more. A header that does not end is told by nobody, so what came in vain is counted here."""
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self.send_400_response("")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._begin()

    def on_headers_complete(self) -> None:
        """Its head is here."""
        self._head_bytes = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if self._head_bytes > HEAD_BYTES_MAX:
            raise HeadTooLarge
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """All of it is here; how long the answer takes is up to us."""
        self._end()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What the parser did not take, or was more than a head may be."""
        if self._head_bytes > HEAD_BYTES_MAX:
            detail = f"a head of more than {HEAD_BYTES_MAX} bytes"
            self._refuse(Fault(431, "head_too_large", detail, hint="send a query in the body: POST /api/query"))
        else:
            self._refuse(Fault(400, "bad_request", "this is not HTTP/1.1", hint="use an HTTP client"))

    def _refuse(self, fault: Fault) -> None:
        said = answer(fault)
        lines = [b"HTTP/1.1 %d \r\n" % fault.status_code]
        lines += [b"%s: %s\r\n" % header for header in said.raw_headers]
        self.transport.write(b"".join(lines) + b"connection: close\r\n\r\n" + bytes(said.body))
        self.transport.close()

    def _begin(self) -> None:
        self._end()
        self._head_bytes, self._in_head = 0, True
        self._deadline = self.loop.call_later(REQUEST_S_MAX, self._expired)

    def _end(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expired(self) -> None:
        """No word of it: the answer may have begun already."""
        self.transport.close()
