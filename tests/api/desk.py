"""Asking the app in-process, over ASGI, as any role or nobody."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import msgspec
import redis
from fastapi import FastAPI

from dsmil.api.app import create_app
from dsmil.api.parts import Parts
from dsmil.events import envelope


class Desk:
    """The app, a token of each role, and requests as any of them (or as nobody)."""

    def __init__(self, parts: Parts, tokens: dict[str, str], client: redis.Redis) -> None:
        self.parts = parts
        self.app: FastAPI = create_app(parts)
        self.tokens = tokens
        self.redis = client

    def __call__(self, method: str, path: str, who: str | None = "admin", **more: Any) -> httpx.Response:
        """One request."""
        return self.at_once(1, method, path, who, **more)[0]

    def at_once(
        self, times: int, method: str, path: str, who: str | None = "admin", **more: Any
    ) -> list[httpx.Response]:
        """The same request several times at the same moment."""
        headers = {**self.bearer(who), **more.pop("headers", {})}

        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=more.pop("client", LOCAL))

        async def ask() -> list[httpx.Response]:
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                every = (client.request(method, path, headers=headers, **more) for _ in range(times))
                return await asyncio.gather(*every)

        # Limits belong to a loop: a server has one, a test one for each of its requests.
        self.parts.workers = self.parts.waiters = None
        return asyncio.run(ask())

    def bearer(self, who: str | None) -> dict[str, str]:
        return {} if who is None else {"authorization": f"Bearer {self.tokens.get(who, who)}"}

    def write(self, method: str, path: str, **more: Any) -> int:
        """A write that must be taken; its sequence."""
        answer = self(method, path, **more)
        assert answer.status_code in (200, 201), answer.text
        return int(answer.json()["sequence_id"])

    def entries(self, stream: str) -> list[envelope.Event]:
        rows: Any = self.redis.xrange(stream)
        return [envelope.decode(fields[b"event"]) for _, fields in rows]


LOCAL = ("127.0.0.1", 40_000)


def is_error(answer: httpx.Response) -> bool:
    """Whether an answer is an error of the one shape."""
    body = answer.json()
    return (
        answer.headers["content-type"] == "application/json"
        and set(body) - {"line", "column"} == {"error", "detail", "hint"}
        and all(isinstance(body[name], str) for name in ("error", "detail", "hint"))
        and bool(body["error"] and body["detail"])
        and ("line" in body) == ("column" in body)
    )


def body_of(answer: httpx.Response) -> Any:
    """The JSON of an answer, strictly read."""
    return msgspec.json.decode(answer.content)
