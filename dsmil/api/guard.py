"""What stands before every route: the Host allowlist, the body limit, the headers of every answer, the counting.

Plain ASGI, because it runs for each request. A page elsewhere may make a browser call this machine under a name of
its own; such a name is not on the list.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dsmil.api.faults import SAFE_HEADERS, Fault, answer
from dsmil.clock import SYSTEM, Clock

_SAFE = [(name.encode(), value.encode()) for name, value in SAFE_HEADERS.items()]
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


class Guard:
    """Passes on what may come in. `counted` is told status and seconds of every answer."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Collection[str],
        body_bytes_max: int,
        counted: Callable[[int, float], None] = lambda *_: None,
        clock: Clock = SYSTEM,
    ) -> None:
        self._app = app
        self._hosts = LOCAL | {host.lower() for host in hosts}
        self._body_bytes_max = body_bytes_max
        self._counted = counted
        self._clock = clock
        self._usual = b"localhost"
        """The Host header let in last: most are the same."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = self._clock.monotonic()

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                said = {name for name, _ in headers}
                message["headers"] = [*headers, *(each for each in _SAFE if each[0] not in said)]
                self._counted(message["status"], self._clock.monotonic() - began)
            await send(message)

        fault = self._refused(scope["headers"])
        if fault is not None:
            await answer(fault)(scope, receive, sent)
        else:
            await self._app(scope, self._limited(receive), sent)

    def _refused(self, headers: Iterable[tuple[bytes, bytes]]) -> Fault | None:
        host, length = b"", b"0"
        hosts = 0
        for name, value in headers:
            if name == b"host":
                host = value
                hosts += 1
            elif name == b"content-length":
                length = value
        if hosts > 1:
            return Fault(400, "bad_request", "more than one Host header")
        if host != self._usual and host_of(host.decode("latin-1")) not in self._hosts:
            hint = "call it by 127.0.0.1 or localhost, or add the name to [api] hosts"
            return Fault(400, "unknown_host", "the Host header names none of this server's names", hint=hint)
        self._usual = host
        if not length.isdigit():
            return Fault(400, "bad_request", "Content-Length is no number")
        return self._too_large() if len(length) > 18 or int(length) > self._body_bytes_max else None

    def _limited(self, receive: Receive) -> Receive:
        """A body without a length is counted as it comes."""
        seen = 0

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._body_bytes_max:
                raise self._too_large()
            return message

        return limited

    def _too_large(self) -> Fault:
        detail = f"a body of more than {self._body_bytes_max} bytes"
        return Fault(413, "too_large", detail, hint="send it in parts", headers={"connection": "close"})


def host_of(header: str) -> str:
    """The name in a Host header, without port and brackets, in lower case."""
    name = header.strip().lower()
    if name.startswith("["):
        inside, _, rest = name[1:].partition("]")
        return inside if rest[:1] in ("", ":") else name
    return name.rpartition(":")[0] if name.count(":") == 1 else name
