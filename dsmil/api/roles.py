"""Who may ask for what: the one table, and the credential held against it.

A route that is not in the table cannot be made, so none is ever without a role.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers

from dsmil.api.faults import Fault
from dsmil.operators.roles import Role
from dsmil.operators.tokens import Refused, Token, Tokens

ANYBODY = None
"""Open: no credential is asked for."""
NEIGHBOUR = "loopback"
"""Open to whoever sits on this machine; elsewhere an observer's."""

Need = Role | str | None
OBSERVER, OPERATOR = Role.OBSERVER, Role.OPERATOR

ROLES: dict[tuple[str, str], Need] = {
    ("GET", "/api/nodes"): OBSERVER,
    ("POST", "/api/nodes"): OPERATOR,
    ("GET", "/api/nodes/{id:path}"): OBSERVER,
    ("PATCH", "/api/nodes/{id:path}"): OPERATOR,
    ("DELETE", "/api/nodes/{id:path}"): OPERATOR,
    ("GET", "/api/edges"): OBSERVER,
    ("POST", "/api/edges"): OPERATOR,
    ("GET", "/api/edges/{id:path}"): OBSERVER,
    ("DELETE", "/api/edges/{id:path}"): OPERATOR,
    ("POST", "/api/query"): OBSERVER,
    ("POST", "/api/query/subgraph"): OBSERVER,
    ("POST", "/api/query/diff"): OBSERVER,
    ("GET", "/api/metrics"): OBSERVER,
    ("GET", "/api/events/since"): OBSERVER,
    ("GET", "/api/soc/events"): OBSERVER,
    ("GET", "/api/soc/events/{id}"): OBSERVER,
    ("GET", "/api/soc/summary"): OBSERVER,
    ("POST", "/api/ingest"): OPERATOR,
    ("GET", "/api/export"): OBSERVER,
    ("GET", "/api/whoami"): OBSERVER,
    ("GET", "/health"): ANYBODY,
    ("GET", "/health/ready"): ANYBODY,
    ("GET", "/health/detailed"): NEIGHBOUR,
    ("GET", "/metrics"): NEIGHBOUR,
    ("GET", "/docs"): ANYBODY,
    ("GET", "/docs.css"): ANYBODY,
    ("GET", "/openapi.json"): ANYBODY,
}

_CHALLENGE = {"www-authenticate": "Bearer"}
_MEND = "send Authorization: Bearer TOKEN; dsmil user token --role ROLE prints one"
_FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip")
"""Headers of a proxy: behind one, everybody seems to sit on this machine."""


def admitted(scope: Mapping[str, Any], need: Need, tokens: Tokens) -> Token | None:
    """Who asks, or null where nobody has to say; Fault 401 or 403 where he may not."""
    if need is ANYBODY:
        return None
    headers = Headers(scope=scope)  # type: ignore[arg-type]
    if need == NEIGHBOUR:
        if _local(scope, headers):
            return None
        need = OBSERVER
    assert isinstance(need, Role)
    who = _bearer(headers, tokens)
    if not who.role.covers(need):
        raise Fault(403, "forbidden", f"this takes the role {need}, and the token has {who.role}")
    return who


def _bearer(headers: Headers, tokens: Tokens) -> Token:
    given = headers.get("authorization")
    if given is None:
        raise Fault(401, "no_credential", "this takes a bearer token", hint=_MEND, headers=_CHALLENGE)
    scheme, _, text = given.strip().partition(" ")
    if scheme.lower() != "bearer":
        raise Fault(401, "bad_credential", "not a bearer token", hint=_MEND, headers=_CHALLENGE)
    try:
        return tokens.shown(text.strip())
    except Refused as error:
        hint = error.hint or _MEND
        raise Fault(401, "bad_credential", Exception.__str__(error), hint=hint, headers=_CHALLENGE) from None


def _local(scope: Mapping[str, Any], headers: Headers) -> bool:
    if any(name in headers for name in _FORWARDED):
        return False
    client = scope.get("client")
    if not client or not client[0]:
        return True  # a UNIX socket: who reaches it is held by its mode
    try:
        return ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False
