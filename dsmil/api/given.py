"""What comes in: the bodies of requests, strict and bounded.

A field nobody knows is refused by name instead of dropped. What is checked here is what a body means by itself; the
event it becomes has bounds of its own (64 KiB, 32 deep).
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, Strict, model_validator

from dsmil.events.enums import Category, Compartment, Severity
from dsmil.events.envelope import TS_MAX
from dsmil.events.graph import MEMBERS_MAX

KEYS_MAX = 256
"""Labels, or metadata, of one entity in one body."""
QUERY_CHARS_MAX = 4096
"""A query longer than this is no question (reliability 5)."""
TEXT = r"^[^\u0000-\u001f\u007f]*$"
"""No control characters: an id or a word is shown, logged and matched."""

LISTED = Strict(strict=False)
"""JSON has no tuples and no enumerations: a list, or a text, is one."""

EntityId = Annotated[str, Field(min_length=1, max_length=512, pattern=TEXT)]
Word = Annotated[str, Field(min_length=1, max_length=64, pattern=TEXT)]
Key = Annotated[str, Field(min_length=1, max_length=128, pattern=TEXT)]
Facts = Annotated[dict[Key, JsonValue], Field(max_length=KEYS_MAX)]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
Altitude = Annotated[float, Field(ge=-20_000, le=1e9)]
Position = Annotated[
    Annotated[tuple[Latitude, Longitude], LISTED] | Annotated[tuple[Latitude, Longitude, Altitude], LISTED],
    Field(description="[lat, lon] or [lat, lon, alt]: WGS-84 degrees, metres."),
]
Megahertz = Annotated[float, Field(ge=0, le=1_000_000, description="MHz.")]
Text = Annotated[str, Field(min_length=1, max_length=QUERY_CHARS_MAX)]
QueryId = Annotated[str, Field(min_length=1, max_length=128, pattern=TEXT)]
Sequence = Annotated[int, Field(ge=0, lt=2**53)]


class Given(BaseModel):
    """Any body."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class NodeBody(Given):
    """A node to be made. Without `id` one is made up."""

    id: EntityId | None = None
    kind: Word = "entity"
    position: Position | None = None
    frequency: Megahertz | None = None
    labels: Facts = {}
    metadata: Facts = {}


class NodePatch(Given):
    """What of a node is to change. A null takes away: a position, a frequency, a label, a metadata key."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    kind: Word = "entity"
    position: Position | None = None
    frequency: Megahertz | None = None
    labels: Facts = {}
    metadata: Facts = {}

    @model_validator(mode="after")
    def _says_something(self) -> NodePatch:
        if not self.model_fields_set:
            raise ValueError("names nothing to change")
        return self


class EdgeBody(Given):
    """An edge to be made over one or more nodes; those nobody knows become bare nodes."""

    id: EntityId | None = None
    kind: Word = "relationship"
    nodes: Annotated[list[EntityId], Field(min_length=1, max_length=MEMBERS_MAX)]
    weight: float = 0.0
    labels: Facts = {}
    metadata: Facts = {}


class QueryBody(Given):
    """A query. `as_of`: a sequence, Unix seconds or ISO 8601."""

    query: Text
    query_id: QueryId | None = None
    limit: Annotated[int, Field(ge=1, le=10_000)] | None = None
    cursor: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    as_of: Sequence | Annotated[float, Field(ge=0, le=TS_MAX)] | Annotated[str, Field(max_length=64)] | None = (
        None
    )


class DiffBody(Given):
    """What changed for a query over (from_sequence, to_sequence]."""

    query: Text
    query_id: QueryId | None = None
    from_sequence: Sequence
    to_sequence: Sequence


class IntelBody(Given):
    """One event of an external source of intelligence. Posted again with the same `event_id`, or the same source,
    `ts` and payload, it is the same event."""

    source: Annotated[str, Field(min_length=1, max_length=256, pattern=TEXT)]
    kind: Annotated[str, Field(pattern=r"^intel(\.[a-z0-9_]{1,24}){0,2}$")] = "intel"
    event_id: Annotated[str, Field(min_length=1, max_length=128, pattern=TEXT)] | None = None
    ts: Annotated[float, Field(ge=0, le=TS_MAX, description="Unix seconds; without it, now.")] | None = None
    severity: Annotated[Severity, LISTED] = Severity.LOW
    category: Annotated[Category, LISTED] = Category.INTEL
    compartment: Annotated[Compartment, LISTED] = Compartment.GENERAL
    payload: Annotated[dict[Key, JsonValue], Field(max_length=KEYS_MAX)]


def set_of(body: Given) -> dict[str, Any]:
    """The fields a body names, by name."""
    return {name: getattr(body, name) for name in body.model_fields_set}
