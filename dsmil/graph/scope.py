"""A query held against one picture: what its words mean there, as tests of single entities.

Names become places and sets of ids, durations become times. After that a node or an edge fits by itself, whatever
index it was found by.

Of a query for edges, conditions on place, frequency and room are asked of the members: all of them have to fit, of
`EDGES ANY` one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from msgspec import Struct

from dsmil.errors import QueryError
from dsmil.graph.budget import Budget
from dsmil.graph.earth import apart_m, in_box
from dsmil.graph.entity import Edge, Node
from dsmil.graph.match import all_of, edge_test, node_test
from dsmil.graph.picture import Box, Picture
from dsmil.query.clauses import Query, Within
from dsmil.query.spell import quoted

ROOM_KINDS = frozenset({"room_membership", "room_entity"})
"""Kinds of edges that put nodes into the room whose node they share."""
ROOM_PREFIX = "room:"
Rooms = Mapping[str, Collection[str]]
"""Node ids by room: who is in a room beside those the graph itself says."""


class Asked(Struct, frozen=True, kw_only=True):
    """What a query's words hang on beside the picture. `now` is the reference of a relative SINCE (null: the
    picture's own time), `playback_ts` the playback pointer, which goes before it; `rooms` as in `Rooms`. Where
    `strict` a name that is not there is refused, otherwise nothing fits it."""

    now: float | None = None
    playback_ts: float | None = None
    rooms: Rooms | None = None
    strict: bool = True


class Near(Struct, frozen=True):
    """A circle: degrees and metres."""

    lat: float
    lon: float
    radius_m: float


class Scope(Struct, frozen=True, kw_only=True):
    """`fits` tests what the query finds, `member` the members of an edge (null: any will do). `since` is in Unix
    seconds; `reached` holds the ids a walk came to, `start` where it began. `nothing`: no entity can fit."""

    picture: Picture
    query: Query
    fits: Callable[[Any], bool]
    member: Callable[[Node], bool] | None
    circles: tuple[Near, ...]
    boxes: tuple[Box, ...]
    since: float | None
    reached: Collection[str] | None
    start: str | None
    nothing: bool

    @property
    def of_edges(self) -> bool:
        """Whether the query finds edges."""
        return self.query.find == "edges"


def resolve(picture: Picture, query: Query, asked: Asked, budget: Budget) -> Scope:
    """Hold a query against a picture; QueryError where it names what is not there."""
    lost: list[str] = []
    circles = [_circle(picture, within, lost) for within in query.within]
    if query.of is not None and query.of not in picture.nodes:
        lost.append(f"OF {quoted(query.of)}: there is no such node")
    if lost and asked.strict:
        raise QueryError(f"run query: {lost[0]}", hint="ids are written as they stand: vessel:211000000")
    since = _since(picture, query, asked)
    reached = None if query.of is None else _reached(picture, query, budget)
    boxes = tuple((box.lat1, box.lon1, box.lat2, box.lon2) for box in query.boxes)
    places = tuple(circle for circle in circles if circle is not None)
    on_nodes = [
        *map(_near_test, places),
        *map(_box_test, boxes),
        *(_band_test(band.low, band.high) for band in query.bands),
        *(_room_test(picture, room, asked.rooms) for room in query.rooms),
    ]
    member = all_of(on_nodes) if on_nodes else None
    of_edges = query.find == "edges"
    tests = _edge_tests(picture, query, since, member) if of_edges else _node_tests(query, since, on_nodes)
    if reached is not None:
        tests.append(lambda entity: entity.id in reached)
    if lost:
        tests.append(lambda entity: False)
    return Scope(
        picture=picture, query=query, fits=all_of(tests), member=member if of_edges else None, circles=places,
        boxes=boxes, since=since, reached=reached, start=query.of, nothing=bool(lost),
    )  # fmt: skip


def walk(picture: Picture, start: str, hops: int, budget: Budget) -> tuple[dict[str, int], dict[str, int]]:
    """Nodes within `hops` steps of `start`, itself included, and the edges gone over, each with its step."""
    nodes, edges = {start: 0}, dict[str, int]()
    frontier = [start]
    for step in range(1, hops + 1):
        found: list[str] = []
        for node_id in frontier:
            joined = [edge_id for edge_id in picture.memberships(node_id) if edge_id not in edges]
            budget.spend(1 + len(joined))
            for edge_id in joined:
                edges[edge_id] = step
                found += picture.members(edge_id)
        frontier = [node_id for node_id in dict.fromkeys(found) if node_id not in nodes]
        nodes.update(dict.fromkeys(frontier, step))
    return nodes, edges


def _reached(picture: Picture, query: Query, budget: Budget) -> Collection[str]:
    """What a query's walk comes to; the neighbours of a node are the others."""
    start = query.of or ""
    if start not in picture.nodes:
        return ()
    nodes, edges = walk(picture, start, query.depth, budget)
    if query.find == "neighbors":
        del nodes[start]
    return edges if query.find == "edges" else nodes


def _circle(picture: Picture, within: Within, lost: list[str]) -> Near | None:
    """The circle around a place or a node; what is missing is noted in `lost`."""
    place: tuple[float, ...] | None = within.place
    if within.node is not None:
        node = picture.nodes.get(within.node)
        place = None if node is None else node.position
        if place is None:
            why = "there is no such node" if node is None else "it has no position"
            lost.append(f"WITHIN OF {quoted(within.node)}: {why}")
    return None if place is None else Near(place[0], place[1], within.radius_m)


def _since(picture: Picture, query: Query, asked: Asked) -> float | None:
    since = query.since
    if since is None or since.ts is not None:
        return None if since is None else since.ts
    own = asked.now is None or query.as_of is not None
    reference = picture.ts if own else asked.now
    return (asked.playback_ts if asked.playback_ts is not None else reference or 0.0) - (since.ago_s or 0.0)


def _node_tests(
    query: Query, since: float | None, on_nodes: list[Callable[[Node], bool]]
) -> list[Callable[[Any], bool]]:
    tests: list[Callable[[Any], bool]] = [node_test(query.where)] if query.where is not None else []
    if since is not None:
        tests.append(lambda node: node.updated_at >= since)
    return [*tests, *on_nodes]


def _edge_tests(
    picture: Picture, query: Query, since: float | None, member: Callable[[Node], bool] | None
) -> list[Callable[[Any], bool]]:
    tests: list[Callable[[Any], bool]] = [edge_test(query.where)] if query.where is not None else []
    if since is not None:
        tests.append(lambda edge: edge.timestamp >= since)
    if member is not None:
        nodes, enough = picture.nodes, any if query.any_member else all

        def members(edge: Edge) -> bool:
            return enough(member(nodes[node_id]) for node_id in edge.nodes)

        tests.append(members)
    return tests


def _near_test(circle: Near) -> Callable[[Node], bool]:
    lat, lon, radius_m = circle.lat, circle.lon, circle.radius_m

    def near(node: Node) -> bool:
        place = node.position
        return place is not None and apart_m(lat, lon, place[0], place[1]) <= radius_m

    return near


def _box_test(box: Box) -> Callable[[Node], bool]:
    return lambda node: node.position is not None and in_box(node.position[0], node.position[1], box)


def _band_test(low: float, high: float) -> Callable[[Node], bool]:
    return lambda node: node.frequency is not None and low <= node.frequency <= high


def _room_test(picture: Picture, room: str, rooms: Rooms | None) -> Callable[[Node], bool]:
    """In a room is who shares an edge of `ROOM_KINDS` with its node, who is said to be by `rooms`, or by its own
    `labels.rooms` or `metadata.rooms`; the room's node itself is not."""
    name = room.removeprefix(ROOM_PREFIX)
    itself = ROOM_PREFIX + name
    inside = {*(rooms or {}).get(name, ())}
    for edge_id in picture.memberships(itself):
        if picture.edges[edge_id].kind in ROOM_KINDS:
            inside.update(picture.members(edge_id))
    inside.discard(itself)

    def in_room(node: Node) -> bool:
        return (
            node.id in inside
            or _names(node.labels.get("rooms"), name)
            or _names(node.metadata.get("rooms"), name)
        )

    return in_room


def _names(value: Any, room: str) -> bool:
    return room in value if isinstance(value, list | tuple) else isinstance(value, str) and value == room
