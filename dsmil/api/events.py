"""/api/events/since: what happened to the graph, in order, from a number on.

A client keeps a copy of the graph by folding these events; where some are gone it must load the graph afresh.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from pydantic import BaseModel

from dsmil.api.faults import Fault
from dsmil.api.parts import parts_of
from dsmil.api.stream import TooFar
from dsmil.api.told import Facts, json_answer, told

LIMIT, LIMIT_MAX = 200, 1_000


class NumberedTold(BaseModel):
    """An event and its number; null where something that is no event took that number."""

    sequence_id: int
    event: Facts | None


class EventsTold(BaseModel):
    """Events in order of their numbers. `sequence_id` is the newest there is; `more`: ask again from the last one."""

    events: list[NumberedTold]
    count: int
    more: bool
    sequence_id: int
    epoch: str


async def events_since(
    request: Request,
    seq: Annotated[int, Query(ge=0, lt=2**53, description="Only events with greater numbers.")] = 0,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT,
) -> Response:
    """Events of the graph with numbers above `seq`."""
    parts = parts_of(request)
    try:
        rows, about = await parts.work(lambda: parts.stream.since(seq, limit))
    except TooFar as error:
        hint = "reset: load the graph afresh (POST /api/query), and go on from its sequence_id"
        raise Fault(410, "too_old", Exception.__str__(error), hint=hint) from None
    last = rows[-1]["sequence_id"] if rows else seq
    body: dict[str, Any] = {"events": rows, "count": len(rows), "more": last < about["sequence_id"], **about}
    return json_answer(body)


def add_to(app: FastAPI) -> None:
    """Put the route into the app."""
    app.add_api_route("/api/events/since", events_since, methods=["GET"], **told(EventsTold, 410, 503))
