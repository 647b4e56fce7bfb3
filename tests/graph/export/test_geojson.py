"""GeoJSON is longitude first, holds what has a place, and cuts lines at the antimeridian (RFC 7946)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dsmil.graph.export import export
from dsmil.graph.hypergraph import Hypergraph
from tests.graph.export.filling import Filling


def document(graph: Hypergraph) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(b"".join(export("geojson", graph)))
    return found


def features(graph: Hypergraph) -> dict[str, Any]:
    return {feature["id"]: feature for feature in document(graph)["features"]}


def valid(feature: dict[str, Any]) -> None:
    """What RFC 7946 asks of a feature of ours."""
    assert feature["type"] == "Feature" and isinstance(feature["properties"], dict)
    kind, coordinates = feature["geometry"]["type"], feature["geometry"]["coordinates"]
    points = {"Point": [coordinates], "LineString": coordinates, "MultiPoint": coordinates}.get(kind)
    if points is None:
        assert kind == "MultiLineString"
        points = [point for line in coordinates for point in line]
        assert all(len(line) >= 2 for line in coordinates)
    assert kind != "LineString" or len(points) >= 2
    for point in points:
        assert 2 <= len(point) <= 3 and -180 <= point[0] <= 180 and -90 <= point[1] <= 90


def test_the_document_is_valid_and_says_its_moment(graph: Hypergraph) -> None:
    found = document(graph)
    assert found["type"] == "FeatureCollection"
    for feature in found["features"]:
        valid(feature)
    assert found["dsmil"] == {"sequence": graph.sequence, "epoch": "e1", "ts": graph.ts, "unlocated": 9}


def test_points_are_longitude_first_with_altitude_last(graph: Hypergraph) -> None:
    found = features(graph)
    assert found["vessel:1"]["geometry"] == {"type": "Point", "coordinates": [179.75, 52.0]}
    assert found["vessel:2"]["geometry"]["coordinates"] == [-179.75, 53.0, 3.0]
    assert found["rf:abc"]["geometry"]["coordinates"] == [0.0, 0.0], "a place like any other"
    told = found["vessel:1"]["properties"]
    assert told["type"] == "node" and told["kind"] == "vessel" and "position" not in told
    assert told["metadata"]["provenance"][0]["count"] == 7
    assert "host:ip:192.0.2.1" not in found


def test_an_edge_of_two_places_is_a_line_and_of_more_a_multipoint(graph: Hypergraph, filling: Filling) -> None:
    filling.edge("he:near:1", "rf:abc", "vessel:2", "host:ip:192.0.2.1", kind="near")
    found = features(graph)
    assert found["he:near:1"]["geometry"] == {
        "type": "LineString",
        "coordinates": [[0.0, 0.0], [-179.75, 53.0, 3.0]],
    }
    assert found["he:heard:1"]["geometry"]["type"] == "MultiPoint"
    assert "flow:1" not in found and found["he:heard:1"]["properties"]["nodes"][0] == "rf:abc"


def test_a_line_over_the_antimeridian_is_cut_there(graph: Hypergraph) -> None:
    cut = features(graph)["he:encounter:1"]
    assert cut["properties"]["antimeridian"] is True
    assert cut["geometry"]["type"] == "MultiLineString"
    assert cut["geometry"]["coordinates"] == [
        [[179.75, 52.0], [180.0, 52.5]],
        [[-180.0, 52.5], [-179.75, 53.0, 3.0]],
    ]


@pytest.mark.parametrize(("west", "east"), [(-170.0, 170.0), (-180.0, 179.0), (-179.0, 180.0)])
def test_the_cut_ends_at_180_degrees_from_either_side(west: float, east: float, filling: Filling) -> None:
    filling.node("a", position=(10.0, west))
    filling.node("b", position=(20.0, east))
    filling.edge("e", "a", "b")
    feature = features(filling.graph)["e"]
    valid(feature)
    (start, left), (right, end) = feature["geometry"]["coordinates"]
    assert (left[0], right[0]) == (-180.0, 180.0) and left[1] == right[1] and 10 <= left[1] <= 20
    assert start == [west, 10.0] and end == [east, 20.0]


def test_an_edge_exported_without_its_members_still_knows_their_places(graph: Hypergraph) -> None:
    pieces = export("geojson", graph, nodes=[], edges=[graph.edges["he:encounter:1"]])
    (feature,) = json.loads(b"".join(pieces))["features"]
    assert feature["geometry"]["type"] == "MultiLineString"
