"""GET /api/nodes/{id} of the present, straight from the socket: what is asked most costs least.

It answers only where everything is as usual - a good token, a node that is there, no query string - and passes on
whatever is not, so the routes alone decide what is refused and how.
"""

from __future__ import annotations

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from dsmil.api.parts import Parts
from dsmil.api.roles import ROLES
from dsmil.operators.roles import Role
from dsmil.operators.tokens import Refused, Token

PREFIX = "/api/nodes/"
BEARER = b"Bearer "
_encode = msgspec.json.Encoder().encode


class Shortcut:
    """The app, with one route answered before it."""

    def __init__(self, app: ASGIApp, *, parts: Parts) -> None:
        self._app = app
        self._parts = parts
        need = ROLES["GET", f"{PREFIX}{{id:path}}"]
        assert isinstance(need, Role)
        self._need = need

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and scope["method"] == "GET" and not scope["query_string"]:
            path: str = scope["path"]
            if path.startswith(PREFIX) and (body := self._body(path[len(PREFIX) :], scope)) is not None:
                headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                await send({"type": "http.response.body", "body": body})
                return
        await self._app(scope, receive, send)

    def _body(self, node_id: str, scope: Scope) -> bytes | None:
        """The node as JSON; null where the routes have to say why not."""
        engine = self._parts.engine
        # No lock: one look-up of one frozen entity sees it before or after a change, never in between.
        node = engine.graph.nodes.get(node_id) if engine.generation else None
        if node is None:
            return None
        who = self._who(scope)
        return _encode(node.to_dict()) if who is not None and who.role.covers(self._need) else None

    def _who(self, scope: Scope) -> Token | None:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) != 1 or not given[0].startswith(BEARER):
            return None
        try:
            return self._parts.tokens.shown(given[0][len(BEARER) :].decode("latin-1"))
        except Refused:
            return None
