"""Tracks of one MMSI number: where it was last, how it moves, and what a late receiver makes of it.

A report that is minutes late lies on the ship's own course, ahead or astern: it is no jump and no second ship.
"""

from __future__ import annotations

from msgspec import Struct

from dsmil.analytics.detector import Seen
from dsmil.analytics.mid import station_of
from dsmil.analytics.sphere import course_deg, near_nm

LATE_MAX_S = 600.0
"""How late a receiver's report may be and still be taken for the same ship."""
LATE_CONE_DEG = 30.0
"""A late report lies on the ship's own course, ahead or astern, give or take this."""
SAR_AIRCRAFT_TYPE = 9
NULL_ISLAND_DEG = 1e-4
"""A receiver without a fix reports 0, 0."""
SMOOTH = 0.2
"""Weight of the newest interval in a track's reporting interval."""


class Track(Struct, gc=False):
    """One place a number reports from; `every` is its reporting interval in seconds, `returns` how often it was
    heard again after another place was."""

    number: int
    lat: float
    lon: float
    ts: float
    sog: float
    cog: float
    event_id: str
    every: float = 0.0
    count: int = 1
    returns: int = 0


class Held(Struct, gc=False):
    """A jump not yet told: from the track `old` to the track `new`."""

    old: int
    new: int
    lat: float
    lon: float
    to_lat: float
    to_lon: float
    since_ts: float
    ts: float
    refs: tuple[str, str]
    late: bool


def begin(number: int, seen: Seen) -> Track:
    at, event = seen.payload, seen.event
    return Track(number, at.lat, at.lon, event.ts, at.sog_kn or 0.0, _course(at.cog_deg), event.event_id)


def extend(track: Track, seen: Seen, elapsed: float) -> None:
    at, event = seen.payload, seen.event
    if elapsed >= 1.0:  # sooner is the same report by another receiver
        track.every = track.every + SMOOTH * (elapsed - track.every) if track.every else elapsed
    track.lat, track.lon, track.ts = at.lat, at.lon, event.ts
    track.sog, track.cog = at.sog_kn or 0.0, _course(at.cog_deg)
    track.event_id = event.event_id
    track.count += 1


def a_ship(mmsi: int) -> bool:
    return station_of(mmsi) in ("ship", "craft")


def _course(cog_deg: float | None) -> float:
    return -1.0 if cog_deg is None else cog_deg


def no_fix(lat: float, lon: float) -> bool:
    return abs(lat) < NULL_ISLAND_DEG and abs(lon) < NULL_ISLAND_DEG


def _late_nm(one: Track, two: Track) -> float:
    """How far apart one ship may seem by reports up to `LATE_MAX_S` late."""
    return max(one.sog, two.sog) * LATE_MAX_S / 3600.0 + 0.3


def late_copy(one: Track, two: Track) -> bool:
    """Whether two tracks may be one ship, told at once and told late."""
    return near_nm(one.lat, one.lon, two.lat, two.lon) <= _late_nm(one, two)


def astern_or_ahead(old: Track, new: Track) -> bool:
    """Whether a new place is where the ship was, or would be, a few minutes away on its own course."""
    course = old.cog if old.cog >= 0 else new.cog
    if course < 0 or not late_copy(old, new):
        return False
    off = abs((course_deg(old.lat, old.lon, new.lat, new.lon) - course + 180.0) % 360.0 - 180.0)
    return min(off, 180.0 - off) <= LATE_CONE_DEG
