"""Every answer has one of two shapes and the same headers, whatever is asked and however."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from dsmil.api.faults import SAFE_HEADERS
from dsmil.api.guard import host_of
from dsmil.errors import BadEvent, ConfigError, Corrupt, QueryError, Unavailable
from dsmil.graph.picture import TooOld
from tests.api.desk import Desk, is_error


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("GET", "/api", 404), ("GET", "/api/nope", 404), ("GET", "/api/nodes/", 422),
     ("GET", "/api//nodes", 404), ("GET", "/metrics/", 404), ("GET", "/docs/x", 404), ("POST", "/metrics", 405),
     ("PUT", "/api/nodes", 405), ("PATCH", "/api/edges/x", 405), ("DELETE", "/api/query", 405),
     ("TRACE", "/health", 405),
     ("GET", "/api/ingest", 405), ("BREW", "/api/nodes/x", 405)],
)  # fmt: skip
def test_what_is_not_there_is_an_error_of_the_one_shape(desk: Desk, method: str, path: str, status: int) -> None:
    answer = desk(method, path)
    assert answer.status_code == status and is_error(answer), answer.text
    if status == 405:
        assert answer.headers["allow"]


def test_405_names_every_method_of_a_path(desk: Desk) -> None:
    assert set(desk("PUT", "/api/nodes/x").headers["allow"].split(", ")) == {"GET", "PATCH", "DELETE"}


@pytest.mark.parametrize(
    ("error", "status", "word"),
    [(Unavailable("reach x: away", hint="wait"), 503, "unavailable"),
     (ConfigError("set x: wrong"), 503, "unavailable"),
     (Corrupt("read x: torn"), 503, "unavailable"), (TooOld("look: too old"), 410, "too_old"),
     (BadEvent("decode: no"), 422, "invalid"), (QueryError("read: no", line=2, column=3), 400, "bad_query"),
     (RuntimeError("secret inside"), 500, "internal")],
)  # fmt: skip
def test_every_error_of_ours_has_its_status(desk: Desk, error: Exception, status: int, word: str) -> None:
    def fail() -> str:
        raise error

    desk.parts.suite = fail
    answer = desk("GET", "/metrics")
    assert answer.status_code == status and is_error(answer) and answer.json()["error"] == word
    assert "secret" not in answer.text, "what broke is for the log"
    assert answer.json().get("line") == (2 if word == "bad_query" else None)
    assert ("retry-after" in answer.headers) is (status == 503)
    assert {name: answer.headers[name] for name in SAFE_HEADERS} == SAFE_HEADERS


@pytest.mark.parametrize("path", ["/health", "/docs", "/openapi.json", "/api/nodes", "/nope", "/metrics"])
def test_every_answer_has_the_safe_headers(desk: Desk, path: str) -> None:
    headers = desk("GET", path).headers
    assert {name: headers[name] for name in SAFE_HEADERS} == SAFE_HEADERS
    assert "server" not in headers and "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8052", "localhost.evil.example", "", "127.0.0.1.nip.io", "[::1].evil.example"],
)
def test_a_host_that_is_not_ours_is_refused(desk: Desk, host: str) -> None:
    answer = desk("GET", "/health", headers={"host": host})
    assert answer.status_code == 400 and is_error(answer)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8052", "127.0.0.1:8052", "[::1]:8052", "[::1]"])
def test_our_own_names_are_let_in(desk: Desk, host: str) -> None:
    assert desk("GET", "/health", headers={"host": host}).status_code == 200


def test_host_names_are_read_without_port_and_brackets() -> None:
    assert [host_of(each) for each in ("A:1", "[::1]:2", "::1", "a", " a ")] == ["a", "::1", "::1", "a", "a"]


def test_a_body_over_the_limit_is_413_with_and_without_a_length(desk: Desk) -> None:
    limit = desk.parts.settings.api.body_bytes_max
    headers = {"content-type": "application/json"}
    answer = desk("POST", "/api/nodes", content=b" " * (limit + 1), headers=headers)
    assert answer.status_code == 413 and is_error(answer)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(limit // 65_536 + 1):
            yield b" " * 65_536

    answer = desk("POST", "/api/nodes", content=pieces(), headers=headers)
    assert answer.status_code == 413 and is_error(answer)
    inside = desk("POST", "/api/nodes", content=b" " * (limit - 2) + b"{}", headers=headers)
    assert inside.status_code == 201


def test_answers_are_counted(desk: Desk) -> None:
    seen: list[int] = []
    parts = replace(desk.parts, counted=lambda status, seconds: seen.append(status))
    other = Desk(parts, desk.tokens, desk.redis)
    other("GET", "/health")
    other("GET", "/nope")
    other("GET", "/health", headers={"host": "evil.example"})
    assert seen == [200, 404, 400]
