"""One query answered from one picture, a page at a time.

Pages go by what FIND names. The edges of found nodes come on the page where the last of their members does (with
`EDGES ANY`, the first found one), so every edge comes once; a page in the shape of a subgraph holds all members of
its edges, some again.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from dsmil.clock import SYSTEM, Clock
from dsmil.graph.budget import DEFAULT, Budget, Limits
from dsmil.graph.cursor import decode, encode
from dsmil.graph.entity import Edge, Node
from dsmil.graph.find import find, links, members
from dsmil.graph.picture import Picture
from dsmil.graph.plan import Plan, plan
from dsmil.graph.scope import Asked, Rooms, Scope, resolve
from dsmil.query.clauses import Query


class Result(Struct, frozen=True, kw_only=True):
    """`count` tells how many nodes (or edges, whichever RETURN asks for, or FIND where it asks for a subgraph or the
    count) fit in all pages; `cursor` begins the next page, null after the last. A query to EXPLAIN answers only its
    `plan`."""

    nodes: list[Node]
    edges: list[Edge]
    count: int
    cursor: str | None
    sequence: int
    plan: Plan | None = None


class _Page(Struct, frozen=True):
    """All that fit, and which of them this page gives."""

    found: list[Any]
    first: int
    end: int
    cursor: str | None

    @property
    def own(self) -> list[Any]:
        return self.found[self.first : self.end]


def run(  # noqa: PLR0913 - all but two are keywords
    picture: Picture,
    query: Query,
    *,
    now: float | None,
    playback_ts: float | None = None,
    rooms: Rooms | None = None,
    page: int | None = None,
    cursor: str | None = None,
    limits: Limits = DEFAULT,
    clock: Clock = SYSTEM,
) -> Result:
    """Answer a query. `now` (Unix seconds) is what a relative SINCE goes by; null, or a query AS OF, goes by the
    picture's own time; `playback_ts`, while playing, before both. `page` bounds the results, LIMIT those of all
    pages. QueryError where a name is not there, the cursor is wrong, or the answer costs too much."""
    budget = Budget(limits, clock)
    scope = resolve(picture, query, Asked(now=now, playback_ts=playback_ts, rooms=rooms), budget)
    if query.explain:
        return Result(nodes=[], edges=[], count=0, cursor=None, sequence=picture.sequence, plan=plan(scope))
    found = find(scope, budget)
    if query.returns == "count":
        return Result(nodes=[], edges=[], count=len(found), cursor=None, sequence=picture.sequence)
    this = _page(query, found, cursor, min(page or limits.page, limits.page))
    shaped = _of_edges if scope.of_edges else _of_nodes
    nodes, edges, count = shaped(scope, this, budget)
    budget.hold(len(nodes) + len(edges))
    return Result(nodes=nodes, edges=edges, count=count, cursor=this.cursor, sequence=picture.sequence)


def _page(query: Query, found: list[Any], cursor: str | None, size: int) -> _Page:
    first = given = 0
    if cursor is not None:
        place = decode(query, cursor)
        given = place.given
        first = next((i for i, one in enumerate(found) if place.comes_before(one, query)), len(found))
    left = size if query.limit is None else min(size, max(0, query.limit - given))
    end = min(len(found), first + left)
    more = end < len(found) and end > first and (query.limit is None or given + end - first < query.limit)
    after = encode(query, found[end - 1], given + end - first) if more else None
    return _Page(found, first, end, after)


def _of_nodes(scope: Scope, page: _Page, budget: Budget) -> tuple[list[Node], list[Edge], int]:
    """A page of found nodes, in the shape the query asks for."""
    query = scope.query
    if query.returns == "nodes":
        return page.own, [], len(page.found)
    edges, turn = _links(scope, page.found, budget)
    end = max(page.end, 1)  # edges of a node with itself come though none of its neighbours fits
    own = sorted((edge for edge in edges if page.first <= turn(edge) < end), key=lambda edge: edge.id)
    if query.returns == "edges":
        return [], own, len(edges)
    nodes = {node.id: node for node in page.own}
    nodes.update((node.id, node) for node in members(scope.picture, own, budget))
    if scope.query.find == "neighbors" and scope.start is not None:
        nodes.setdefault(scope.start, scope.picture.nodes[scope.start])
    return list(nodes.values()), own, len(page.found)


def _links(scope: Scope, found: list[Node], budget: Budget) -> tuple[list[Edge], Any]:
    """The edges of found nodes, and on whose turn each comes."""
    places = {node.id: place for place, node in enumerate(found)}
    if scope.query.find == "neighbors" and scope.start is not None:
        places.setdefault(scope.start, 0)  # whose neighbours they are belongs in between them
    which = min if scope.query.any_member else max

    def turn(edge: Edge) -> int:
        return which(places[member] for member in edge.nodes if member in places)

    return links(scope.picture, places.keys(), budget, touching=scope.query.any_member), turn


def _of_edges(scope: Scope, page: _Page, budget: Budget) -> tuple[list[Node], list[Edge], int]:
    """A page of found edges, in the shape the query asks for."""
    returns = scope.query.returns
    if returns == "edges":
        return [], page.own, len(page.found)
    own = members(scope.picture, page.own, budget)
    if returns == "subgraph":
        return own, page.own, len(page.found)
    earlier = {node.id for node in members(scope.picture, page.found[: page.first], budget)}
    count = len(members(scope.picture, page.found, budget))
    return [node for node in own if node.id not in earlier], [], count
