"""`link.emitter_vessel`: a radio that moves with a ship is on that ship.

Terms: how near the emissions were to the vessel, whether both moved alike, and how often the vessel was there when
the radio was. Being near at the same time is weak: it never binds; moving together does. A silent vessel is
dead-reckoned for an hour, so a radio may speak for a ship that has gone dark.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import cos, hypot, log10, radians

from msgspec import Struct

from dsmil.analytics import nodes
from dsmil.analytics.detector import NOTHING, Found, Seen
from dsmil.analytics.l4 import terms
from dsmil.analytics.l4.terms import Term
from dsmil.analytics.l4.tracks import DARK_S, STALE_S, Tracks
from dsmil.analytics.sphere import COS_MIN, lon_apart_deg, near_nm
from dsmil.analytics.window import Table
from dsmil.config.fusion import L4
from dsmil.events.rf import Burst, Emission

NM_KM = 1.852
SIGHTINGS_MAX = 16
"""Sightings of an emitter that are weighed: the newest tell where it is now."""
CANDIDATES_MAX = 16
"""Vessels weighed against one emitter."""
SIGHTINGS_MIN = 3
SPAN_MIN_S = 120.0
"""Fewer or closer sightings are one moment, and one moment is a coincidence."""
MOVED_MIN_KM = 1.0
"""Moving together can be judged once one of them moved well beyond the errors of both places."""
LEVELS_MIN = 8
"""Levels against distances say something from here on."""
REACH_NM = 25.0
"""How far away a vessel's last fix may lie: an hour at 20 kn and the link distance."""
MARGIN = 0.05
"""The best vessel must be so much better than the next: two in convoy are not told apart."""


class Sighting(Struct):
    """One located emission; `level_db` null where the receiver gave none."""

    ts: float
    lat: float
    lon: float
    event_id: str
    level_db: float | None = None


class Beside(Struct):
    """A vessel at the moment of a sighting, `km` from it."""

    ts: float
    lat: float
    lon: float
    km: float
    fix_id: str
    dark: bool


class Emitter(Struct):
    """One emitter: where it was seen, which vessels were beside it, and which it is bound to (0: none)."""

    seen: float
    sightings: list[Sighting] = []
    beside: dict[int, list[Beside]] = {}
    bound: int = 0


class EmitterVessel:
    """Weighs each located emission against the vessels around it."""

    name = "link.emitter_vessel"
    device = 25
    kinds = frozenset({"rf.burst", "rf.emission"})

    def __init__(self, settings: L4, tracks: Tracks) -> None:
        self._set = settings
        self._tracks = tracks
        self.reset()

    def reset(self) -> None:
        """Forget all emitters."""
        self._emitters: Table[str, Emitter] = Table(
            str, Emitter, count_max=self._set.entities_max, idle_s=self._set.idle_s
        )

    def dump(self) -> bytes:
        """All emitters."""
        return self._emitters.dump()

    def restore(self, data: bytes) -> None:
        """Take over the emitters of `dump`."""
        self._emitters.restore(data)

    def observe(self, seen: Seen) -> Iterable[Found]:
        """Take one emission with a place and a time; others tell nothing here."""
        said: Burst | Emission = seen.payload
        if not seen.timed or said.lat is None or said.lon is None:
            return NOTHING
        node, level = _who(said)
        emitter = self._emitters.touch(node, seen.event.ingest_ts)
        if emitter is None:
            emitter = Emitter(seen.event.ingest_ts)
            self._emitters.put(node, emitter)
        ts = said.start_ts if isinstance(said, Emission) and said.start_ts is not None else seen.event.ts
        if emitter.sightings and ts < emitter.sightings[-1].ts:
            return NOTHING
        emitter.sightings.append(Sighting(ts, said.lat, said.lon, seen.event.event_id, level))
        del emitter.sightings[:-SIGHTINGS_MAX]
        self._look_around(emitter, emitter.sightings[-1])
        return self._judge(node, emitter)

    def _look_around(self, emitter: Emitter, at: Sighting) -> None:
        oldest = emitter.sightings[0].ts
        for mmsi in [
            one for one, rows in emitter.beside.items() if rows[-1].ts < oldest and one != emitter.bound
        ]:
            del emitter.beside[mmsi]
        for mmsi, fix in self._tracks.near(at.lat, at.lon, REACH_NM):
            silent = at.ts - fix.ts
            if abs(silent) > DARK_S:
                continue
            lat, lon = fix.at(at.ts)
            km = near_nm(at.lat, at.lon, lat, lon) * NM_KM
            known = mmsi in emitter.beside
            if km > self._set.link_km or (not known and len(emitter.beside) >= CANDIDATES_MAX):
                continue
            rows = emitter.beside.setdefault(mmsi, [])
            rows.append(Beside(at.ts, lat, lon, km, fix.event_id, silent > STALE_S))
            del rows[:-SIGHTINGS_MAX]

    def _judge(self, node: str, emitter: Emitter) -> Iterable[Found]:
        shots = emitter.sightings
        if len(shots) < SIGHTINGS_MIN or shots[-1].ts - shots[0].ts < SPAN_MIN_S:
            return NOTHING
        ranked = sorted(
            ((self._score(emitter, rows), mmsi) for mmsi, rows in emitter.beside.items()),
            key=lambda one: (-one[0][0], one[1]),
        )
        if emitter.bound:
            score = next((score for (score, _), mmsi in ranked if mmsi == emitter.bound), 0.0)
            if score >= self._set.unlink_score:
                return NOTHING
            mmsi, emitter.bound = emitter.bound, 0
            return [self._unlink(node, emitter, mmsi, score)]
        if not ranked or ranked[0][0][0] < self._set.link_score:
            return NOTHING
        if len(ranked) > 1 and ranked[1][0][0] > ranked[0][0][0] - MARGIN:
            return NOTHING
        (score, reasons), mmsi = ranked[0]
        emitter.bound = mmsi
        return [self._link(node, emitter, mmsi, (score, reasons))]

    def _score(self, emitter: Emitter, rows: list[Beside]) -> tuple[float, tuple[Term, ...]]:
        """The score of one vessel with its terms."""
        oldest = emitter.sightings[0].ts
        rows = [row for row in rows if row.ts >= oldest]
        if len(rows) < SIGHTINGS_MIN:
            return 0.0, ()
        mean_km = sum(row.km for row in rows) / len(rows)
        reasons = (
            Term("distance", 1.0 - mean_km / self._set.link_km, self._set.weight_distance),
            Term("movement", _movement(emitter, rows), self._set.weight_movement, strong=True),
            Term("time", len(rows) / len(emitter.sightings), self._set.weight_time),
        )
        return terms.score(reasons, self._set.link_score), reasons

    def _link(self, node: str, emitter: Emitter, mmsi: int, scored: tuple[float, tuple[Term, ...]]) -> Found:
        score, reasons = scored
        rows = emitter.beside[mmsi]
        mean_km = sum(row.km for row in rows) / len(rows)
        dark = rows[-1].dark
        how = "where the silent vessel should be by now" if dark else "beside the vessel"
        return Found(
            decision="link.emitter_vessel",
            score=score,
            entities=(node, nodes.vessel(mmsi)),
            explanation=f"Emitter {node} was {len(rows)} times within {mean_km:.1f} km on average {how} {mmsi} and "
            f"moved as it did ({terms.told(reasons)}).",
            refs=_refs(emitter, rows),
            ts=emitter.sightings[-1].ts,
            since_ts=emitter.sightings[0].ts,
            features={
                **terms.features(reasons), "mean_km": round(mean_km, 2), "sightings": len(rows),
                "dead_reckoned": dark, "lat": emitter.sightings[-1].lat, "lon": emitter.sightings[-1].lon,
            },
        )  # fmt: skip

    def _unlink(self, node: str, emitter: Emitter, mmsi: int, score: float) -> Found:
        return Found(
            decision="unlink.emitter_vessel",
            score=max(0.0, 1.0 - score),
            entities=(node, nodes.vessel(mmsi)),
            explanation=f"Emitter {node} no longer moves with vessel {mmsi}: the link's score fell to {score:.2f}.",
            refs=tuple(one.event_id for one in emitter.sightings),
            ts=emitter.sightings[-1].ts,
            since_ts=emitter.sightings[0].ts,
            features={"link_score": round(score, 3)},
        )


def _who(said: Burst | Emission) -> tuple[str, float | None]:
    """The emitter's node and the level it was received with."""
    if isinstance(said, Burst):
        return nodes.rf(said.model, said.device_id), said.rssi_db
    return nodes.emission(said.label, said.freq_lower_hz, said.freq_upper_hz), said.peak_dbfs


def _movement(emitter: Emitter, rows: list[Beside]) -> float | None:
    """0..1: how alike both moved; null where neither moved enough, or the place is the receiver's own."""
    times = {row.ts for row in rows}
    shots = [shot for shot in emitter.sightings if shot.ts in times]
    if not shots:
        return None
    ex, ey = _displacement_km(shots[0].lat, shots[0].lon, shots[-1].lat, shots[-1].lon)
    vx, vy = _displacement_km(rows[0].lat, rows[0].lon, rows[-1].lat, rows[-1].lon)
    emitter_km, vessel_km = hypot(ex, ey), hypot(vx, vy)
    if emitter_km >= MOVED_MIN_KM:
        return max(0.0, 1.0 - hypot(ex - vx, ey - vy) / max(emitter_km, vessel_km))
    if vessel_km >= MOVED_MIN_KM:
        return _level_follows(shots, rows)
    return None


def _level_follows(shots: list[Sighting], rows: list[Beside]) -> float | None:
    """Correlation of the level with the vessel's distance (free space: 20 dB a decade), where enough is known."""
    pairs = [
        (shot.level_db, -20.0 * log10(max(row.km, 0.05)))
        for shot, row in zip(shots, rows, strict=False)
        if shot.level_db is not None
    ]
    if len(pairs) < LEVELS_MIN:
        return None
    mean_x = sum(x for x, _ in pairs) / len(pairs)
    mean_y = sum(y for _, y in pairs) / len(pairs)
    xx = sum((x - mean_x) ** 2 for x, _ in pairs)
    yy = sum((y - mean_y) ** 2 for _, y in pairs)
    if xx < 1e-9 or yy < 1e-9:
        return None
    return float(max(0.0, sum((x - mean_x) * (y - mean_y) for x, y in pairs) / (xx * yy) ** 0.5))


def _displacement_km(lat1: float, lon1: float, lat2: float, lon2: float) -> tuple[float, float]:
    scale = max(COS_MIN, cos(radians((lat1 + lat2) / 2)))
    return lon_apart_deg(lon1, lon2) * 60.0 * NM_KM * scale, (lat2 - lat1) * 60.0 * NM_KM


def _refs(emitter: Emitter, rows: list[Beside]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([shot.event_id for shot in emitter.sightings] + [row.fix_id for row in rows]))
