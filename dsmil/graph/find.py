"""What fits a query: candidates by the plan, held against the exact test, in a stable order."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from heapq import nlargest, nsmallest
from itertools import chain, islice
from typing import Any

from dsmil.events.enums import Severity
from dsmil.graph.budget import STEP, Budget
from dsmil.graph.entity import Edge, Entity, Node
from dsmil.graph.match import View, reader
from dsmil.graph.picture import Picture
from dsmil.graph.plan import plan
from dsmil.graph.scope import Scope
from dsmil.query.clauses import Query
from dsmil.query.predicate import values_of

_identity: Callable[[Any], str] = operator.attrgetter("id")
_RANKS = {severity.value: float(severity.rank) for severity in Severity}


FEW_OF = 4
"""Fewer than one in so many are picked out one by one; more are sorted."""
TEXT_CHARS_MAX = 512
"""Of a longer text only so much counts in an order: a cursor has to carry it."""


Rank = tuple[bool, bool, float | str]
"""Where a value stands in an order: whether there is none, whether it is a text, the value. Numbers go before texts;
what is absent goes last whatever the direction."""
ABSENT: Rank = (True, False, 0.0)


def find(scope: Scope, budget: Budget) -> list[Any]:
    """The nodes, or edges, that fit, in the query's order and within its LIMIT; by id where it names no order."""
    found, limit = fitting(scope, budget), scope.query.limit
    if scope.query.order_by is not None:
        return ordered(found, scope.query)[:limit]
    if limit is not None and limit < len(found) // FEW_OF:
        return nsmallest(limit, found, key=_identity)
    found.sort(key=_identity)
    return found[:limit]


def fitting(scope: Scope, budget: Budget) -> list[Any]:
    """All that fit, in no order."""
    picture, fits = scope.picture, scope.fits
    ids = plan(scope).ids
    found: list[Any] = []
    if ids is None:
        everything: Iterable[Entity] = picture.edges.values() if scope.of_edges else picture.nodes.values()
        for some in _steps(everything, budget):
            found += filter(fits, some)
        return found
    get: Callable[[str], Any] = picture.edges.get if scope.of_edges else picture.nodes.get
    for names in _steps(ids, budget):
        found += filter(fits, filter(None, map(get, names)))
    return found


def ordered(entities: list[Any], query: Query) -> list[Any]:
    """Entities by the query's key, those without a value last, equals by id. With LIMIT some of those beyond it may
    be left out."""
    rank_of = ranks(query.order_by or "id")
    ranked = [(rank_of(one), one) for one in entities]
    valued = [one for one in ranked if one[0] != ABSENT]
    absent = sorted((one for rank, one in ranked if rank == ABSENT), key=_identity)
    limit = query.limit
    if limit is not None and limit < len(valued) // FEW_OF:
        values = [one[0] for one in valued]
        last = (nlargest if query.descending else nsmallest)(limit, values)[-1]
        valued = [one for one in valued if (one[0] >= last if query.descending else one[0] <= last)]
    valued.sort(key=lambda one: one[1].id)
    valued.sort(key=operator.itemgetter(0), reverse=query.descending)
    return [one for _, one in valued] + absent


def ranks(key: str) -> Callable[[Any], Rank]:
    """How to tell where an entity stands by a key: by the first of its values, severities LOW to CRITICAL."""
    head, _, name = key.partition(".")
    read = reader(head, name)
    by_rank = key.rsplit(".", 1)[-1] == "severity"

    def slow(entity: Entity) -> Rank:
        return _rank(next(values_of(View(entity), key), None), by_rank=by_rank)

    if read is None or by_rank or key == "created_at":  # an edge has one, its JSON form has not
        return slow

    def quick(entity: Any) -> Rank:
        value = read(entity) if hasattr(entity, head) else None
        return (False, False, value) if type(value) is float else slow(entity)

    return quick


def _rank(value: Any, *, by_rank: bool) -> Rank:
    if isinstance(value, str):
        place = _RANKS.get(value) if by_rank else None
        return (False, True, value[:TEXT_CHARS_MAX]) if place is None else (False, False, place)
    if isinstance(value, int | float):
        try:
            return False, False, float(value)
        except OverflowError:
            return False, False, float("inf") if value > 0 else float("-inf")
    return ABSENT


def links(picture: Picture, nodes: Collection[str], budget: Budget, *, touching: bool = False) -> list[Edge]:
    """Edges all of whose members are among `nodes`, or `touching`: one of whose."""
    touched: Counter[str] = Counter()
    for some in _steps(nodes, budget):
        touched.update(chain.from_iterable(map(picture.memberships, some)))
    budget.spend(len(touched))
    get = picture.edges.__getitem__
    if touching:
        return list(map(get, touched))
    # An edge met once has another member outside, or it is a lone one: reading the rest for nothing takes longest.
    lone, all_inside = picture.lone_edges(), (nodes if isinstance(nodes, set) else set(nodes)).issuperset
    likely = map(get, [edge_id for edge_id, times in touched.items() if times > 1 or edge_id in lone])
    return [edge for edge in likely if all_inside(edge.nodes)]


def members(picture: Picture, edges: Iterable[Edge], budget: Budget) -> list[Node]:
    """The members of edges, each once."""
    found: dict[str, None] = {}
    for some in _steps(edges, budget):
        found.update(dict.fromkeys(chain.from_iterable(edge.nodes for edge in some)))
    return list(map(picture.nodes.__getitem__, found))


def _steps(items: Iterable[Any], budget: Budget) -> Iterator[tuple[Any, ...]]:
    """`items` in pieces, each counted against the budget."""
    left = iter(items)
    while some := tuple(islice(left, STEP)):
        budget.spend(len(some))
        yield some
