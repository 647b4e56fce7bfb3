"""What became other since a number: each entity once, with what it was then; and every place a vessel was at.

Whoever keeps a copy of the graph asks from the number his copy has reached, so a batch written twice, or never, comes
out right by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

from dsmil.graph.entity import Edge, Facts, Node
from dsmil.graph.hypergraph import Hypergraph
from dsmil.store.graphdb import Changes, Row

VESSEL = "vessel:"
"""Prefix of a vessel's id; its MMSI follows."""


class Changed(Struct):
    """By id, what an entity was before (null: it was not there). `tracks`: vessels as they were at each new place,
    oldest first."""

    nodes: dict[str, Node | None]
    edges: dict[str, Edge | None]
    tracks: list[Node]


def changed_since(graph: Hypergraph, sequence: int) -> Changed:
    """What events after `sequence` changed. TooOld where the graph does not reach back so far."""
    found = Changed({}, {}, [])
    for _, _, steps in graph.undo.after(sequence):
        for entity_id, before, is_edge in reversed(steps):
            if is_edge:
                found.edges[entity_id] = before  # type: ignore[assignment] # an edge's before is an edge
                continue
            after = found.nodes[entity_id] if entity_id in found.nodes else graph.nodes.get(entity_id)
            if after is not None and entity_id.startswith(VESSEL) and _moved(before, after):
                found.tracks.append(after)
            found.nodes[entity_id] = before  # type: ignore[assignment]
    found.tracks.reverse()
    return found


def position_ts(node: Node) -> float:
    """When a node was seen where it is (Unix seconds)."""
    return node.updated_at if "position" in node.fresh else node.times.get("position", node.updated_at)


def rows_since(graph: Hypergraph, sequence: int) -> Changes:
    """The same as rows of graph.db. TooOld as above."""
    found = changed_since(graph, sequence)
    nodes, edges = graph.nodes, graph.edges
    return Changes(
        nodes=_node_rows((nodes[one] for one in found.nodes if one in nodes), graph.sequence),
        edges=_edge_rows((edges[one] for one in found.edges if one in edges), graph.sequence),
        gone_nodes=[one for one in found.nodes if one not in nodes],
        gone_edges=[one for one in found.edges if one not in edges],
    )


def all_rows(graph: Hypergraph) -> Changes:
    """The whole graph as rows, in place of all that were there."""
    return Changes(
        nodes=_node_rows(graph.nodes.values(), graph.sequence),
        edges=_edge_rows(graph.edges.values(), graph.sequence),
        afresh=True,
    )


def _moved(before: object, after: Node) -> bool:
    if after.position is None:
        return False
    return not isinstance(before, Node) or before.position != after.position


def _node_rows(nodes: Iterable[Node], sequence: int) -> Iterator[Row]:
    for node in nodes:
        lat, lon, alt = (*(node.position or (None, None)), None)[:3]
        facts = node.to_dict()
        yield (
            node.id, node.kind, lat, lon, alt, node.frequency, _json(facts["labels"]), _json(facts["metadata"]),
            node.created_at, node.updated_at, sequence,
        )  # fmt: skip


def _edge_rows(edges: Iterable[Edge], sequence: int) -> Iterator[Row]:
    for edge in edges:
        facts = edge.to_dict()
        yield (
            edge.id, edge.kind, _json(edge.nodes), edge.weight, _json(facts["labels"]), _json(facts["metadata"]),
            edge.timestamp, sequence,
        )  # fmt: skip


def _json(value: Facts | tuple[str, ...]) -> str:
    return msgspec.json.encode(value).decode()
