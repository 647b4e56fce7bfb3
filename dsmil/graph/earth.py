"""Distances on the mean sphere, for one pair of places or for arrays of unit vectors.

Great-circle distance by the haversine formula with the IUGG mean radius R1; right across poles and antimeridian,
where planar degrees are wrong.
"""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt
from typing import Any

RADIUS_M = 6_371_008.8
"""Mean radius R1 of the Earth (IUGG), in metres."""
HALF_ROUND_M = 20_015_114.5
"""From pole to pole: everything lies within this distance of everything."""


def apart_m(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Metres between two places given in degrees."""
    phi1, phi2 = radians(lat1), radians(lat2)
    half = sin((phi2 - phi1) / 2) ** 2 + cos(phi1) * cos(phi2) * sin(radians(lon2 - lon1) / 2) ** 2
    return 2 * RADIUS_M * asin(min(1.0, sqrt(half)))


def chord(metres: float) -> float:
    """The straight line, on a sphere of radius 1, that spans `metres` along its surface."""
    return 2 * sin(min(metres, HALF_ROUND_M) / (2 * RADIUS_M))


def unit_vectors(lat_lon: Any) -> Any:
    """Degrees of shape (n, 2) as unit vectors of shape (n, 3), float64."""
    import numpy as np  # noqa: PLC0415 - only who asks for places pays for it

    angles = np.radians(lat_lon)
    lat, lon = angles[:, 0], angles[:, 1]
    flat = np.cos(lat)
    return np.column_stack((flat * np.cos(lon), flat * np.sin(lon), np.sin(lat)))


def in_box(lat: float, lon: float, box: tuple[float, float, float, float]) -> bool:
    """Whether a place lies in [lat1, lon1, lat2, lon2], bounds included; lon1 > lon2 crosses the antimeridian."""
    lat1, lon1, lat2, lon2 = box
    if not min(lat1, lat2) <= lat <= max(lat1, lat2):
        return False
    return lon1 <= lon <= lon2 if lon1 <= lon2 else lon >= lon1 or lon <= lon2
