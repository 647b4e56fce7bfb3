"""/api/nodes: reading nodes off the engine, writing them through the stream."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request, Response

from dsmil.api.acts import act, patch_of
from dsmil.api.faults import Fault
from dsmil.api.given import NodeBody, NodePatch, set_of
from dsmil.api.moments import AsOf, MinSeq, Moment
from dsmil.api.paging import LIMIT, Cursor, Kind, Limit, page, place_of
from dsmil.api.parts import parts_of
from dsmil.api.told import NodeTold, PageTold, WriteTold, json_answer, told
from dsmil.events import ids
from dsmil.events.graph import NODE_CREATE, NODE_DELETE, NODE_UPDATE, Patch
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.picture import Picture

NodeId = Annotated[str, Path(min_length=1, max_length=512)]
Upsert = Annotated[bool, Query(description="Patch the node that is there, instead of 409.")]


async def list_nodes(  # noqa: PLR0913 - one parameter of the request each
    request: Request,
    *,
    kind: Kind = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
    min_seq: MinSeq = None,
    as_of: AsOf = None,
) -> Response:
    """Nodes in order of their ids, those of a kind or all."""
    after = place_of(cursor)

    def look(picture: Picture) -> dict[str, Any]:
        every = picture.nodes if kind is None else picture.nodes_of_kind(kind)
        fits = every if kind is None else [one for one in every if _of(picture, one, kind)]
        found, more = page(picture.nodes, fits, after, limit)
        rows = [node.to_dict() for node in found]
        return {"nodes": rows, "count": len(rows), "cursor": more, "sequence_id": picture.sequence}

    return json_answer(await Moment(min_seq, as_of).read(parts_of(request), look))


async def get_node(request: Request, id: NodeId, min_seq: MinSeq = None, as_of: AsOf = None) -> Response:
    """One node."""

    def look(picture: Picture) -> Response:
        node = picture.nodes.get(id)
        if node is None:
            raise missing(id)
        return json_answer(node.to_dict())

    return await Moment(min_seq, as_of).read(parts_of(request), look)


async def create_node(request: Request, body: NodeBody, upsert: Upsert = False) -> Response:
    """Make a node. One that is there already is a conflict, unless `upsert`: then this is a patch of it."""
    node_id = body.id or f"{body.kind}:{ids.digest(ids.act(parts_of(request).clock.now()))}"
    patch = patch_of(node_id, set_of(body) | {"kind": body.kind})

    def judge(graph: Hypergraph) -> str:
        if node_id not in graph.nodes:
            return "created"
        if not upsert:
            hint = "PATCH it, or add ?upsert=true"
            raise Fault(409, "exists", f"there is a node {node_id} already", hint=hint)
        return "updated"

    return await act(request, NODE_CREATE, patch, judge)


async def patch_node(request: Request, id: NodeId, body: NodePatch) -> Response:
    """Change what the body names; labels and metadata merge by key, and a null takes a key away."""
    return await act(request, NODE_UPDATE, patch_of(id, set_of(body)), _there(id, "updated"))


async def delete_node(request: Request, id: NodeId) -> Response:
    """Delete a node, with every edge over it, as one event."""
    return await act(request, NODE_DELETE, Patch(id=id), _there(id, "deleted"))


def missing(node_id: str) -> Fault:
    """404 for a node."""
    return Fault(404, "not_found", f"there is no node {node_id}", hint="GET /api/nodes lists them")


def add_to(app: FastAPI) -> None:
    """Put the routes into the app."""
    one = "/api/nodes/{id:path}"
    app.add_api_route(one, get_node, methods=["GET"], **told(NodeTold, 404, 410, 412))
    app.add_api_route("/api/nodes", list_nodes, methods=["GET"], **told(PageTold, 410, 412))
    made = told(WriteTold, 409, status=201, about="Created; with upsert also 200, updated")
    made["responses"][200] = {"model": WriteTold, "description": "Updated"}
    app.add_api_route("/api/nodes", create_node, methods=["POST"], **made)
    app.add_api_route(one, patch_node, methods=["PATCH"], **told(WriteTold, 404))
    app.add_api_route(one, delete_node, methods=["DELETE"], **told(WriteTold, 404))


def _there(node_id: str, status: str) -> Any:
    def judge(graph: Hypergraph) -> str:
        if node_id not in graph.nodes:
            raise missing(node_id)
        return status

    return judge


def _of(picture: Picture, node_id: str, kind: str) -> bool:
    node = picture.nodes.get(node_id)
    return node is not None and node.kind == kind
