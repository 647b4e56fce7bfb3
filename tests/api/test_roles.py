"""Every route asks for its role, of everybody, in every state a credential can be in."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from dsmil.api.roles import ANYBODY, NEIGHBOUR, ROLES
from dsmil.operators.roles import Role
from tests.api.desk import Desk, is_error

ELSEWHERE = ("192.0.2.1", 40_000)
ROUTES = sorted(ROLES, key=str)


def asked(desk: Desk, method: str, path: str, who: str | None, **more: Any) -> httpx.Response:
    """A request to a route, as somebody, that changes nothing where it is let in."""
    return desk(method, path.replace("{id:path}", "none").replace("{id}", "none"), who, **more)


def test_row_35_the_table_and_the_routes_are_the_same(made: Desk) -> None:
    served = [
        (method, route.path)
        for route in made.app.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    ]
    assert sorted(served) == sorted(ROLES) and len(served) == len(set(served))
    assert len(made.app.routes) == len(served), "nothing else is served"


@pytest.mark.parametrize("who", ["anonymous", "tampered", "expired", "revoked", *Role])
def test_row_35_the_role_matrix(made: Desk, who: str) -> None:
    made.tokens |= credentials(made)
    for method, path in ROUTES:
        need = ROLES[method, path]
        answer = asked(made, method, path, None if who == "anonymous" else who, client=ELSEWHERE)
        where = f"{method} {path} as {who}: {answer.status_code} {answer.text[:200]}"
        if need is ANYBODY:
            assert answer.status_code not in (401, 403), where
        elif who in ("anonymous", "tampered", "expired", "revoked"):
            assert answer.status_code == 401 and is_error(answer), where
            assert answer.headers["www-authenticate"] == "Bearer", where
        else:
            lowest = Role.OBSERVER if need == NEIGHBOUR else Role(str(need))
            forbidden = not Role(who).covers(lowest)
            assert (answer.status_code == 403) is forbidden, where
            assert answer.status_code != 401 and (not forbidden or is_error(answer)), where
    assert made.entries("GRAPH_EVENTS") == [] == made.entries("L3_IN")


def credentials(made: Desk) -> dict[str, str]:
    tokens = made.parts.tokens
    revoked, about = tokens.make(Role.ADMIN)
    tokens.revoke(about.token_id)
    text = made.tokens["admin"]
    tampered = text[:-2] + ("A" if text[-2] != "A" else "B") + text[-1]
    return {"revoked": revoked, "expired": tokens.make(Role.ADMIN, lives_s=-1.0)[0], "tampered": tampered}


def test_row_35_an_observers_write_is_403_and_an_operators_is_taken(made: Desk) -> None:
    assert made("POST", "/api/nodes", "observer", json={"id": "x"}).status_code == 403
    assert made("POST", "/api/nodes", "operator", json={"id": "x"}).status_code == 201


def test_a_right_is_asked_for_before_anything_is_read(made: Desk) -> None:
    for who, status in ((None, 401), ("observer", 403)):
        answer = made("POST", "/api/nodes", who, content=b"{", headers={"content-type": "text/plain"})
        assert answer.status_code == status


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic YTpi", "bearer  ", "Bearer a b", "Token x", "\xff"]
)
def test_what_is_no_bearer_token_is_401(made: Desk, header: str) -> None:
    answer = made("GET", "/api/whoami", None, headers={"authorization": header.encode("latin-1")})
    assert answer.status_code == 401 and is_error(answer)


def test_a_token_in_the_url_is_none(made: Desk) -> None:
    assert made("GET", f"/api/whoami?token={made.tokens['admin']}", None).status_code == 401


@pytest.mark.parametrize("path", ["/metrics", "/health/detailed"])
def test_what_is_open_on_loopback_takes_a_token_elsewhere(made: Desk, path: str) -> None:
    assert made("GET", path, None).status_code == 200
    assert made("GET", path, None, client=("::1", 1)).status_code == 200
    assert made("GET", path, None, client=ELSEWHERE).status_code == 401
    assert made("GET", path, None, headers={"x-forwarded-for": "127.0.0.1"}).status_code == 401, "behind a proxy"
    assert made("GET", path, "observer", client=ELSEWHERE).status_code == 200


def test_whoami_says_as_whom_a_token_acts(made: Desk) -> None:
    told = made("GET", "/api/whoami", "supervisor").json()
    assert (told["operator_id"], told["role"], told["expires_at"]) == ("token:supervisor", "supervisor", None)
