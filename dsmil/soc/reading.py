"""Reads what a decision concludes: only the fields the router needs, everything it uses checked.

A batch is read completely before any of it touches the router's state, so a poisoned entry (a score that is no
number) leaves nothing half done behind when it is dead-lettered.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from dsmil.errors import BadEvent
from dsmil.events import envelope
from dsmil.events.decision import Score
from dsmil.events.envelope import Event

ENTITIES_MAX = 32
"""Entities of a decision that are passed on: a scan of a subnet may name thousands."""
NAME_MAX = 256
"""Characters of an entity id or the name of a decision; longer ones are refused."""
ENTITIES_CHARS_MAX = 2048
"""Characters of all entities passed on: with what else bounds a SOC event it stays below 64 KiB even where each
character takes six bytes of JSON."""

Node = Annotated[str, Meta(min_length=1, max_length=NAME_MAX)]


class Conclusion(Struct, gc=False):
    """The part of a decision's payload that the router uses; `entities[0]` is the main one."""

    decision: Node
    score: Score
    entities: Annotated[tuple[Node, ...], Meta(min_length=1)]
    explanation: str = ""


_NAMES = ("decision", "label", "alert", "type")
_decode = msgspec.json.Decoder(Conclusion).decode


def read(event: Event) -> Conclusion:
    """What an event concludes; BadEvent says what is wrong with it."""
    try:
        return _decode(event.payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return _foreign(event)


def _foreign(event: Event) -> Conclusion:
    """An event that is no `Decision` of ours, as a user of the documented client publishes it to L3_OUT or
    L4_OUT: its decision is the first of `_NAMES`; `score` or `confidence`, `entity` or `entities` where given."""
    payload: dict[str, Any] = envelope.unpack(event, dict)
    entities = payload.get("entities") or payload.get("entity") or f"device:{event.source_device}"
    words = {
        "decision": next((payload[key] for key in _NAMES if payload.get(key)), event.kind),
        "score": payload.get("score", payload.get("confidence", 0.0)),
        "entities": [entities] if isinstance(entities, str) else entities,
        "explanation": payload.get("explanation") or payload.get("alert") or "",
    }
    try:
        return msgspec.convert(words, Conclusion)
    except msgspec.ValidationError as error:
        raise BadEvent(f"decode payload of {event.kind} {event.event_id}: {error}") from None


def passed_on(entities: tuple[str, ...]) -> tuple[str, ...]:
    """The first entities, as many as a SOC event may name."""
    if len(entities) == 1:
        return entities  # NAME_MAX bounds it
    entities = entities[:ENTITIES_MAX]
    while sum(map(len, entities)) > ENTITIES_CHARS_MAX:
        entities = entities[: len(entities) * 3 // 4]
    return entities
