"""The graph on a map: GeoJSON (RFC 7946), longitude before latitude.

A node with a position is a point; one without is left out and counted in `dsmil.unlocated`. An edge between two
places is a line, cut in two where it crosses the antimeridian (3.1.9; property `antimeridian`); one of more places is
a MultiPoint, because no line is known to run between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dsmil.graph.entity import Edge, Facts, Node, Place
from dsmil.graph.export.chosen import Chosen
from dsmil.graph.export.text import to_json

HALF_TURN = 180.0


def write(chosen: Chosen) -> Iterator[bytes]:
    """One FeatureCollection; `dsmil` in it says which moment it shows."""
    places: dict[str, Place | None] = {name: node.position for name, node in chosen.others.items()}
    places |= {node.id: node.position for node in chosen.nodes}
    yield b'{"type":"FeatureCollection","features":['
    between, unlocated = b"\n", 0
    for feature in _features(chosen, places):
        if feature is None:
            unlocated += 1
            continue
        yield between + to_json(feature)
        between = b",\n"
    moment = {"sequence": chosen.sequence, "epoch": chosen.epoch, "ts": chosen.ts, "unlocated": unlocated}
    yield b'\n],"dsmil":%b}\n' % to_json(moment)


def _features(chosen: Chosen, places: dict[str, Place | None]) -> Iterator[Facts | None]:
    for node in chosen.nodes:
        yield None if node.position is None else _point(node, node.position)
    for edge in chosen.edges:
        yield _link(edge, [place for member in dict.fromkeys(edge.nodes) if (place := places.get(member))])


def _point(node: Node, place: Place) -> Facts:
    told = {key: value for key, value in node.to_dict().items() if key != "position"}
    return _feature(told, {"type": "Point", "coordinates": _lon_lat(place)}, "node")


def _link(edge: Edge, places: list[Place]) -> Facts | None:
    if len(places) < 2:
        return None
    told = edge.to_dict()
    if len(places) > 2:
        return _feature(
            told, {"type": "MultiPoint", "coordinates": [_lon_lat(place) for place in places]}, "edge"
        )
    start, end = places
    if abs(start[1] - end[1]) <= HALF_TURN:
        return _feature(told, {"type": "LineString", "coordinates": [_lon_lat(start), _lon_lat(end)]}, "edge")
    cut = {"type": "MultiLineString", "coordinates": _cut(start, end)}
    return _feature(told | {"antimeridian": True}, cut, "edge")


def _cut(start: Place, end: Place) -> list[list[list[float]]]:
    """The line from `start` to `end` the short way round, as two that end where it crosses 180 degrees."""
    side = HALF_TURN if start[1] > 0 else -HALF_TURN
    run = end[1] + 2 * side - start[1]
    share = (side - start[1]) / run if run else 0.0
    lat = start[0] + share * (end[0] - start[0])
    return [[_lon_lat(start), [side, lat]], [[-side, lat], _lon_lat(end)]]


def _lon_lat(place: Place) -> list[float]:
    return [place[1], place[0], *place[2:]]


def _feature(told: Facts, geometry: dict[str, Any], type_: str) -> Facts:
    return {"type": "Feature", "id": told["id"], "geometry": geometry, "properties": {"type": type_} | told}
