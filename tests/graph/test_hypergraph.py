"""Indices, counters and places of the live graph answer as a look at every entity would, after any history."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsmil.events.graph import NODE_DELETE, NODE_UPDATE, Patch
from dsmil.graph.bands import bucket_of
from dsmil.graph.counters import Leaders
from dsmil.graph.earth import apart_m, in_box
from dsmil.graph.fold import apply
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.picture import TooOld
from tests.graph.test_fold import Step, folded
from tests.graph.worlds import HISTORIES


def reads_as(found: object, wanted: object) -> bool:
    """How the query language compares a label with a literal."""
    if isinstance(found, list):
        return any(reads_as(one, wanted) for one in found)
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    if isinstance(found, str) and isinstance(wanted, float):
        try:
            return float(found) == wanted
        except ValueError:
            return False
    return found == wanted


@given(HISTORIES)
@settings(max_examples=200, deadline=None)
def test_row_20_indices_equal_a_full_scan(steps: list[Step]) -> None:
    graph = folded(steps)
    for kind in ("vessel", "host", "entity", "none"):
        assert set(graph.nodes_of_kind(kind)) == {one.id for one in graph.nodes.values() if one.kind == kind}
        assert set(graph.edges_of_kind(kind)) == {one.id for one in graph.edges.values() if one.kind == kind}
    for key in ("name", "port", "service"):
        for value in ("a", "443", 443.0, 1000.0, 7.0, True, False):
            wanted = {one.id for one in graph.nodes.values() if reads_as(one.labels.get(key), value)}
            assert wanted <= set(graph.nodes_with_label(key, value))
            if not isinstance(value, float):
                assert wanted == set(graph.nodes_with_label(key, value))
            edges = {one.id for one in graph.edges.values() if reads_as(one.labels.get(key), value)}
            assert edges <= set(graph.edges_with_label(key, value))
    for ts in (0.0, 250.0, 300.0, 301.0, 9_000.0):
        assert {one.id for one in graph.nodes.values() if one.updated_at >= ts} <= set(graph.nodes_since(ts))
        assert {one.id for one in graph.edges.values() if one.timestamp >= ts} <= set(graph.edges_since(ts))


@given(HISTORIES)
@settings(max_examples=150, deadline=None)
def test_row_23_counters_equal_a_recount(steps: list[Step]) -> None:
    graph = folded(steps)
    kinds: dict[str, int] = {}
    for node in graph.nodes.values():
        kinds[node.kind] = kinds.get(node.kind, 0) + 1
    assert graph.counters.node_kinds == dict(sorted(kinds.items()))
    degrees = {one: sum(one in edge.nodes for edge in graph.edges.values()) for one in graph.nodes}
    assert {one: graph.degree(one) for one in graph.nodes} == degrees
    assert graph.counters.degrees() == dict(sorted(Counter(filter(None, degrees.values())).items()))
    ranked = sorted(((-degree, one) for one, degree in degrees.items() if degree))
    assert graph.counters.top_central(3) == [(one, -degree) for degree, one in ranked[:3]]
    for (key, value), count in graph.counters.labels.items():
        if isinstance(value, str) and not value.startswith("\0"):
            assert count == sum(reads_as(one.labels.get(key), value) for one in graph.nodes.values())


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=200), st.integers(1, 9))
@settings(max_examples=150, deadline=None)
def test_the_most_connected_are_known_however_few_are_watched(
    changes: list[tuple[int, bool]], count: int
) -> None:
    joined: dict[str, tuple[str, ...]] = {}
    leaders = Leaders(joined, most=4)
    for number, more in changes:
        name = f"n{number}"
        held = joined.get(name, ())
        if more:
            joined[name] = (*held, "e")
            leaders.gained(name, len(held) + 1)
        elif held:
            joined[name] = held[1:]
            leaders.lost(name, len(held) - 1)
            if len(held) == 1:
                del joined[name]
        assert leaders.degrees == Counter(map(len, joined.values()))
        ranked = sorted((-len(held), one) for one, held in joined.items())[:count]
        assert leaders.top(count) == [(one, -degree) for degree, one in ranked]


@given(HISTORIES, st.floats(0, 2500), st.floats(0, 50))
@settings(max_examples=150, deadline=None)
def test_row_22_a_band_is_exact_at_its_edges(steps: list[Step], low: float, width: float) -> None:
    graph = folded(steps)
    for first, last in ((low, low + width), (430.0, 440.0), (433.92, 433.92), (440.0, 2400.0), (0.0, 0.0)):
        scan = {
            one.id for one in graph.nodes.values() if one.frequency is not None and first <= one.frequency <= last
        }
        assert set(graph.nodes_in_band(first, last)) == scan
    assert (bucket_of(439.999), bucket_of(440.0), bucket_of(0.0)) == (430, 440, 0)


def scattered(rng: random.Random, count: int) -> list[tuple[float, float]]:
    corners = [(0.0, 0.0), (90.0, 0.0), (-90.0, 77.0), (0.0, 180.0), (0.0, -180.0), (89.9999, -179.9999)]
    near = [(rng.gauss(lat, 0.5), rng.gauss(lon, 0.5)) for lat, lon in corners for _ in range(20)]
    wide = [(rng.uniform(-90, 90), rng.uniform(-180, 180)) for _ in range(count)]
    return corners + [(max(-90.0, min(90.0, a)), (b + 180) % 360 - 180) for a, b in near + wide]


@pytest.mark.parametrize("moves", [0, 1, 200, 1500])
def test_row_21_a_radius_equals_brute_force(moves: int) -> None:
    """At the poles, over the antimeridian and at (0, 0); before and after nodes move, go and come back."""
    rng = random.Random(moves)
    graph = Hypergraph()

    def put(node_id: str, place: tuple[float, float] | None) -> None:
        apply(graph, graph.sequence + 1, NODE_UPDATE, Patch(id=node_id, position=place), ts=0.0, ingest_ts=0.0)

    places = scattered(rng, 3000)
    for number, place in enumerate(places):
        put(f"n{number}", place)
    assert graph.nodes_near(0.0, 0.0, 1.0)
    for _ in range(moves):
        number = rng.randrange(len(places))
        what = rng.randrange(10)
        if what == 0:
            put(f"n{number}", None)
        elif what == 1:
            apply(graph, graph.sequence + 1, NODE_DELETE, Patch(id=f"n{number}"), ts=0.0, ingest_ts=0.0)
        else:
            put(f"n{number}", rng.choice(places))
    held = {one.id: one.position for one in graph.nodes.values() if one.position is not None}
    assert len(graph.places) == len(held)
    for lat, lon in [*places[:6], *rng.sample(places, 20)]:
        for radius_m in (0.0, 1_000.0, 50_000.0, 2_000_000.0, 20_100_000.0):
            scan = {one for one, at in held.items() if apart_m(lat, lon, at[0], at[1]) <= radius_m}
            found = set(graph.nodes_near(lat, lon, radius_m))
            assert scan <= found
            assert all(apart_m(lat, lon, held[one][0], held[one][1]) <= radius_m + 0.1 for one in found)
    for box in (
        (-1.0, 170.0, 1.0, -170.0),
        (80.0, -180.0, 90.0, 180.0),
        (0.0, 0.0, 0.0, 0.0),
        (1.0, -1.0, -1.0, 1.0),
    ):
        assert set(graph.nodes_in_box(box)) == {one for one, at in held.items() if in_box(at[0], at[1], box)}


def test_distances_are_those_of_the_sphere() -> None:
    assert apart_m(0, 0, 0, 180) == pytest.approx(math.pi * 6_371_008.8)
    assert apart_m(90, 0, 90, 123) == pytest.approx(0.0, abs=1e-6)
    assert apart_m(0, 179.5, 0, -179.5) == pytest.approx(111_195.0, abs=1)


def test_before_the_earliest_kept_moment_is_a_clear_error() -> None:
    graph = Hypergraph(undo_max=3)
    for number in range(1, 8):
        apply(graph, number, NODE_UPDATE, Patch(id=f"n{number}"), ts=0.0, ingest_ts=10.0 * number)
    assert len(graph.as_of(4).nodes) == 4
    with pytest.raises(TooOld, match="before the earliest kept moment, 4"):
        graph.as_of(3)
    assert graph.sequence_at(65.0) == 6
    assert graph.sequence_at(49.9) == 4
    with pytest.raises(TooOld):
        graph.sequence_at(39.9)
    assert graph.touched(5, 6) == ({"n6"}, set())


def test_before_anything_came_in_there_was_nothing() -> None:
    graph = Hypergraph()
    apply(graph, 1, NODE_UPDATE, Patch(id="a"), ts=0.0, ingest_ts=10.0)
    assert graph.sequence_at(5.0) == 0
    assert not graph.as_of(0).nodes
