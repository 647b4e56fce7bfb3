"""Distances and courses on the globe.

Two ways to measure: `haversine_nm` is exact enough to print, `near_nm` cheap enough to ask of every report.
"""

from __future__ import annotations

from math import asin, atan2, cos, degrees, radians, sin, sqrt

EARTH_RADIUS_NM = 6371.0088 / 1.852
"""Mean radius (IUGG) in nautical miles."""
COS_MIN = 0.01
"""Keeps a degree of longitude finite within 0.6 degrees of a pole."""


def haversine_nm(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Great-circle distance in nautical miles (haversine formula); degrees in, any longitude convention."""
    phi1, phi2 = radians(lat1), radians(lat2)
    half_lat, half_lon = (phi2 - phi1) / 2, radians(lon2 - lon1) / 2
    chord = sin(half_lat) ** 2 + cos(phi1) * cos(phi2) * sin(half_lon) ** 2
    return 2 * EARTH_RADIUS_NM * asin(min(1.0, sqrt(chord)))


def lon_apart_deg(lon1: float, lon2: float) -> float:
    """From `lon1` to `lon2` the short way round, -180..180 degrees: the antimeridian is no distance."""
    return (lon2 - lon1 + 540.0) % 360.0 - 180.0


def near_nm(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Distance in nautical miles on a flat sheet at the mean latitude: within 1 % up to 100 nm below 70 degrees;
    too long rather than too short beyond. Short enough ones are right, which is what a limit needs."""
    east = ((lon2 - lon1 + 540.0) % 360.0 - 180.0) * max(COS_MIN, cos(radians((lat1 + lat2) / 2)))
    north = lat2 - lat1
    return 60.0 * sqrt(east * east + north * north)


def course_deg(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Initial great-circle course from the first point to the second, 0..360 degrees from true north."""
    phi1, phi2, apart = radians(lat1), radians(lat2), radians(lon2 - lon1)
    east = sin(apart) * cos(phi2)
    north = cos(phi1) * sin(phi2) - sin(phi1) * cos(phi2) * cos(apart)
    return degrees(atan2(east, north)) % 360.0


def ahead(lat: float, lon: float, course: float, distance_nm: float) -> tuple[float, float]:
    """Where `distance_nm` along a course (degrees) leads, on a flat sheet; right for a few tens of miles."""
    bearing = radians(course)
    north = distance_nm * cos(bearing) / 60.0
    east = distance_nm * sin(bearing) / 60.0 / max(COS_MIN, cos(radians(lat)))
    return max(-90.0, min(90.0, lat + north)), lon_apart_deg(0.0, lon + east)
