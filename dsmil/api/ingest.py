"""POST /api/ingest: SDR frames to L3_IN, external intelligence to L4_IN.

A body is one frame, one event, or a batch `{frames, events}`; a batch with a wrong item in it is refused whole, and
the answer says which item.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import Body, FastAPI, Request, Response
from pydantic import BaseModel, Discriminator, Field, Tag, WithJsonSchema, model_validator

from dsmil.api.faults import Fault
from dsmil.api.given import Given, IntelBody
from dsmil.api.intake import Intel, Kept
from dsmil.api.parts import parts_of, who_of
from dsmil.api.told import json_answer, told
from dsmil.events.rf import Frame
from dsmil.sensors.sdr_frame import BadFrame, frame_schema, read_frame

ITEMS_MAX = 500
"""Frames, and events, of one batch."""

FrameBody = Annotated[dict[str, Any], WithJsonSchema(frame_schema())]


class BatchBody(Given):
    """Several frames and events at once."""

    frames: Annotated[list[FrameBody], Field(max_length=ITEMS_MAX, default_factory=list)]
    events: Annotated[list[IntelBody], Field(max_length=ITEMS_MAX, default_factory=list)]

    @model_validator(mode="after")
    def _holds_something(self) -> BatchBody:
        if not self.frames and not self.events:
            raise ValueError("holds neither frames nor events")
        return self


def _which(value: Any) -> str:
    if isinstance(value, BatchBody):
        return "batch"
    if isinstance(value, dict):
        if "frames" in value or "events" in value:
            return "batch"
        return "event" if "payload" in value or "source" in value else "frame"
    return "event" if isinstance(value, IntelBody) else "frame"


IngestBody = Annotated[
    Annotated[FrameBody, Tag("frame")] | Annotated[IntelBody, Tag("event")] | Annotated[BatchBody, Tag("batch")],
    Discriminator(_which),
]


class FrameTold(BaseModel):
    """What became of a frame: its event, or why it was passed over."""

    status: Literal["accepted", "snr", "cooldown"]
    event_id: str | None


class IngestTold(BaseModel):
    """`accepted` counts events that were published, `passed_over` frames below 12 dB or within the cooldown."""

    status: Literal["accepted", "passed_over"]
    accepted: int
    passed_over: int
    frames: list[FrameTold]
    events: list[str]


async def ingest(request: Request, body: Annotated[IngestBody, Body()]) -> Response:
    """Take frames and events."""
    parts, who = parts_of(request), who_of(request)
    batch = body if isinstance(body, BatchBody) else None
    frames = batch.frames if batch else [body] if isinstance(body, dict) else []
    events = batch.events if batch else [body] if isinstance(body, IntelBody) else []
    read = [_read(frame, number, batch is not None) for number, frame in enumerate(frames)]
    intel = [_intel(event) for event in events]
    peer = request.client.host if request.client else "unix"

    def take() -> tuple[list[str], list[Kept]]:
        return parts.intake.intel(intel, by=who.operator_id), parts.intake.frames(read, peer=peer)

    taken, kept = await parts.work(take)
    accepted = len(taken) + sum(one.event_id is not None for one in kept)
    answer = {
        "status": "accepted" if accepted else "passed_over",
        "accepted": accepted,
        "passed_over": len(kept) + len(taken) - accepted,
        "frames": [{"status": one.why or "accepted", "event_id": one.event_id} for one in kept],
        "events": taken,
    }
    return json_answer(answer, 202 if accepted else 200)


def add_to(app: FastAPI) -> None:
    """Put the route into the app."""
    about = told(IngestTold, 503, status=202, about="Taken; 200: every frame was passed over")
    about["responses"][200] = {
        "model": IngestTold,
        "description": "Nothing was taken: below the gate, or too soon",
    }
    app.add_api_route("/api/ingest", ingest, methods=["POST"], **about)


def _read(given: dict[str, Any], number: int, batch: bool) -> tuple[Frame, float | None, str]:
    try:
        frame, ts = read_frame(given)
    except BadFrame as error:
        where = f"frames[{number}]: " if batch else ""
        raise Fault(422, "bad_frame", f"{where}{error}", hint="see SdrFrame in /docs") from None
    return frame, ts, msgspec.json.encode(given).decode()


def _intel(body: IntelBody) -> Intel:
    return Intel(**{name: getattr(body, name) for name in Intel.__struct_fields__})
