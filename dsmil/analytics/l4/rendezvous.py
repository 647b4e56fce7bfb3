"""`ais.rendezvous`: two vessels that came from apart and lie together at sea.

Within 500 m, both below 2 kn, for 10 minutes, after having been more than a mile apart, both outside port.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from dsmil.analytics import nodes
from dsmil.analytics.detector import NOTHING, Found, Seen
from dsmil.analytics.l4.tracks import ANCHORED, STALE_S, Fix, Tracks, came_from_nm
from dsmil.analytics.sphere import haversine_nm, near_nm
from dsmil.analytics.window import Table
from dsmil.config.fusion import L4
from dsmil.events.ais import Position

NM_M = 1852.0
CROWD_NM = 1.0
CROWD_MIN = 3
"""With so many others lying still within a mile it is an anchorage, not a meeting at sea."""
NEIGHBOURS_MAX = 32


class Meeting(Struct):
    """A pair that came within the meeting distance. `far_nm` is the most they were apart before, `since` when they
    were first together (-1: they have parted), `refs` its first reports."""

    seen: float
    far_nm: float = 0.0
    since: float = -1.0
    last: float = -1.0
    told: bool = False
    refs: tuple[str, ...] = ()


class Rendezvous:
    """Follows the pairs that are close."""

    name = "ais.rendezvous"
    device = 27
    kinds = frozenset({"ais.position"})

    def __init__(self, settings: L4, tracks: Tracks) -> None:
        self._set = settings
        self._tracks = tracks
        self.reset()

    def reset(self) -> None:
        """Forget all pairs."""
        self._pairs: Table[tuple[int, int], Meeting] = Table(
            tuple[int, int], Meeting, count_max=self._set.pairs_max, idle_s=self._set.idle_s
        )

    def dump(self) -> bytes:
        """All pairs."""
        return self._pairs.dump()

    def restore(self, data: bytes) -> None:
        """Take over the pairs of `dump`."""
        self._pairs.restore(data)

    def observe(self, seen: Seen) -> Iterable[Found]:
        """Compare a vessel that is nearly stopped with those that lie close to it."""
        at: Position = seen.payload
        if not seen.timed or at.lat is None or at.sog_kn is None or at.sog_kn >= self._set.meet_kn:
            return NOTHING
        fix = self._tracks.fix(at.mmsi)
        if fix is None or fix.ts != seen.event.ts or fix.nav_status in ANCHORED:
            return NOTHING
        out: list[Found] = []
        meet_nm, looked = self._set.meet_m / NM_M, 0
        for other, their in self._tracks.near(fix.lat, fix.lon, meet_nm, slower_kn=self._set.meet_kn):
            if other == at.mmsi or fix.ts - their.ts > STALE_S or their.nav_status in ANCHORED:
                continue
            looked += 1
            if looked > NEIGHBOURS_MAX:
                break
            found = self._together((at.mmsi, fix), (other, their), seen)
            if found is not None:
                out.append(found)
        return out

    def _together(self, one: tuple[int, Fix], two: tuple[int, Fix], seen: Seen) -> Found | None:
        (mmsi, fix), (other, their) = one, two
        key = (min(mmsi, other), max(mmsi, other))
        pair = self._pairs.touch(key, seen.event.ingest_ts)
        if pair is None:
            pair = Meeting(seen.event.ingest_ts)
            self._pairs.put(key, pair)
        if pair.since < 0 or fix.ts - pair.last > STALE_S:
            # Together for the first time, or again after they were apart or silent.
            pair.far_nm = came_from_nm(fix, their)
            pair.since, pair.told, pair.refs = fix.ts, False, (fix.event_id, their.event_id)
        pair.last = fix.ts
        if pair.told or pair.far_nm < self._set.apart_nm or fix.ts - pair.since < self._set.meet_s:
            return None
        if self._in_port(fix) or self._in_port(their) or self._crowded(fix, key):
            return None
        pair.told = True
        return self._found(key, (fix, their), pair)

    def _found(self, key: tuple[int, int], fixes: tuple[Fix, Fix], pair: Meeting) -> Found:
        fix, their = fixes
        metres = haversine_nm(fix.lat, fix.lon, their.lat, their.lon) * NM_M
        minutes = (fix.ts - pair.since) / 60.0
        return Found(
            decision="ais.rendezvous",
            score=min(0.95, 0.7 + 0.25 * (1.0 - metres / self._set.meet_m)),
            entities=(nodes.vessel(key[0]), nodes.vessel(key[1])),
            explanation=f"Vessels {key[0]} and {key[1]} have lain within {metres:.0f} m of each other for "
            f"{minutes:.0f} min at {fix.sog_kn:.1f} and {their.sog_kn:.1f} kn, outside port, after being "
            f"{pair.far_nm:.1f} nm apart.",
            refs=tuple(dict.fromkeys((*pair.refs, fix.event_id, their.event_id))),
            ts=fix.ts,
            since_ts=pair.since,
            features={
                "distance_m": round(metres, 0), "together_s": round(fix.ts - pair.since, 0),
                "before_nm": round(pair.far_nm, 2), "lat": fix.lat, "lon": fix.lon,
            },
        )  # fmt: skip

    def _in_port(self, fix: Fix) -> bool:
        return any(near_nm(fix.lat, fix.lon, lat, lon) <= radius for lat, lon, radius in self._set.ports)

    def _crowded(self, fix: Fix, pair: tuple[int, int]) -> bool:
        lying = self._tracks.near(fix.lat, fix.lon, CROWD_NM, slower_kn=self._set.meet_kn)
        return sum(mmsi not in pair for mmsi, _ in lying) >= CROWD_MIN
