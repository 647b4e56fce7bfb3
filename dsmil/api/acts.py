"""Acts of operators: looking whether one makes sense, and writing it down.

Looking and writing are one turn, so of two acts in one process the second sees what the first did; of two processes
at the very same moment the stream decides, and a second create is then a patch, as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Request, Response

from dsmil.api.faults import RETRY_S, Fault
from dsmil.api.parts import Parts, parts_of, who_of
from dsmil.api.stream import Unknown
from dsmil.api.told import json_answer
from dsmil.events.graph import Patch, Seen
from dsmil.graph.hypergraph import Hypergraph

BEHIND_S = 2.0
"""How long the engine may be behind the stream before acts are refused: they could not be judged."""
PROVENANCE = "provenance"
"""The metadata key dsmil keeps itself: sent back with the rest, it is no wish to change it."""

Status = str
Judge = Callable[[Hypergraph], Status]
"""Says what an act comes to (created, updated, deleted), or raises a Fault why not."""


async def act(request: Request, kind: str, patch: Patch, judge: Judge) -> Response:
    """Carry out one act and tell its sequence."""
    parts, by = parts_of(request), who_of(request).operator_id
    now = parts.clock.now()
    signed = _signed(patch, by, now)
    status, sequence = await parts.work(lambda: _carried_out(parts, kind, signed, judge))
    code, headers = (201, {"location": _path(kind, patch.id)}) if status == "created" else (200, {})
    return json_answer({"status": status, "id": patch.id, "sequence_id": sequence}, code, **headers)


def patch_of(entity_id: str, told: Mapping[str, Any]) -> Patch:
    """The patch of the fields a body names."""
    fields = {name: value for name, value in told.items() if name != "id"}
    metadata = fields.get("metadata")
    if metadata and PROVENANCE in metadata:
        fields["metadata"] = {key: value for key, value in metadata.items() if key != PROVENANCE}
    if "nodes" in fields:
        fields["nodes"] = tuple(dict.fromkeys(fields["nodes"]))
    return Patch(id=entity_id, **fields)


def _carried_out(parts: Parts, kind: str, patch: Patch, judge: Judge) -> tuple[Status, int]:
    with parts.stream.turn:
        graph, last = parts.graph, parts.stream.last()
        if not parts.engine.wait_for(last, BEHIND_S):
            hint = parts.away or "ask again"
            detail = f"the engine is behind the stream: {graph.sequence} of {last}"
            raise Fault(503, "behind", detail, hint=hint, headers={"retry-after": RETRY_S})
        status = judge(parts.graph)
        try:
            return status, parts.stream.write(kind, patch)
        except Unknown as error:
            raise Fault(503, "unknown_outcome", Exception.__str__(error), hint=error.hint) from None


def _signed(patch: Patch, by: str, now: float) -> Patch:
    fields = {name: getattr(patch, name) for name in patch.__struct_fields__}
    return Patch(**{**fields, "by": by, "seen": (Seen(f"operator:{by}", now, now),)})


def _path(kind: str, entity_id: str) -> str:
    from urllib.parse import quote  # noqa: PLC0415

    return f"/api/{'nodes' if 'node' in kind else 'edges'}/{quote(entity_id, safe='/:')}"
