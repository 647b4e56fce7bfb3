"""Queries answered as plainly as it can be written: each entity in its JSON form, each condition in turn."""

from __future__ import annotations

from typing import Any

from dsmil.graph.earth import apart_m, in_box
from dsmil.graph.entity import Edge, Node
from dsmil.graph.picture import Picture
from dsmil.query import Query
from dsmil.query.predicate import compile_tree, values_of


def fitting(picture: Picture, query: Query, now: float) -> list[Any]:
    """All that fit, before order and LIMIT, by id; a name that is not there fits nothing."""
    entities = picture.edges if query.find == "edges" else picture.nodes
    reached = _reached(picture, query)
    return [
        entities[one] for one in sorted(entities) if one in reached and _fits(picture, query, entities[one], now)
    ]


def subgraph(picture: Picture, query: Query, found: list[Any]) -> tuple[set[str], set[str]]:
    """Ids of the nodes and edges of the subgraph of what was found."""
    ids = {one.id for one in found}
    if query.find == "edges":
        return {member for edge in found for member in edge.nodes}, ids
    if query.find == "neighbors" and query.of in picture.nodes:
        ids.add(query.of)
    enough = any if query.any_member else all
    edges = {key for key in picture.edges if enough(member in ids for member in picture.edges[key].nodes)}
    return ids | {member for key in edges for member in picture.edges[key].nodes}, edges


def names_are_there(picture: Picture, query: Query) -> bool:
    centres = [within.node for within in query.within if within.node is not None]
    placed = all(one in picture.nodes and picture.nodes[one].position is not None for one in centres)
    return placed and (query.of is None or query.of in picture.nodes)


def _fits(picture: Picture, query: Query, one: Node | Edge, now: float) -> bool:
    if not names_are_there(picture, query):
        return False
    if query.where is not None and not compile_tree(query.where)(one.to_dict()):
        return False
    if query.since is not None:
        since = now - (query.since.ago_s or 0.0) if query.since.ts is None else query.since.ts
        if (one.timestamp if isinstance(one, Edge) else one.updated_at) < since:
            return False
    if isinstance(one, Node):
        return _placed(picture, query, one)
    enough = any if query.any_member else all
    return enough(_placed(picture, query, picture.nodes[member]) for member in one.nodes)


def _placed(picture: Picture, query: Query, node: Node) -> bool:
    place = node.position
    for within in query.within:
        centre = within.place if within.node is None else picture.nodes[within.node].position
        if place is None or apart_m(centre[0], centre[1], place[0], place[1]) > within.radius_m:
            return False
    for box in query.boxes:
        if place is None or not in_box(place[0], place[1], (box.lat1, box.lon1, box.lat2, box.lon2)):
            return False
    for band in query.bands:
        if node.frequency is None or not band.low <= node.frequency <= band.high:
            return False
    return all(_in_room(picture, room.removeprefix("room:"), node) for room in query.rooms)


def _in_room(picture: Picture, room: str, node: Node) -> bool:
    told = [node.labels.get("rooms"), node.metadata.get("rooms")]
    if any(room == value or (isinstance(value, list) and room in value) for value in told):
        return True
    return node.id != f"room:{room}" and any(
        edge.kind in ("room_membership", "room_entity") and {node.id, f"room:{room}"} <= set(edge.nodes)
        for edge in picture.edges.values()
    )


def _reached(picture: Picture, query: Query) -> set[str]:
    if query.of is None:
        return {*picture.nodes, *picture.edges}
    nodes, edges = {query.of} & set(picture.nodes), set()
    for _ in range(query.depth):
        joined = {key for key in picture.edges if nodes & set(picture.edges[key].nodes)}
        edges |= joined
        nodes |= {member for key in joined for member in picture.edges[key].nodes}
    return edges if query.find == "edges" else nodes - ({query.of} if query.find == "neighbors" else set())


def ordered(found: list[Any], query: Query) -> list[Any]:
    """In the query's order and within its LIMIT: numbers before texts, those without a value last, then by id."""
    if query.order_by is not None:
        key = query.order_by
        have = [one for one in found if _first(one, key) is not None]
        numbers = [one for one in have if not isinstance(_first(one, key), str)]
        texts = [one for one in have if isinstance(_first(one, key), str)]
        for some in (numbers, texts):
            some.sort(key=lambda one: _first(one, key), reverse=query.descending)
        both = texts + numbers if query.descending else numbers + texts
        found = both + [one for one in found if _first(one, key) is None]
    return found[: query.limit]


def _first(one: Any, key: str) -> Any:
    value = next(values_of(one.to_dict(), key), None)
    if key.endswith("severity") and isinstance(value, str):
        return {"LOW": 0, "MEDIUM": 1, "HIGH": 2, "CRITICAL": 3}.get(value, value)
    return value if isinstance(value, str | int | float) else None
