"""Distances are right where known, and the antimeridian is no distance."""

from __future__ import annotations

import math
import random

import pytest

from dsmil.analytics.sphere import ahead, course_deg, haversine_nm, lon_apart_deg, near_nm


def test_known_distances() -> None:
    assert haversine_nm(0, 0, 1, 0) == pytest.approx(60.04, abs=0.02)
    assert haversine_nm(51.5, 0.0, 40.7, -74.0) == pytest.approx(3008, abs=10)  # London - New York
    assert haversine_nm(0, 0, 0, 180) == pytest.approx(math.pi * 6371.0088 / 1.852, rel=1e-6)


def test_the_antimeridian_is_no_distance() -> None:
    assert haversine_nm(0, 179.99, 0, -179.99) == pytest.approx(1.2, abs=0.01)
    assert near_nm(0, 179.99, 0, -179.99) == pytest.approx(1.2, abs=0.01)
    assert lon_apart_deg(179.0, -179.0) == pytest.approx(2.0)


def test_the_flat_sheet_agrees_nearby() -> None:
    chance = random.Random(1)
    for _ in range(500):
        lat, lon = chance.uniform(-70, 70), chance.uniform(-180, 180)
        lat2, lon2 = ahead(lat, lon, chance.uniform(0, 360), chance.uniform(0.01, 60))
        exact = haversine_nm(lat, lon, lat2, lon2)
        assert near_nm(lat, lon, lat2, lon2) == pytest.approx(exact, rel=0.02, abs=0.01)


def test_course_leads_where_ahead_goes() -> None:
    for course in (0.0, 45.0, 90.0, 180.0, 271.0):
        lat, lon = ahead(54.0, 10.0, course, 5.0)
        assert course_deg(54.0, 10.0, lat, lon) == pytest.approx(course, abs=0.2)
        assert haversine_nm(54.0, 10.0, lat, lon) == pytest.approx(5.0, rel=0.01)
