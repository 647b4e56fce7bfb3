"""/api/query: the language of `dsmil.query` asked of the engine, a page, a subgraph or the changes of one.

What one question may cost is bounded by [api] query_s_max and result_max; one that costs more is refused with what
would make it cheaper.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

from dsmil.api.faults import Fault
from dsmil.api.given import DiffBody, QueryBody
from dsmil.api.moments import MinSeq, Moment, reached
from dsmil.api.parts import Parts, parts_of
from dsmil.api.told import EdgeTold, Facts, NodeTold, json_answer, told
from dsmil.graph import diff as diffs
from dsmil.graph import history
from dsmil.graph.budget import Limits
from dsmil.graph.picture import Picture, TooOld
from dsmil.graph.run import run
from dsmil.graph.scope import Asked
from dsmil.graph.subgraph import extract, name_of
from dsmil.query.clauses import Query
from dsmil.query.parse import parse_query

LIMIT = 1_000
"""Results of one answer unless the body says otherwise."""


class AnswerTold(BaseModel):
    """What fits. `count`: how many in all pages; `cursor`: there is more. An EXPLAIN answers its `plan` alone."""

    query_id: str
    nodes: list[NodeTold]
    edges: list[EdgeTold]
    count: int
    cursor: str | None
    sequence_id: int
    plan: Facts | None = None


class CentralTold(BaseModel):
    """A node and how many edges of the subgraph it is a member of."""

    id: str
    degree: int


class StatsTold(BaseModel):
    """Counts of a subgraph."""

    node_count: int
    edge_count: int
    central_nodes: list[CentralTold]
    kinds: dict[str, int]
    edge_kinds: dict[str, int]


class SubgraphTold(BaseModel):
    """What a query finds, with the edges all of whose members it finds: no edge leads out of it."""

    query_id: str
    sequence_id: int
    timestamp: str
    nodes: list[NodeTold]
    edges: list[EdgeTold]
    stats: StatsTold


class NodeChangesTold(BaseModel):
    """Nodes that came in, nodes as they are now, ids that went."""

    created: list[NodeTold]
    updated: list[NodeTold]
    deleted: list[str]


class EdgeChangesTold(BaseModel):
    """The same of edges."""

    created: list[EdgeTold]
    updated: list[EdgeTold]
    deleted: list[str]


class DiffTold(BaseModel):
    """What events in (from_sequence, to_sequence] changed: laid over the subgraph of the first it makes that of the
    second. `to_sequence` is the present where the body named one still to come."""

    query_id: str
    from_sequence: int
    to_sequence: int
    timestamp: str
    nodes: NodeChangesTold
    edges: EdgeChangesTold


async def ask(request: Request, body: QueryBody, min_seq: MinSeq = None) -> Response:
    """Ask a query; its answer comes in pages."""
    parts, query = parts_of(request), parse_query(body.query)
    moment = _moment(body, query, min_seq)
    now, limits = _now(parts, moment), _limits(parts)
    page = min(body.limit or LIMIT, parts.settings.api.result_max)

    def look(picture: Picture) -> dict[str, Any]:
        found = run(
            picture, query, now=now, playback_ts=parts.playback(), page=page, cursor=body.cursor, limits=limits,
            clock=parts.clock,
        )  # fmt: skip
        answer = {
            "query_id": body.query_id or name_of(query),
            "nodes": [node.to_dict() for node in found.nodes], "edges": [edge.to_dict() for edge in found.edges],
            "count": found.count, "cursor": found.cursor, "sequence_id": found.sequence,
        }  # fmt: skip
        return answer if found.plan is None else answer | {"plan": found.plan.to_dict()}

    return json_answer(await moment.read(parts, look))


async def subgraph(request: Request, body: QueryBody, min_seq: MinSeq = None) -> Response:
    """The whole subgraph of a query, frozen at one sequence."""
    parts, query = parts_of(request), parse_query(body.query)
    if body.cursor is not None or body.limit is not None:
        hint = "bound it in the query: LIMIT 100"
        raise Fault(422, "invalid", "a subgraph comes whole, without limit and cursor", hint=hint)
    moment = _moment(body, query, min_seq)
    asked, limits = Asked(now=_now(parts, moment), playback_ts=parts.playback()), _limits(parts)

    def look(picture: Picture) -> dict[str, Any]:
        query_id = body.query_id or ""
        found = extract(picture, query, asked=asked, query_id=query_id, limits=limits, clock=parts.clock)
        return found.to_dict()

    return json_answer(await moment.read(parts, look))


async def diff(request: Request, body: DiffBody, min_seq: MinSeq = None) -> Response:
    """What changed in a query's subgraph over (from, to]."""
    parts, query = parts_of(request), parse_query(body.query)
    await reached(parts, min_seq or 0)
    return json_answer((await parts.work(lambda: _changes(parts, query, body))).to_dict())


def add_to(app: FastAPI) -> None:
    """Put the routes into the app."""
    app.add_api_route("/api/query", ask, methods=["POST"], **told(AnswerTold, 410, 412))
    app.add_api_route("/api/query/subgraph", subgraph, methods=["POST"], **told(SubgraphTold, 410, 412))
    app.add_api_route("/api/query/diff", diff, methods=["POST"], **told(DiffTold, 410, 412))


def _moment(body: QueryBody, query: Query, min_seq: int | None) -> Moment:
    """When a query looks: by the body, or by AS OF in its text; Fault 422 where both say something."""
    clause = query.as_of
    if clause is not None and body.as_of is not None:
        raise Fault(422, "invalid", "the query says AS OF itself", hint="leave out as_of")
    if clause is None:
        return Moment(min_seq, body.as_of)
    found = Moment(min_seq)
    found.as_of = clause.sequence if clause.sequence is not None else clause.ts
    return found


def _now(parts: Parts, moment: Moment) -> float | None:
    """What a relative SINCE goes by: the clock, or the past picture's own time."""
    return parts.clock.now() if moment.as_of is None else None


def _limits(parts: Parts) -> Limits:
    api = parts.settings.api
    return Limits(page=api.result_max, entities=api.result_max * 40, seconds=api.query_s_max)


def _changes(parts: Parts, query: Query, body: DiffBody) -> diffs.Diff:
    limits, query_id = _limits(parts), body.query_id or ""
    engine = parts.engine
    try:
        with engine.lock:
            return diffs.diff(
                parts.graph, query, from_sequence=body.from_sequence, to_sequence=body.to_sequence,
                query_id=query_id, limits=limits, clock=parts.clock,
            )  # fmt: skip
    except TooOld:
        earlier = parts.deep(lambda: history.picture_at(parts.settings, body.from_sequence))
    # The later moment may be further back than the engine remembers as well.
    moment = Moment()
    moment.as_of = min(body.to_sequence, engine.graph.sequence)

    def look(later: Picture) -> diffs.Diff:
        return diffs.between(earlier, later, query, query_id=query_id, limits=limits, clock=parts.clock)

    return moment.look(parts, look)
