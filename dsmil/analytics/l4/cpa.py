"""`ais.cpa`: two vessels under way whose courses lead closer than half a mile within twenty minutes.

Closest point of approach of two straight courses: with the relative position p and velocity v, it is reached at
t = -p.v / v.v and is |p + t v| (the usual plotting method of radar navigation).
"""

from __future__ import annotations

from collections.abc import Iterable
from math import cos, hypot, radians, sin

from msgspec import Struct

from dsmil.analytics import nodes
from dsmil.analytics.detector import NOTHING, Found, Seen
from dsmil.analytics.l4.tracks import ANCHORED, Fix, Tracks
from dsmil.analytics.sphere import COS_MIN, lon_apart_deg
from dsmil.analytics.window import Table
from dsmil.config.fusion import L4
from dsmil.events.ais import Position

STEADY_S = 60.0
"""Course and speed must have been the same so long before anything is predicted from them."""
REPORTS_MIN = 3
CHECK_EVERY_S = 20.0
"""A vessel is looked at again after this: at 20 kn it has gone a tenth of a mile."""
FRESH_S = 180.0
"""How old the other vessel's position may be."""
NEIGHBOURS_MAX = 64
"""Pairs looked at for one report: in denser traffic courses are not steady."""
REARM_NM = 1.0
"""A pair is told again only after its predicted distance was above this, or its meeting is over."""
SPEED_MAX_KN = 60.0


class Pair(Struct):
    """A pair that was told; `tcpa_ts` is when it should be closest."""

    seen: float
    tcpa_ts: float


class Look(Struct):
    """When a vessel was last looked at (event time)."""

    seen: float
    ts: float


class ClosestApproach:
    """Predicts from the newest report of each vessel against its neighbours."""

    name = "ais.cpa"
    device = 27
    kinds = frozenset({"ais.position"})

    def __init__(self, settings: L4, tracks: Tracks) -> None:
        self._set = settings
        self._tracks = tracks
        self.reset()

    def reset(self) -> None:
        """Forget what was told."""
        self._told: Table[tuple[int, int], Pair] = Table(
            tuple[int, int], Pair, count_max=self._set.pairs_max, idle_s=self._set.idle_s
        )
        self._looked: Table[int, Look] = Table(
            int, Look, count_max=self._set.entities_max, idle_s=self._set.idle_s
        )

    def dump(self) -> bytes:
        """What was told."""
        return _join(self._told.dump(), self._looked.dump())

    def restore(self, data: bytes) -> None:
        """Take over what `dump` gave."""
        told, looked = _split(data)
        self._told.restore(told)
        self._looked.restore(looked)

    def observe(self, seen: Seen) -> Iterable[Found]:
        """Look around a vessel that holds its course."""
        at: Position = seen.payload
        if not seen.timed or at.lat is None:
            return NOTHING
        event = seen.event
        fix = self._tracks.fix(at.mmsi)
        if fix is None or fix.ts != event.ts or not self._steady(fix, event.ts):
            return NOTHING
        look = self._looked.touch(at.mmsi, event.ingest_ts)
        if look is None:
            self._looked.put(at.mmsi, Look(event.ingest_ts, event.ts))
        elif event.ts - look.ts < CHECK_EVERY_S and event.ts >= look.ts:
            return NOTHING
        else:
            look.ts = event.ts
        return self._around(at.mmsi, fix, seen)

    def _around(self, mmsi: int, fix: Fix, seen: Seen) -> list[Found]:
        out: list[Found] = []
        # The other may be twice as fast as this one and come the whole way.
        reach = (fix.sog_kn + max(fix.sog_kn, 15.0)) * self._set.cpa_within_s / 3600.0 + self._set.cpa_nm
        looked = 0
        for other, their in self._tracks.near(
            fix.lat, fix.lon, min(20.0, reach), faster_kn=self._set.under_way_kn
        ):
            if other == mmsi or abs(fix.ts - their.ts) > FRESH_S or not self._steady(their, fix.ts):
                continue
            looked += 1
            if looked > NEIGHBOURS_MAX:
                break
            found = self._pair((mmsi, fix), (other, their), seen)
            if found is not None:
                out.append(found)
        return out

    def _steady(self, fix: Fix, now: float) -> bool:
        return (
            self._set.under_way_kn < fix.sog_kn < SPEED_MAX_KN
            and fix.cog_deg >= 0
            and fix.reports >= REPORTS_MIN
            and now - fix.steady_since >= STEADY_S
            and fix.nav_status not in ANCHORED
        )

    def _pair(self, one: tuple[int, Fix], two: tuple[int, Fix], seen: Seen) -> Found | None:
        event = seen.event
        (mmsi, fix), (other, their) = one, two
        cpa_nm, tcpa_s, now_nm = closest(fix, their)
        key = (min(mmsi, other), max(mmsi, other))
        told = self._told.get(key)
        coming = cpa_nm < self._set.cpa_nm and 0 < tcpa_s <= self._set.cpa_within_s
        if told is not None:
            over = event.ts > told.tcpa_ts + self._set.cpa_within_s
            if over or cpa_nm > REARM_NM:
                self._told.drop(key)
                told = None
        if not coming or told is not None or now_nm < self._set.cpa_nm:
            return None
        self._told.put(key, Pair(event.ingest_ts, event.ts + tcpa_s))
        low, high = key
        return Found(
            decision="ais.cpa",
            score=0.5 + 0.45 * (1.0 - cpa_nm / self._set.cpa_nm),
            entities=(nodes.vessel(low), nodes.vessel(high)),
            explanation=f"Vessels {low} and {high}, {now_nm:.1f} nm apart, will pass within {cpa_nm:.2f} nm in "
            f"{tcpa_s / 60:.0f} min if both hold course and speed ({fix.sog_kn:.1f} kn at {fix.cog_deg:.0f} "
            f"degrees, {their.sog_kn:.1f} kn at {their.cog_deg:.0f} degrees).",
            refs=(fix.event_id, their.event_id),
            ts=event.ts,
            since_ts=min(fix.ts, their.ts),
            features={
                "cpa_nm": round(cpa_nm, 3), "tcpa_s": round(tcpa_s, 0), "distance_nm": round(now_nm, 2),
                "lat": fix.lat, "lon": fix.lon,
            },
        )  # fmt: skip


def closest(one: Fix, two: Fix) -> tuple[float, float, float]:
    """(distance at the closest point in nm, seconds until then, distance now in nm); seconds may be negative."""
    lat, lon = two.at(one.ts)
    scale = max(COS_MIN, cos(radians((one.lat + lat) / 2)))
    x, y = lon_apart_deg(one.lon, lon) * 60.0 * scale, (lat - one.lat) * 60.0
    vx = two.sog_kn * sin(radians(two.cog_deg)) - one.sog_kn * sin(radians(one.cog_deg))
    vy = two.sog_kn * cos(radians(two.cog_deg)) - one.sog_kn * cos(radians(one.cog_deg))
    square = vx * vx + vy * vy
    if square < 1e-6:  # side by side: the distance stays
        return hypot(x, y), float("inf"), hypot(x, y)
    hours = -(x * vx + y * vy) / square
    return hypot(x + hours * vx, y + hours * vy), hours * 3600.0, hypot(x, y)


def _join(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def _split(data: bytes) -> tuple[bytes, bytes]:
    first = int.from_bytes(data[:8], "big")
    return data[8 : 8 + first], data[16 + first :]
