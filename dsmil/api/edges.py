"""/api/edges: reading edges off the engine, writing them through the stream."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request, Response

from dsmil.api.acts import act, patch_of
from dsmil.api.faults import Fault
from dsmil.api.given import EdgeBody, set_of
from dsmil.api.moments import AsOf, MinSeq, Moment
from dsmil.api.paging import LIMIT, Cursor, Kind, Limit, page, place_of
from dsmil.api.parts import parts_of
from dsmil.api.told import EdgeTold, PageTold, WriteTold, json_answer, told
from dsmil.events import ids
from dsmil.events.graph import EDGE_CREATE, EDGE_DELETE, Patch
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.picture import Picture

EdgeId = Annotated[str, Path(min_length=1, max_length=512)]
Upsert = Annotated[bool, Query(description="Patch the edge that is there, instead of 409.")]
Member = Annotated[
    str | None, Query(min_length=1, max_length=512, description="Only those over this node.", alias="node")
]


async def list_edges(  # noqa: PLR0913 - one parameter of the request each
    request: Request,
    *,
    kind: Kind = None,
    node: Member = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
    min_seq: MinSeq = None,
    as_of: AsOf = None,
) -> Response:
    """Edges in order of their ids: all, or those of a kind, or those over a node."""
    after = place_of(cursor)

    def look(picture: Picture) -> dict[str, Any]:
        every = picture.edges if node is None else picture.memberships(node)
        fits = every if kind is None else [one for one in every if _of(picture, one, kind)]
        found, more = page(picture.edges, fits, after, limit)
        rows = [edge.to_dict() for edge in found]
        return {"edges": rows, "count": len(rows), "cursor": more, "sequence_id": picture.sequence}

    return json_answer(await Moment(min_seq, as_of).read(parts_of(request), look))


async def get_edge(request: Request, id: EdgeId, min_seq: MinSeq = None, as_of: AsOf = None) -> Response:
    """One edge."""

    def look(picture: Picture) -> Response:
        edge = picture.edges.get(id)
        if edge is None:
            raise missing(id)
        return json_answer(edge.to_dict())

    return await Moment(min_seq, as_of).read(parts_of(request), look)


async def create_edge(request: Request, body: EdgeBody, upsert: Upsert = False) -> Response:
    """Make an edge. One that is there already is a conflict, unless `upsert`: then this is a patch of it."""
    edge_id = body.id or f"he:{body.kind}:{ids.digest(ids.act(parts_of(request).clock.now()))}"
    patch = patch_of(edge_id, set_of(body) | {"kind": body.kind})

    def judge(graph: Hypergraph) -> str:
        if edge_id not in graph.edges:
            return "created"
        if not upsert:
            raise Fault(409, "exists", f"there is an edge {edge_id} already", hint="add ?upsert=true to patch it")
        return "updated"

    return await act(request, EDGE_CREATE, patch, judge)


async def delete_edge(request: Request, id: EdgeId) -> Response:
    """Delete an edge; its nodes stay."""

    def judge(graph: Hypergraph) -> str:
        if id not in graph.edges:
            raise missing(id)
        return "deleted"

    return await act(request, EDGE_DELETE, Patch(id=id), judge)


def missing(edge_id: str) -> Fault:
    """404 for an edge."""
    return Fault(404, "not_found", f"there is no edge {edge_id}", hint="GET /api/edges lists them")


def add_to(app: FastAPI) -> None:
    """Put the routes into the app."""
    one = "/api/edges/{id:path}"
    app.add_api_route("/api/edges", list_edges, methods=["GET"], **told(PageTold, 410, 412))
    app.add_api_route(one, get_edge, methods=["GET"], **told(EdgeTold, 404, 410, 412))
    made = told(WriteTold, 409, status=201, about="Created; with upsert also 200, updated")
    made["responses"][200] = {"model": WriteTold, "description": "Updated"}
    app.add_api_route("/api/edges", create_edge, methods=["POST"], **made)
    app.add_api_route(one, delete_edge, methods=["DELETE"], **told(WriteTold, 404))


def _of(picture: Picture, edge_id: str, kind: str) -> bool:
    edge = picture.edges.get(edge_id)
    return edge is not None and edge.kind == kind
