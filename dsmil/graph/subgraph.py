"""A frozen part of the graph: what a query finds, closed so that no edge has a member outside of it.

Nodes and edges stand in the order of their ids, so the same part is the same value whatever found it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from hashlib import blake2s
from heapq import nlargest
from itertools import chain
from operator import attrgetter
from typing import Any

from msgspec import Struct

from dsmil.clock import SYSTEM, Clock
from dsmil.graph.budget import DEFAULT, Budget, Limits
from dsmil.graph.entity import Edge, Node
from dsmil.graph.find import find, fitting, links, members
from dsmil.graph.picture import Picture
from dsmil.graph.scope import Asked, Scope, resolve
from dsmil.query.clauses import Query
from dsmil.query.spell import iso, spell_query

CENTRAL = 5
"""The most connected nodes that are named."""
_identity = attrgetter("id")
_kind = attrgetter("kind")
_nodes: Callable[[Edge], tuple[str, ...]] = attrgetter("nodes")


class Central(Struct, frozen=True):
    """A node and how many edges of the subgraph it is a member of."""

    id: str
    degree: int


class Stats(Struct, frozen=True):
    """Counts; `kinds` of the nodes."""

    node_count: int
    edge_count: int
    central_nodes: list[Central]
    kinds: dict[str, int]
    edge_kinds: dict[str, int]


class Subgraph(Struct, frozen=True):
    """What a query found at `sequence_id`; `timestamp` (ISO-8601 Z) is the picture's own."""

    query_id: str
    sequence_id: int
    timestamp: str
    nodes: list[Node]
    edges: list[Edge]
    stats: Stats

    def to_dict(self) -> dict[str, Any]:
        """Its JSON form (contract 7)."""
        return {
            "query_id": self.query_id, "sequence_id": self.sequence_id, "timestamp": self.timestamp,
            "nodes": [node.to_dict() for node in self.nodes], "edges": [edge.to_dict() for edge in self.edges],
            "stats": self.stats,
        }  # fmt: skip


def extract(  # noqa: PLR0913 - all but two are keywords
    picture: Picture,
    query: Query,
    *,
    asked: Asked = Asked(),  # noqa: B008 - it is frozen
    query_id: str = "",
    limits: Limits = DEFAULT,
    clock: Clock = SYSTEM,
) -> Subgraph:
    """The subgraph of a query, RETURN and EXPLAIN not looked at; QueryError where a name is not there or it costs
    too much. A relative SINCE goes by the picture's own time unless `asked` says otherwise."""
    budget = Budget(limits, clock)
    nodes, edges = part(resolve(picture, query, asked, budget), budget)
    return closed(nodes, edges, query_id=query_id or name_of(query), sequence=picture.sequence, ts=picture.ts)


def part(scope: Scope, budget: Budget) -> tuple[list[Node], list[Edge]]:
    """The nodes and edges of a query's subgraph, in no order."""
    picture, query = scope.picture, scope.query
    found = fitting(scope, budget) if query.limit is None else find(scope, budget)
    if scope.of_edges:
        nodes: list[Node] = members(picture, found, budget)
        edges: list[Edge] = found
    else:
        ids = {node.id for node in found}
        nodes = found
        centre = picture.nodes.get(scope.start or "") if query.find == "neighbors" else None
        if centre is not None:  # whose neighbours they are
            ids.add(centre.id)
            nodes = [*found, centre]
        edges = links(picture, ids, budget, touching=query.any_member)
        if query.any_member:
            nodes = nodes + [node for node in members(picture, edges, budget) if node.id not in ids]
    budget.hold(len(nodes) + len(edges))
    return nodes, edges


def closed(
    nodes: Iterable[Node], edges: Iterable[Edge], *, query_id: str, sequence: int, ts: float | str
) -> Subgraph:
    """A subgraph of these; `ts` in Unix seconds, or as it is written."""
    ordered, linked = sorted(nodes, key=_identity), sorted(edges, key=_identity)
    stats = Stats(
        len(ordered), len(linked), _central(linked),
        dict(sorted(Counter(map(_kind, ordered)).items())), dict(sorted(Counter(map(_kind, linked)).items())),
    )  # fmt: skip
    return Subgraph(query_id, sequence, ts if isinstance(ts, str) else iso(ts), ordered, linked, stats)


def name_of(query: Query) -> str:
    """An id for a query that was given none: the same words have the same."""
    return "q:" + blake2s((query.text or spell_query(query)).encode(), digest_size=8).hexdigest()


def _central(edges: list[Edge]) -> list[Central]:
    """The nodes with most edges, the lesser id first among equals. An edge that names a node twice is one edge."""
    degrees = Counter(chain.from_iterable(map(set, map(_nodes, edges))))
    least = min(nlargest(CENTRAL, degrees.values()), default=0)
    most = sorted((-degree, node_id) for node_id, degree in degrees.items() if degree >= least)
    return [Central(node_id, -degree) for degree, node_id in most[:CENTRAL]]
