"""/health, /metrics and /api/whoami: how this process is, how the suite is, and who asks."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from dsmil.api.faults import RETRY_S, Fault
from dsmil.api.parts import parts_of, who_of
from dsmil.api.told import Facts, json_answer, told
from dsmil.errors import DsmilError

METRICS = "text/plain; version=0.0.4; charset=utf-8"


class HealthTold(BaseModel):
    """That it lives. `degraded`: it answers from what it has, and `reason` says what is away."""

    status: Literal["healthy", "degraded"]
    timestamp: float
    sequence_id: int
    reason: str


class DetailTold(HealthTold):
    """The same, and every daemon's last word."""

    daemons: list[Facts]


class WhoTold(BaseModel):
    """The operator a credential acts as."""

    operator_id: str
    role: str
    token_id: str
    label: str
    expires_at: float | None


async def health(request: Request) -> Response:
    """That this process lives, whatever is away: nothing is asked for it."""
    return json_answer(_own(request))


async def ready(request: Request) -> Response:
    """Whether it follows the stream: 503 says why not."""
    own = _own(request)
    if own["reason"]:
        raise Fault(503, "degraded", own["reason"], hint="reads answer from what is here", headers=_LATER)
    return json_answer(own)


async def detailed(request: Request) -> Response:
    """Every daemon's state, lag and last error, as their heartbeats have it."""
    parts, own = parts_of(request), _own(request)
    try:
        states = await parts.work(parts.states)
    except DsmilError as error:
        own |= {"status": "degraded", "reason": own["reason"] or Exception.__str__(error)}
        states = []
    return json_answer({**own, "daemons": states})


async def metrics(request: Request) -> Response:
    """The metrics of the whole suite for Prometheus."""
    parts = parts_of(request)
    return PlainTextResponse(await parts.work(parts.suite), media_type=METRICS)


async def whoami(request: Request) -> Response:
    """Whom the credential acts as, and what that may do."""
    who = who_of(request)
    return json_answer({name: getattr(who, name) for name in WhoTold.model_fields})


def add_to(app: FastAPI) -> None:
    """Put the routes into the app."""
    app.add_api_route("/health", health, methods=["GET"], **told(HealthTold))
    app.add_api_route("/health/ready", ready, methods=["GET"], **told(HealthTold, 503))
    app.add_api_route("/health/detailed", detailed, methods=["GET"], **told(DetailTold))
    text = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus text"}}
    about = {**told(HealthTold, 503), "response_class": PlainTextResponse}
    about["responses"] = {**about["responses"], **text}
    app.add_api_route("/metrics", metrics, methods=["GET"], **about)
    app.add_api_route("/api/whoami", whoami, methods=["GET"], **told(WhoTold))


_LATER = {"retry-after": RETRY_S}


def _own(request: Request) -> dict[str, Any]:
    parts = parts_of(request)
    reason = parts.away
    return {
        "status": "degraded" if reason else "healthy", "timestamp": parts.clock.now(),
        "sequence_id": parts.engine.graph.sequence, "reason": reason,
    }  # fmt: skip
