"""`ais.gone_dark` and `ais.reappeared`: a ship under way falls silent where others are still heard.

Silence is measured against the ship's own reporting interval and by its source's watermark, so a slow reporter,
a receiver that was off and the end of a file are none. Each ship is looked at once, when its silence is due:
coverage that comes later does not make an old silence suspect.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from dsmil.analytics import nodes
from dsmil.analytics.detector import NOTHING, Found, Seen
from dsmil.analytics.l3.coverage import HOLE_S, Heard, Receiver
from dsmil.analytics.mid import station_of
from dsmil.analytics.sphere import ahead, near_nm
from dsmil.analytics.window import Table, pack_parts, restore_parts
from dsmil.config.detectors import L3, L3Ais
from dsmil.events.ais import Base, Position

REPORTS_MIN = 5
"""Reports before a ship's own interval is known."""
MOORED = frozenset({1, 5, 6})
"""Navigation status at anchor, moored, aground."""
FRESH_S = 600.0
"""A witness counts while it was heard in the last ten minutes: ships at anchor report each three."""
BASE_NM = 40.0
"""A base station in use hears ships so far out (VHF from a mast of 50 m); beyond it proves nothing."""
REWIND_MIN_S = 3600.0
STEP_S = 60.0
"""Ships due to be looked at are kept by the minute."""
SMOOTH = 0.2
RECEIVERS_MAX = 1024
"""Receivers whose coverage is kept: the stations of a national network."""


class Sailing(Struct, gc=False):
    """A ship under way. `due`: the minute its silence is looked at; `dark_ts`: when it was told, else below 0."""

    seen: float
    ts: float
    lat: float
    lon: float
    sog: float
    cog: float
    receiver: str
    event_id: str
    due: int
    every: float = 0.0
    count: int = 1
    dark_ts: float = -1.0


class GoneDark:
    """Watches the ships under way of each source."""

    name = "ais.gone_dark"
    device = 20
    kinds = frozenset({"ais.position", "ais.base"})

    def __init__(self, settings: L3Ais, bounds: L3) -> None:
        self._set = settings
        self._bounds = bounds
        self.reset()

    def reset(self) -> None:
        """Forget all ships and receivers."""
        bounds = self._bounds
        self._ships: Table[tuple[str, int], Sailing] = Table(
            tuple[str, int], Sailing, count_max=bounds.entities_max, idle_s=bounds.idle_s
        )
        self._receivers: Table[str, Receiver] = Table(
            str, Receiver, count_max=RECEIVERS_MAX, idle_s=bounds.idle_s
        )
        self._due: dict[str, dict[int, list[int]]] = {}

    def dump(self) -> bytes:
        """All ships and receivers."""
        return pack_parts(self._ships, self._receivers)

    def restore(self, data: bytes) -> None:
        """Take over what `dump` gave."""
        restore_parts(data, self._ships, self._receivers)
        self._due = {}
        for (source, mmsi), ship in self._ships:
            if ship.due >= 0:
                self._due.setdefault(source, {}).setdefault(ship.due, []).append(mmsi)

    def observe(self, seen: Seen) -> Iterable[Found]:
        """A position or a base station: coverage for all, a sign of life of one."""
        at = seen.payload
        lat, lon, event = at.lat, at.lon, seen.event
        if not seen.timed or lat is None or lon is None:
            return NOTHING
        name = f"{event.source}|{at.station}" if at.station else event.source
        receiver = self._receivers.touch(name, event.ingest_ts)
        if receiver is None:
            receiver = Receiver(event.ingest_ts)
            self._receivers.put(name, receiver)
        heard = Heard(at.mmsi, event.ts, lat, lon, event.event_id)
        if type(at) is Base:
            receiver.note_base(heard)
            return NOTHING
        receiver.note(heard)
        return self._follow(at, seen, name)

    def tick(self, source: str, watermark: float) -> Iterable[Found]:
        """Look at the ships whose silence is due."""
        waiting = self._due.get(source)
        if not waiting:
            return NOTHING
        now = int(watermark // STEP_S)
        out: list[Found] = []
        for step in sorted(step for step in waiting if step <= now):
            for mmsi in sorted(set(waiting.pop(step))):
                ship = self._ships.get((source, mmsi))
                if ship is not None and ship.due == step:
                    ship.due = -1
                    out += self._look(source, mmsi, ship, watermark)
        return out

    def _follow(self, at: Position, seen: Seen, receiver: str) -> Iterable[Found]:
        event = seen.event
        key = (event.source, at.mmsi)
        ship = self._ships.touch(key, event.ingest_ts)
        if ship is not None and ship.dark_ts >= 0 and event.ts > ship.ts:
            found = [self._reappeared(at, seen, ship)]
            self._ships.drop(key)
            ship = None
        else:
            found = []
        sog = at.sog_kn
        if sog is None or sog <= self._set.under_way_kn or at.nav_status in MOORED:
            if ship is not None and event.ts >= ship.ts:
                self._ships.drop(key)
            return found
        if ship is not None and ship.ts - REWIND_MIN_S <= event.ts < ship.ts:
            return found
        if ship is None or event.ts < ship.ts:
            if station_of(at.mmsi) in ("ship", "craft"):
                self._start(key, at, seen, receiver)
            return found
        elapsed = event.ts - ship.ts
        if elapsed >= 1.0:  # sooner is the same report by another receiver
            ship.every = ship.every + SMOOTH * (elapsed - ship.every) if ship.every else elapsed
            ship.count += 1
        ship.ts, ship.lat, ship.lon = event.ts, at.lat or 0.0, at.lon or 0.0
        ship.sog, ship.cog = sog, -1.0 if at.cog_deg is None else at.cog_deg
        ship.receiver, ship.event_id = receiver, event.event_id
        if ship.due < 0:
            self._schedule(key, ship, event.ts + self._set.dark_min_s)
        return found

    def _start(self, key: tuple[str, int], at: Position, seen: Seen, receiver: str) -> None:
        event = seen.event
        ship = Sailing(
            event.ingest_ts, event.ts, at.lat or 0.0, at.lon or 0.0, at.sog_kn or 0.0,
            -1.0 if at.cog_deg is None else at.cog_deg, receiver, event.event_id, -1,
        )  # fmt: skip
        self._ships.put(key, ship)
        self._schedule(key, ship, event.ts + self._set.dark_min_s)

    def _schedule(self, key: tuple[str, int], ship: Sailing, ts: float) -> None:
        ship.due = int(ts // STEP_S) + 1
        self._due.setdefault(key[0], {}).setdefault(ship.due, []).append(key[1])

    def _look(self, source: str, mmsi: int, ship: Sailing, now: float) -> list[Found]:
        """Decide about one ship: not due yet, out of coverage, or dark."""
        key = (source, mmsi)
        receiver = self._receivers.get(ship.receiver)
        if receiver is None or ship.count < REPORTS_MIN:
            if now - ship.ts >= self._set.dark_min_s:
                self._ships.drop(key)
            else:
                self._schedule(key, ship, ship.ts + self._set.dark_min_s)
            return []
        since = max(ship.ts, receiver.resumed_ts)
        need = max(self._set.dark_min_s, self._set.dark_intervals * ship.every)
        if now - since < need or now - receiver.last_ts > HOLE_S:
            self._schedule(key, ship, max(since + need, now))
            return []
        witnesses = self._witnesses(mmsi, ship, receiver, now)
        if not witnesses:
            self._ships.drop(key)
            return []
        ship.dark_ts = now
        return [self._dark(mmsi, ship, witnesses, now)]

    def _witnesses(self, mmsi: int, ship: Sailing, receiver: Receiver, now: float) -> list[Heard]:
        """Others still heard where the ship was and where it must have been since; or a base station it was
        coming nearer to."""
        within = self._set.witness_nm
        course = ship.cog if ship.cog >= 0 else 0.0
        way_nm = ship.sog * self._set.dark_min_s / 3600.0 if ship.cog >= 0 else 0.0
        lat, lon = ahead(ship.lat, ship.lon, course, way_nm)
        since = max(ship.ts, now - FRESH_S)
        others = [
            one
            for one in receiver.near(ship.lat, ship.lon, within, since)
            if one.mmsi != mmsi and near_nm(lat, lon, one.lat, one.lon) <= within
        ]
        bases = [
            one
            for one in receiver.bases
            if one.ts >= since
            and near_nm(lat, lon, one.lat, one.lon) < near_nm(ship.lat, ship.lon, one.lat, one.lon) <= BASE_NM
        ]
        return others + [one for one in bases if all(one.mmsi != other.mmsi for other in others)]

    @staticmethod
    def _dark(mmsi: int, ship: Sailing, witnesses: list[Heard], now: float) -> Found:
        silent, every = now - ship.ts, max(1.0, ship.every)
        near = min(near_nm(ship.lat, ship.lon, one.lat, one.lon) for one in witnesses)
        many = f"{len(witnesses)} other stations are" if len(witnesses) > 1 else "1 other station is"
        return Found(
            decision="ais.gone_dark",
            score=min(0.95, 0.6 + 0.05 * len(witnesses) + 0.05 * min(4.0, silent / (20 * every))),
            entities=(nodes.vessel(mmsi),),
            explanation=f"Vessel {mmsi}, under way at {ship.sog:.1f} kn and reporting each {every:.0f} s, has been "
            f"silent for {silent / 60:.0f} min ({silent / every:.0f} of its intervals), while {many} still heard "
            f"there, the nearest {near:.1f} nm away.",
            refs=(ship.event_id, witnesses[0].event_id),
            ts=now,
            since_ts=ship.ts,
            features={
                "silent_s": round(silent, 1), "interval_s": round(ship.every, 1), "sog_kn": ship.sog,
                "lat": ship.lat, "lon": ship.lon, "witnesses": len(witnesses), "nearest_nm": round(near, 2),
            },
        )  # fmt: skip

    @staticmethod
    def _reappeared(at: Position, seen: Seen, ship: Sailing) -> Found:
        event = seen.event
        silent = event.ts - ship.ts
        far = near_nm(ship.lat, ship.lon, at.lat or 0.0, at.lon or 0.0)
        return Found(
            decision="ais.reappeared",
            score=0.5,
            entities=(nodes.vessel(at.mmsi),),
            explanation=f"Vessel {at.mmsi} is heard again after {silent / 60:.0f} min of silence, {far:.1f} nm "
            "from where it went dark.",
            refs=(ship.event_id, event.event_id),
            ts=event.ts,
            since_ts=ship.ts,
            features={"silent_s": round(silent, 1), "distance_nm": round(far, 2), "lat": at.lat, "lon": at.lon},
        )
