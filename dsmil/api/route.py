"""A route that asks for the credential first and reads JSON strictly.

Nothing of a request is read before its sender is known to have the right to send it. JSON is what RFC 8259 says:
no NaN, no lone surrogates, no number beyond a double, no endless nesting.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from dsmil.api.faults import Fault
from dsmil.api.roles import ROLES, Need, admitted

WHO = "dsmil.who"
"""Where in a scope the token stands that was shown."""
_BYTE = re.compile(r"\(byte (\d+)\)")


class Guarded(APIRoute):
    """What every route of the app is. KeyError where the table names no role for it."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        (method,) = more["methods"]
        self.need: Need = ROLES[method, path]
        super().__init__(path, endpoint, **more)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let in who may, then answer."""
        if scope["method"] not in (self.methods or ()):
            allowed = ", ".join(method for method, path in ROLES if path == self.path)
            detail = f"{scope['method']} is not for this path"
            raise Fault(405, "method_not_allowed", detail, hint=f"use {allowed}", headers={"allow": allowed})
        scope[WHO] = admitted(scope, self.need, scope["app"].state.parts.tokens)
        await super().handle(scope, receive, send)

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """The framework's handler, over a request that reads JSON strictly."""
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return strict


class StrictRequest(Request):
    """A request whose JSON is checked as it is decoded."""

    async def body(self) -> bytes:
        """The bytes; Fault 415 where they are said to be something else than JSON."""
        data = await super().body()
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if data and not (
            kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
        ):
            hint = "Content-Type: application/json"
            raise Fault(415, "not_json", f"the body is said to be {kind or 'nothing'}", hint=hint)
        return data

    async def json(self) -> Any:
        """The value; Fault 422 with line and column where the text is no JSON."""
        data = await self.body()
        try:
            return msgspec.json.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
            line, column = _place(data, str(error))
            raise Fault(422, "bad_json", f"read body: {error}", line=line, column=column) from None
        except RecursionError:
            raise Fault(422, "bad_json", "read body: nested too deep") from None


def _place(data: bytes, said: str) -> tuple[int, int]:
    """Line and column, from 1, of the byte an error names; of the end where it names none."""
    found = _BYTE.search(said)
    before = data[: int(found[1])] if found else data
    return before.count(b"\n") + 1, len(before) - (before.rfind(b"\n") + 1) + 1
