"""How STIX names and dates things: ids out of what they stand for, times to the millisecond, our own extension."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid5

from dsmil.graph.entity import Edge, Facts, Node

OBSERVABLES = UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
"""The namespace the standard gives for observables (2.9), so other tools give an address the same id."""
OURS = uuid5(OBSERVABLES, "dsmil")
EPOCH = "2025-01-01T00:00:00.000Z"
"""When the objects that never change were made."""
YEAR_MAX = 253_402_300_799.0
INSTANTS_CACHED = 1024
"""An entity's times stand on each of its objects."""
_KEY = re.compile(r"[^A-Za-z0-9_-]")
KEY_CHARS_MAX = 250
DEPTH_MAX = 16
"""What lies deeper in metadata is told as text."""


def domain_id(type_: str, name: str) -> str:
    """The id of a domain object, a relationship or a bundle that stands for `name`."""
    return f"{type_}--{uuid5(OURS, f'{type_}|{name}')}"


def observable_id(type_: str, properties: bytes) -> str:
    """The id of an observable out of its contributing properties, as JSON in canonical form (RFC 8785)."""
    return f"{type_}--{uuid5(OBSERVABLES, properties.decode())}"


PRODUCER = domain_id("identity", "")
EXTENSION = domain_id("extension-definition", "entity")


@lru_cache(INSTANTS_CACHED)
def instant(ts: float) -> str:
    """Unix seconds as a STIX timestamp."""
    moment = datetime.fromtimestamp(min(max(ts, 0.0), YEAR_MAX), UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def extension(entity: Node | Edge) -> Facts:
    """What STIX has no property for, as the property `extensions`."""
    facts: Facts = {"entity_id": entity.id, "entity_kind": entity.kind}
    if isinstance(entity, Edge):
        facts["weight"] = entity.weight
    elif entity.frequency is not None:
        facts["frequency_mhz"] = entity.frequency
    facts["entity_labels"], facts["entity_metadata"] = _told(entity.labels), _told(entity.metadata)
    told = {key: value for key, value in facts.items() if value not in ({}, None)}
    return {"extensions": {EXTENSION: {"extension_type": "property-extension"} | told}}


def _told(value: Any, depth: int = 0) -> Any:
    """A value as STIX may hold it: keys of letters, digits, - and _; no nulls, no empty lists or objects."""
    if depth > DEPTH_MAX:
        return str(value)
    if isinstance(value, dict):
        items = {_key(key): _told(item, depth + 1) for key, item in value.items()}
        return {key: item for key, item in items.items() if item is not None} or ({} if not depth else None)
    if isinstance(value, list | tuple):
        return [item for one in value if (item := _told(one, depth + 1)) is not None] or None
    return value


def _key(key: str) -> str:
    return _KEY.sub("_", key)[:KEY_CHARS_MAX]
