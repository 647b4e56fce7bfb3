"""GET /api/metrics: the graph in numbers, and how far behind the stream and the newest snapshot are."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

from dsmil.api.parts import Parts, parts_of
from dsmil.api.told import json_answer, told
from dsmil.errors import DsmilError

CENTRAL = 5
"""Nodes named as the most connected."""


class KindsTold(BaseModel):
    """How many of each kind."""

    nodes: dict[str, int]
    edges: dict[str, int]


class StreamTold(BaseModel):
    """GRAPH_EVENTS: its newest number, how many events this engine has not folded in, and for how long the first of
    them has been waiting. `available` is false where Redis is away: then the rest is null."""

    available: bool
    last_sequence: int | None
    length: int | None
    behind: int | None
    lag_s: float | None


class SnapshotTold(BaseModel):
    """The projector's newest snapshot: what it holds, its age, and what writing it took; null where there is none."""

    sequence_id: int | None
    age_s: float | None
    latency_s: float | None


class CentralTold(BaseModel):
    """A node by its degree; `centrality` is the share of all edges it is a member of."""

    id: str
    kind: str
    degree: int
    centrality: float
    frequency: float | None


class DegreeTold(BaseModel):
    """How connected nodes are: `distribution` counts nodes by degree (0 too)."""

    mean: float
    max: int
    distribution: dict[str, int]


class MetricsTold(BaseModel):
    """The graph in numbers."""

    nodes: int
    edges: int
    kinds: KindsTold
    spatial_index_size: int
    stream: StreamTold
    stream_lag: float | None
    snapshot: SnapshotTold
    snapshot_latency: float | None
    degree: DegreeTold
    central_nodes: list[CentralTold]
    refused: int
    sequence_id: int
    epoch: str
    timestamp: float


async def graph_metrics(request: Request) -> Response:
    """The graph in numbers: counters that are kept, not counted for the asking."""
    parts = parts_of(request)
    return json_answer(await parts.work(lambda: _told(parts)))


def add_to(app: FastAPI) -> None:
    """Put the route into the app."""
    app.add_api_route("/api/metrics", graph_metrics, methods=["GET"], **told(MetricsTold))


def _told(parts: Parts) -> dict[str, Any]:
    with parts.engine.lock:
        found = _graph(parts)
    stream = _stream(parts, found["sequence_id"])
    snapshot = parts.snapshot()
    return {
        **found, "stream": stream, "stream_lag": stream["lag_s"],
        "snapshot": snapshot, "snapshot_latency": snapshot["latency_s"], "timestamp": parts.clock.now(),
    }  # fmt: skip


def _graph(parts: Parts) -> dict[str, Any]:
    graph = parts.graph
    counters, edges = graph.counters, len(graph.edges)
    degrees = counters.degrees()
    joined = sum(degrees.values())
    central = []
    for node_id, degree in counters.top_central(CENTRAL):
        node = graph.nodes[node_id]
        centrality = degree / edges if edges else 0.0
        row = {"id": node_id, "kind": node.kind, "degree": degree, "centrality": centrality}
        central.append({**row, "frequency": node.frequency})
    return {
        "nodes": len(graph.nodes), "edges": edges,
        "kinds": {"nodes": counters.node_kinds, "edges": counters.edge_kinds},
        "spatial_index_size": len(graph.places),
        "degree": {
            "mean": sum(degree * count for degree, count in degrees.items()) / len(graph.nodes) if joined else 0.0,
            "max": max(degrees, default=0),
            "distribution": {str(each): n for each, n in ({0: len(graph.nodes) - joined} | degrees).items() if n},
        },
        "central_nodes": central, "refused": graph.refused, "sequence_id": graph.sequence, "epoch": graph.epoch,
    }  # fmt: skip


def _stream(parts: Parts, sequence: int) -> dict[str, Any]:
    try:
        about = parts.stream.about(sequence)
    except DsmilError:  # the numbers of the graph stand without it
        return {"available": False, **dict.fromkeys(("last_sequence", "length", "behind", "lag_s"))}
    first_ts = about.pop("first_ts")
    lag_s = max(0.0, parts.clock.now() - first_ts) if first_ts is not None else 0.0
    return {"available": True, **about, "lag_s": lag_s}
