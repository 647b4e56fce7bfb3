"""/api/soc: security events as the router fused them, off the hot database.

The hot database holds seven days of them and may be away; then the answer says so, for an empty list would look calm.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Path, Query, Request, Response
from pydantic import BaseModel, BeforeValidator

from dsmil.api.faults import Fault
from dsmil.api.moments import SEQUENCE_BELOW, moment_of
from dsmil.api.parts import Parts, parts_of
from dsmil.api.told import Facts, json_answer, told
from dsmil.errors import Unavailable
from dsmil.events.enums import Severity
from dsmil.store.hot_read import dicts
from dsmil.store.sqlite import connect_readonly, translated

T = TypeVar("T")

LIMIT, LIMIT_MAX = 50, 500
SUMMARY_S = 86_400.0
TOP = 10
"""Decisions and entities a summary names."""

_WHERE = "FROM soc_events_cache WHERE (?1 IS NULL OR severity = ?1) AND ts >= ?2"
_PAGE = f"SELECT * {_WHERE} ORDER BY ts DESC, id DESC LIMIT ?3 OFFSET ?4"
_COUNT = f"SELECT count(*) {_WHERE}"
_BY = "SELECT {what} AS word, count(*) FROM soc_events_cache WHERE ts >= ?1 GROUP BY word ORDER BY 2 DESC, 1 LIMIT ?2"
_IN_PAYLOAD = "CASE WHEN json_valid(payload) THEN json_extract(payload, '$.{name}') END"


class SocTold(BaseModel):
    """A SOC event: the columns of soc_events_cache."""

    event_id: str
    ts: float
    severity: str
    category: str
    source_device: int
    source_layer: int
    signals: Any
    shrink_metrics: Any
    l8_enrichment: Any
    payload: Any


class SocPageTold(BaseModel):
    """SOC events, the newest first. `total`: how many fit in all."""

    events: list[SocTold]
    count: int
    total: int
    limit: int
    offset: int


class SummaryTold(BaseModel):
    """The last 24 hours in numbers; decisions and entities are the ten most frequent."""

    since: float
    until: float
    total: int
    by_severity: dict[str, int]
    by_category: dict[str, int]
    by_layer: dict[str, int]
    decisions: dict[str, int]
    entities: dict[str, int]
    latest: Facts | None


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


async def soc_events(
    request: Request,
    *,
    severity: Annotated[Severity | None, BeforeValidator(_upper), Query()] = None,
    since: Annotated[str | None, Query(max_length=64, description="Unix seconds or ISO 8601.")] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = LIMIT,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> Response:
    """SOC events, the newest first."""
    parts, from_ts = parts_of(request), _since(since)

    def look(hot: sqlite3.Connection) -> dict[str, Any]:
        rows = dicts(hot, _PAGE, (severity, from_ts, limit, offset))
        total = hot.execute(_COUNT, (severity, from_ts)).fetchone()[0]
        told = [_told(row) for row in rows]
        return {"events": told, "count": len(told), "total": total, "limit": limit, "offset": offset}

    return json_answer(await parts.work(lambda: _look(parts, look)))


async def soc_event(request: Request, id: Annotated[str, Path(min_length=1, max_length=128)]) -> Response:
    """One SOC event."""
    parts = parts_of(request)
    found = await parts.work(
        lambda: _look(parts, lambda hot: dicts(hot, "SELECT * FROM soc_events_cache WHERE event_id = ?", (id,)))
    )
    if not found:
        hint = "the hot database holds seven days; dsmil why ID reads the audit log"
        raise Fault(404, "not_found", f"there is no SOC event {id}", hint=hint)
    return json_answer(_told(found[0]))


async def soc_summary(request: Request) -> Response:
    """The last 24 hours in numbers."""
    parts = parts_of(request)
    until = parts.clock.now()
    return json_answer(await parts.work(lambda: _look(parts, lambda hot: _summary(hot, until))))


def add_to(app: FastAPI) -> None:
    """Put the routes into the app."""
    app.add_api_route("/api/soc/events", soc_events, methods=["GET"], **told(SocPageTold, 503))
    app.add_api_route("/api/soc/events/{id}", soc_event, methods=["GET"], **told(SocTold, 404, 503))
    app.add_api_route("/api/soc/summary", soc_summary, methods=["GET"], **told(SummaryTold, 503))


def _summary(hot: sqlite3.Connection, until: float) -> dict[str, Any]:
    since = until - SUMMARY_S

    def by(what: str, most: int = 1_000) -> dict[str, int]:
        rows = hot.execute(_BY.format(what=what), (since, most))
        return {str(word): count for word, count in rows if word is not None}

    newest = dicts(hot, _PAGE, (None, since, 1, 0))
    return {
        "since": since, "until": until,
        "total": hot.execute(_COUNT, (None, since)).fetchone()[0],
        "by_severity": {each.value: 0 for each in Severity} | by("severity"),
        "by_category": by("category"), "by_layer": by("source_layer"),
        "decisions": by(_IN_PAYLOAD.format(name="decision"), TOP),
        "entities": by(_IN_PAYLOAD.format(name="entity"), TOP),
        "latest": _told(newest[0]) if newest else None,
    }  # fmt: skip


def _look(parts: Parts, look: Callable[[sqlite3.Connection], T]) -> T:
    path = parts.settings.paths.hot_db
    try:
        # Opened anew each time: the file is a cache that may be replaced under us, and opening costs little.
        with translated(f"read {path}"), closing(connect_readonly(path)) as hot:
            return look(hot)
    except Unavailable as error:
        hint = error.hint or "the hot database is a cache: is dsmil-soc-router running?"
        raise Unavailable(Exception.__str__(error), hint=hint) from None


def _told(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "id"}


def _since(given: str | None) -> float:
    if given is None:
        return 0.0
    found = moment_of(given)
    if isinstance(found, int):
        hint = f"Unix seconds from {SEQUENCE_BELOW} on, or ISO 8601"
        raise Fault(422, "invalid", f"since: {given!r} is no time", hint=hint)
    return found
