"""Lists, page by page: in order of ids, so a page is the same whatever changed before it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping
from heapq import nsmallest
from typing import Annotated, TypeVar

from fastapi import Query

from dsmil.api.faults import Fault
from dsmil.graph.entity import Edge, Node

E = TypeVar("E", Node, Edge)

LIMIT, LIMIT_MAX = 100, 1_000

Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Most that are told at once.")]
Cursor = Annotated[
    str | None, Query(min_length=1, max_length=1024, description="Where the page before said there is more.")
]
Kind = Annotated[str | None, Query(min_length=1, max_length=64, description="Only those of this kind.")]


def page(entities: Mapping[str, E], ids: Collection[str], after: str, limit: int) -> tuple[list[E], str | None]:
    """The first `limit` of `ids` above `after`, and the cursor to the next where there are more."""
    found = nsmallest(limit + 1, (one for one in ids if one > after and one in entities))
    return [entities[one] for one in found[:limit]], cursor_of(found[limit - 1]) if len(found) > limit else None


def cursor_of(last: str) -> str:
    """An opaque word for the place behind `last`."""
    return base64.urlsafe_b64encode(last.encode()).decode().rstrip("=")


def place_of(cursor: str | None) -> str:
    """The id a cursor stands behind; Fault 422 where it is none of ours."""
    if cursor is None:
        return ""
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise Fault(422, "invalid", "cursor: not one that was given out", hint="leave it out to begin") from None
