"""What goes out: the shapes of answers, for the OpenAPI document.

Answers are encoded by msgspec from what the engine holds; these models describe them, and the tests hold every
answer against them. They cost nothing at run time.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from fastapi import Response
from pydantic import BaseModel, JsonValue

from dsmil.api.faults import RETRY_S

Facts = dict[str, JsonValue]
_encode = msgspec.json.Encoder(enc_hook=str).encode


class ErrorTold(BaseModel):
    """Every error. `line` and `column` count from 1, where a text is at fault."""

    error: str
    detail: str
    hint: str
    line: int | None = None
    column: int | None = None


class NodeTold(BaseModel):
    """A node (times in Unix seconds, MHz, degrees)."""

    id: str
    kind: str
    position: list[float] | None
    frequency: float | None
    labels: Facts
    metadata: Facts
    created_at: float
    updated_at: float


class EdgeTold(BaseModel):
    """An edge; with two or more nodes a hyperedge."""

    id: str
    kind: str
    nodes: list[str]
    weight: float
    labels: Facts
    metadata: Facts
    timestamp: float


class WriteTold(BaseModel):
    """An act that was taken: it is event `sequence_id` of the graph."""

    status: Literal["created", "updated", "deleted"]
    id: str
    sequence_id: int


class PageTold(BaseModel):
    """Nodes and edges that fit, in order of their ids or as the query says. `cursor`: there is more."""

    nodes: list[NodeTold] = []
    edges: list[EdgeTold] = []
    count: int
    cursor: str | None = None
    sequence_id: int


def told(model: type[BaseModel], *faults: int, status: int = 200, about: str = "As asked") -> dict[str, Any]:
    """What the document says of a route: its answer, and the errors it may give beside those all may."""
    shape = {"model": ErrorTold}
    return {
        "response_model": None,
        "status_code": status,
        "responses": {
            status: {"model": model, "description": about},
            **{code: {**shape, "description": _ABOUT[code]} for code in sorted({400, *faults})},
        },
    }


def json_answer(value: Any, status: int = 200, **headers: str) -> Response:
    """A value as JSON, encoded once."""
    return Response(_encode(value), status, media_type="application/json", headers=headers or None)


_ABOUT = {
    400: "A query that cannot be read, or a host this server is not called by",
    401: "No credential, or one that opens nothing",
    403: "The role is not enough",
    404: "There is none of that id",
    409: "There is one of that id already",
    410: "Before the earliest kept moment",
    412: "The sequence asked for has not been given out",
    413: "Too large",
    415: "Not JSON",
    422: "Not as the schema has it",
    503: f"Something is away; ask again after {RETRY_S} s",
}
