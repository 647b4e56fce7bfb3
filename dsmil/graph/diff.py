"""What changed in a query's subgraph between two moments: what came in, what is another one now, what went.

Laid over the subgraph of the earlier moment it makes that of the later. Where an entity's belonging hangs on the
entity and its members alone, only what events touched is looked at; otherwise (a walk, a room, LIMIT, a relative
SINCE, a centre that moved) both subgraphs are made and compared.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct

from dsmil.clock import SYSTEM, Clock
from dsmil.errors import QueryError
from dsmil.graph.budget import DEFAULT, STEP, Budget, Limits
from dsmil.graph.entity import Edge, Node
from dsmil.graph.picture import Picture
from dsmil.graph.scope import Asked, Scope, resolve
from dsmil.graph.subgraph import Subgraph, closed, name_of, part
from dsmil.query.clauses import Query
from dsmil.query.spell import iso

E = TypeVar("E", Node, Edge)
Touched = tuple[set[str], set[str]]


class Changes(Struct, Generic[E], frozen=True):
    """Entities that came in, entities as they are now, ids that went; each in the order of ids."""

    created: list[E]
    updated: list[E]
    deleted: list[str]

    def to_dict(self) -> dict[str, Any]:
        """The JSON form (contract 7)."""
        return {
            "created": [one.to_dict() for one in self.created],
            "updated": [one.to_dict() for one in self.updated],
            "deleted": self.deleted,
        }


class Diff(Struct, frozen=True):
    """The changes of events in (`from_sequence`, `to_sequence`]; `timestamp` is the later picture's."""

    query_id: str
    from_sequence: int
    to_sequence: int
    timestamp: str
    nodes: Changes[Node]
    edges: Changes[Edge]

    def to_dict(self) -> dict[str, Any]:
        """Its JSON form (contract 7)."""
        return {
            "query_id": self.query_id, "from_sequence": self.from_sequence, "to_sequence": self.to_sequence,
            "timestamp": self.timestamp, "nodes": self.nodes.to_dict(), "edges": self.edges.to_dict(),
        }  # fmt: skip


class Remembering(Protocol):
    """A graph that knows its recent past (`dsmil.graph.hypergraph`)."""

    @property
    def sequence(self) -> int:
        """Number of the last event."""

    def as_of(self, sequence: int) -> Picture:
        """The picture after an event."""

    def touched(self, from_sequence: int, to_sequence: int) -> Touched:
        """Ids of the nodes and edges that events in (from, to] changed."""


def diff(  # noqa: PLR0913 - all but two are keywords
    graph: Remembering,
    query: Query,
    *,
    from_sequence: int,
    to_sequence: int,
    query_id: str = "",
    limits: Limits = DEFAULT,
    clock: Clock = SYSTEM,
) -> Diff:
    """The changes over (from, to]; a `to` that is still to come is the present. TooOld where the graph does not
    remember `from`; QueryError where the range is none, or a name is at neither end."""
    to_sequence = min(to_sequence, graph.sequence)
    if from_sequence > to_sequence:
        raise QueryError(
            f"make diff from {from_sequence} to {to_sequence}: it ends before it begins",
            hint=f"the graph has reached sequence {graph.sequence}",
        )
    return between(
        graph.as_of(from_sequence), graph.as_of(to_sequence), query,
        touched=graph.touched(from_sequence, to_sequence), query_id=query_id, limits=limits, clock=clock,
    )  # fmt: skip


def between(  # noqa: PLR0913 - all but three are keywords
    earlier: Picture,
    later: Picture,
    query: Query,
    *,
    touched: Touched | None = None,
    query_id: str = "",
    limits: Limits = DEFAULT,
    clock: Clock = SYSTEM,
) -> Diff:
    """The changes from one picture to another; `touched` holds all ids that differ, null where nobody knows."""
    budget = Budget(limits, clock)
    scopes = [resolve(picture, query, Asked(strict=False), budget) for picture in (earlier, later)]
    if all(scope.nothing for scope in scopes):
        resolve(later, query, Asked(), budget)
    if touched is not None and _local(query, touched[0]):
        alike: dict[str, bool] = {}
        was, now = (_Side(scope, budget, alike) for scope in scopes)
        nodes, edges = _looked_up(was, now, touched)
    else:
        before, after = (part(scope, budget) for scope in scopes)
        nodes, edges = _compared(before[0], after[0]), _compared(before[1], after[1])
    return Diff(query_id or name_of(query), earlier.sequence, later.sequence, iso(later.ts), nodes, edges)


def apply(subgraph: Subgraph, change: Diff) -> Subgraph:
    """The later subgraph of the earlier one and the changes since."""
    return closed(
        _applied(subgraph.nodes, change.nodes), _applied(subgraph.edges, change.edges),
        query_id=subgraph.query_id, sequence=change.to_sequence, ts=change.timestamp,
    )  # fmt: skip


def _applied(entities: Iterable[E], changes: Changes[E]) -> Iterable[E]:
    found: dict[str, E] = {one.id: one for one in entities}
    for entity_id in changes.deleted:
        del found[entity_id]
    for one in changes.created + changes.updated:
        found[one.id] = one
    return found.values()


def _local(query: Query, touched: Collection[str]) -> bool:
    """Whether who belongs hangs on each entity and its members alone, as far as these nodes are what changed."""
    if query.of is not None or query.limit is not None or query.rooms:
        return False
    if query.since is not None and query.since.ts is None:
        return False
    return not any(within.node in touched for within in query.within)


def _compared(was: Iterable[E], now: Iterable[E]) -> Changes[E]:
    before, after = {one.id: one for one in was}, {one.id: one for one in now}
    return _changes(before.keys() | after.keys(), before.get, after.get)


def _looked_up(was: _Side, now: _Side, touched: Touched) -> tuple[Changes[Node], Changes[Edge]]:
    """The changes among what was touched, and what hangs on it."""
    nodes, edges = set(touched[0]), set(touched[1])
    if was.turns:  # a member that fits now and did not, or the other way about, changes its edges' belonging
        for node_id in was.learn(nodes) ^ now.learn(nodes):
            edges.update(now.picture.memberships(node_id))  # one it has left was touched itself
    if was.brings:  # members that are in because of an edge
        for edge_id in edges:
            nodes.update(was.picture.members(edge_id), now.picture.members(edge_id))
    return _changes(nodes, was.node, now.node), _changes(edges, was.edge, now.edge)


def _changes(ids: Iterable[str], was: Callable[[str], E | None], now: Callable[[str], E | None]) -> Changes[E]:
    changes: Changes[E] = Changes([], [], [])
    for entity_id in sorted(ids):
        before, after = was(entity_id), now(entity_id)
        if after is None:
            if before is not None:
                changes.deleted.append(entity_id)
        elif before is None:
            changes.created.append(after)
        elif before is not after and before != after:
            changes.updated.append(after)
    return changes


class _Side:
    """One of the two pictures: what of it is in the query's subgraph, asked id by id."""

    def __init__(self, scope: Scope, budget: Budget, alike: dict[str, bool]) -> None:
        """`alike` is what both sides know of nodes that were not touched."""
        self.picture = scope.picture
        self._scope = scope
        self._budget = budget
        self._nodes: Mapping[str, Node] = scope.picture.nodes
        self._test = (scope.member if scope.of_edges else scope.fits) or (lambda node: True)
        self._known: dict[str, bool] = {}
        self._alike = alike
        self._whole = not scope.query.any_member
        # Whether nodes decide about edges, and edges about nodes.
        self.turns = not scope.of_edges or scope.member is not None
        self.brings = scope.of_edges or scope.query.any_member

    def learn(self, touched: set[str]) -> set[str]:
        """Look at all touched nodes at once; those that fit by themselves."""
        self._budget.spend(len(touched))
        get, test = self._nodes.get, self._test
        fitting = {node_id for node_id in touched if (node := get(node_id)) is not None and test(node)}
        self._known = dict.fromkeys(touched, False) | dict.fromkeys(fitting, True)
        return fitting

    def fits(self, node_id: str) -> bool:
        """Whether a node fits by itself."""
        known = self._known.get(node_id)
        if known is None:
            known = self._alike.get(node_id)
        if known is None:
            if len(self._alike) % STEP == 0:
                self._budget.spend()
            node = self._nodes.get(node_id)
            known = self._alike[node_id] = node is not None and self._test(node)
        return known

    def edge(self, edge_id: str) -> Edge | None:
        """An edge that is in."""
        edge = self.picture.edges.get(edge_id)
        if edge is None:
            return None
        if self._scope.of_edges:
            return edge if self._scope.fits(edge) else None
        enough = all if self._whole else any
        return edge if enough(map(self.fits, edge.nodes)) else None

    def node(self, node_id: str) -> Node | None:
        """A node that is in."""
        node = self._nodes.get(node_id)
        if node is None:
            return None
        if not self._scope.of_edges and self.fits(node_id):
            return node
        inside = self.brings and any(
            self.edge(edge_id) is not None for edge_id in self.picture.memberships(node_id)
        )
        return node if inside else None
