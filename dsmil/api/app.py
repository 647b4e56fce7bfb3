"""The application: its routes, its errors, its document, and the guard before them."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

import dsmil
from dsmil.api import document, edges, events, export, health, ingest, metrics, nodes, query, soc
from dsmil.api.faults import settle_in
from dsmil.api.guard import Guard
from dsmil.api.parts import Parts
from dsmil.api.roles import NEIGHBOUR, ROLES
from dsmil.api.route import Guarded
from dsmil.api.shortcut import Shortcut
from dsmil.api.told import ErrorTold
from dsmil.config.sources import split_address

SUBJECTS: tuple[ModuleType, ...] = (nodes, edges, query, metrics, events, soc, ingest, export, health, document)
"""Whose routes there are; what is asked most comes first, for paths are tried in order."""

ABOUT = """One live, replayable picture of radios, ships, hosts and the people who watch them.

Send `Authorization: Bearer TOKEN`; `dsmil user token --role ROLE` prints one. Times are Unix seconds, positions
[lat, lon], frequencies MHz. Every error is {error, detail, hint, line?, column?}."""

SILENT: Any = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""Newer frameworks can report each request to a collector somewhere; this one tells nobody, whatever the environment
says."""

_ALWAYS = {"401": "No credential, or one that opens nothing", "403": "The role is not enough"}
_BODY = {"413": "Too large", "415": "Not JSON", "422": "Not as the schema has it", "503": "Something is away"}


def create_app(parts: Parts) -> FastAPI:
    """The app over these parts; one for each process, or each test."""
    app = FastAPI(
        title="dsmil", version=dsmil.__version__, description=ABOUT, telemetry=SILENT,
        docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False,
    )  # fmt: skip
    app.state.parts = parts
    app.router.route_class = Guarded
    for subject in SUBJECTS:
        subject.add_to(app)
    settle_in(app)
    app.add_middleware(Shortcut, parts=parts)
    listen = split_address(parts.settings.api.listen)
    hosts = {*parts.settings.api.hosts, *((listen[0],) if listen else ())}
    app.add_middleware(
        Guard, hosts=hosts, body_bytes_max=parts.settings.api.body_bytes_max, counted=parts.counted,
        clock=parts.clock,
    )  # fmt: skip
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The document: the framework's, with the credential and the role of each route, and the errors all share."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    parts = found.setdefault("components", {})
    parts["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    parts.setdefault("schemas", {})["ErrorTold"] = ErrorTold.model_json_schema()
    for (method, path), need in ROLES.items():
        operation = found["paths"].get(path.replace(":path}", "}"), {}).get(method.lower())
        if operation is None:
            continue
        operation["x-role"] = str(need or "anybody")
        _shared(operation["responses"], "401" if need else "", "requestBody" in operation, path)
        if need and need != NEIGHBOUR:
            operation["security"] = [{"bearer": []}]
    for name in ("HTTPValidationError", "ValidationError"):
        parts["schemas"].pop(name, None)
    app.openapi_schema = found
    return found


def _shared(responses: dict[str, Any], credential: str, body: bool, path: str) -> None:
    """Add the errors that any route of this sort may give."""
    shape = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorTold"}}}
    more = {"400": "A query that cannot be read, or a host this server is not called by", "413": _BODY["413"]}
    more |= (_ALWAYS if credential else {}) | (_BODY if body or "{" in path else {})
    more |= {"422": _BODY["422"], "503": _BODY["503"]}
    for code, about in more.items():
        if code not in responses or code == "422":
            responses[code] = {"description": about}
    for code, each in responses.items():
        if code >= "400":  # whatever the route itself answers with, an error is JSON
            each["content"] = shape
