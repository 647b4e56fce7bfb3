"""`ais.jump` and `ais.duplicate_mmsi`: reports of one number that no single ship could have sent.

Both begin alike, with a report the ship could not have reached. What follows tells them apart: the ship stays
there (a jump), comes back at once (a jump away and back), or both places go on reporting in turn (two ships with
one number). So a jump is held until that is clear. The same ship told by a late receiver is neither.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from dsmil.analytics import nodes
from dsmil.analytics.detector import NOTHING, Found, Seen
from dsmil.analytics.l3.tracks import (
    SAR_AIRCRAFT_TYPE,
    Held,
    Track,
    a_ship,
    astern_or_ahead,
    begin,
    extend,
    late_copy,
    no_fix,
)
from dsmil.analytics.sphere import haversine_nm, near_nm
from dsmil.analytics.window import Table
from dsmil.config.detectors import L3, L3Ais
from dsmil.events.ais import Position

TRACKS_MAX = 4
"""Places one number may report from at once; a number shared by more ships is flagged after the first two."""
TRACK_IDLE_S = 1800.0
"""A track not heard for so long has ended: at 100 kn its ship could be anywhere within 50 nm."""
EVERY_GUESS_S = 100.0
"""Reporting interval of a ship heard only once: it may lie at anchor and report each 180 s."""
HOLD_S = 60.0
"""A jump to a place heard only once is told so long after it."""
RETURN_HOLD_S = 200.0
"""... and so long when it did: a second ship at anchor reports each 180 s."""
RETURN_INTERVALS = 1.9
"""Own reporting intervals a ship must be missing from its old track before the new one is believed: it has not
reported when it should, and the second report from the new place is there."""
REWIND_MIN_S = 3600.0
"""Earlier than this before the last report means the recording began again, not that a report was late."""
REARM_S = 3600.0
"""After a duplicate is told, alternation must rest so long before it is told again."""


class Ship(Struct):
    """One number as one source hears it. `latest` is the number of the track heard last."""

    seen: float
    tracks: list[Track]
    latest: int = 0
    numbers: int = 1
    held: Held | None = None
    turns: list[str] = []
    told_ts: float = -1.0


class Continuity:
    """Follows each number of each source along its tracks."""

    name = "ais.continuity"
    device = 20
    kinds = frozenset({"ais.position"})

    def __init__(self, settings: L3Ais, bounds: L3) -> None:
        self._set = settings
        self._bounds = bounds
        self.reset()

    def reset(self) -> None:
        """Forget all ships."""
        self._ships: Table[tuple[str, int], Ship] = Table(
            tuple[str, int], Ship, count_max=self._bounds.entities_max, idle_s=self._bounds.idle_s
        )
        self._holding: dict[str, set[int]] = {}

    def dump(self) -> bytes:
        """All ships."""
        return self._ships.dump()

    def restore(self, data: bytes) -> None:
        """Take over the ships of `dump`."""
        self._ships.restore(data)
        self._holding = {}
        for (source, mmsi), ship in self._ships:
            if ship.held is not None:
                self._holding.setdefault(source, set()).add(mmsi)

    def observe(self, seen: Seen) -> Iterable[Found]:
        """Put a position on the track it continues, or begin another."""
        at: Position = seen.payload
        lat, lon = at.lat, at.lon
        if not seen.timed or lat is None or lon is None or at.msg_type == SAR_AIRCRAFT_TYPE:
            return NOTHING
        event = seen.event
        key = (event.source, at.mmsi)
        ship = self._ships.touch(key, event.ingest_ts)
        if ship is None:
            if a_ship(at.mmsi) and not no_fix(lat, lon):
                self._ships.put(key, Ship(event.ingest_ts, [begin(0, seen)]))
            return NOTHING
        track = ship.tracks[0]
        elapsed = event.ts - track.ts
        if len(ship.tracks) == 1 and elapsed >= 0 and self._reaches(track, lat, lon, elapsed):
            extend(track, seen, elapsed)  # nine hundred and ninety-nine of a thousand
            return NOTHING
        return NOTHING if no_fix(lat, lon) else self._sort(key, ship, seen)

    def tick(self, source: str, watermark: float) -> Iterable[Found]:
        """Tell the jumps that were held long enough."""
        out: list[Found] = []
        for mmsi in sorted(self._holding.get(source, ())):
            ship = self._ships.get((source, mmsi))
            if ship is None or ship.held is None:
                self._release(source, mmsi)
            else:
                out += self._settle((source, mmsi), ship, watermark)
        return out

    def _reaches(self, track: Track, lat: float, lon: float, elapsed: float) -> bool:
        far = near_nm(track.lat, track.lon, lat, lon)
        return far <= self._set.jump_min_nm or far <= self._set.jump_kn * elapsed / 3600.0

    def _sort(self, key: tuple[str, int], ship: Ship, seen: Seen) -> list[Found]:
        """A report that is late, of one of several tracks, or of a new one."""
        event, at = seen.event, seen.payload
        latest = next(track for track in ship.tracks if track.number == ship.latest)
        if event.ts < latest.ts:
            if event.ts < latest.ts - REWIND_MIN_S:
                self._release(*key)
                self._ships.put(key, Ship(event.ingest_ts, [begin(0, seen)], told_ts=-1.0))
            return []  # out of order is no evidence of anything
        ship.tracks = [one for one in ship.tracks if one is latest or one.ts >= event.ts - TRACK_IDLE_S]
        fitting = [one for one in ship.tracks if self._reaches(one, at.lat, at.lon, event.ts - one.ts)]
        if not fitting:
            self._begin(key, ship, latest, seen)
        else:
            track = min(fitting, key=lambda one: near_nm(one.lat, one.lon, at.lat, at.lon))
            extend(track, seen, event.ts - track.ts)
            if track is not latest and latest not in fitting:
                track.returns += 1
                ship.turns = [*ship.turns[-3:], event.event_id]
            ship.latest = track.number
        out = self._duplicate(key[1], ship, seen)
        return out + self._settle(key, ship, event.ts)

    def _begin(self, key: tuple[str, int], ship: Ship, latest: Track, seen: Seen) -> None:
        event, at = seen.event, seen.payload
        if len(ship.tracks) >= TRACKS_MAX:
            ship.tracks.remove(min(ship.tracks, key=lambda one: one.ts))
        track = begin(ship.numbers, seen)
        ship.numbers += 1
        ship.tracks.append(track)
        ship.latest = track.number
        ship.turns = [*ship.turns[-3:], latest.event_id, event.event_id][-4:]
        shared = ship.told_ts >= 0 and event.ts - ship.told_ts < REARM_S  # two ships hop for ever
        if ship.held is None and not shared and event.ts - latest.ts <= self._set.jump_within_s:
            ship.held = Held(
                latest.number, track.number, latest.lat, latest.lon, at.lat, at.lon, latest.ts, event.ts,
                (latest.event_id, event.event_id), astern_or_ahead(latest, track),
            )  # fmt: skip
            self._holding.setdefault(key[0], set()).add(key[1])

    def _duplicate(self, mmsi: int, ship: Ship, seen: Seen) -> list[Found]:
        """Two tracks, each heard again after the other."""
        turning = [track for track in ship.tracks if track.returns]
        if len(turning) < 2:
            return []
        one, two = sorted(turning, key=lambda track: track.ts)[-2:]
        if late_copy(one, two):
            return []
        told, ship.told_ts = ship.told_ts, seen.event.ts
        ship.held = None  # what looked like a jump was the other ship
        if told >= 0 and seen.event.ts - told < REARM_S:
            return []
        far = haversine_nm(one.lat, one.lon, two.lat, two.lon)
        turns = sum(track.returns for track in turning)
        return [
            Found(
                decision="ais.duplicate_mmsi",
                score=min(0.99, 0.8 + 0.05 * turns),
                entities=(nodes.vessel(mmsi),),
                explanation=f"MMSI {mmsi} reports in turn from two places {far:.1f} nm apart "
                f"({one.lat:.4f}, {one.lon:.4f} and {two.lat:.4f}, {two.lon:.4f}), {one.count + two.count} "
                f"reports so far: no ship moves between them at {self._set.jump_kn:g} kn or less.",
                refs=tuple(dict.fromkeys((*ship.turns, one.event_id, two.event_id))),
                ts=seen.event.ts,
                since_ts=min(one.ts, two.ts),
                features={
                    "distance_nm": round(far, 2), "tracks": len(turning), "turns": turns, "lat_1": one.lat,
                    "lon_1": one.lon, "lat_2": two.lat, "lon_2": two.lon,
                },
            )
        ]  # fmt: skip

    def _settle(self, key: tuple[str, int], ship: Ship, now: float) -> list[Found]:
        """Tell, keep or forget the jump that is held."""
        held = ship.held
        if held is None:
            self._release(*key)
            return []
        old = next((track for track in ship.tracks if track.number == held.old), None)
        new = next((track for track in ship.tracks if track.number == held.new), None)
        if new is None:
            self._release(*key)
            return []
        if old is not None and old.ts > held.ts:
            return self._returned(key, ship, (old, new), now)
        patience = RETURN_INTERVALS * (old.every or EVERY_GUESS_S) if old is not None else 0.0
        if now - held.since_ts < patience or (new.count < 2 and now - held.ts < HOLD_S):
            return []
        stayed = f"stayed there for {new.count} reports" if new.count > 1 else "not been heard since"
        return self._tell(key, ship, new, "" if held.late else f"and it has {stayed}")

    def _returned(self, key: tuple[str, int], ship: Ship, tracks: tuple[Track, Track], now: float) -> list[Found]:
        held, (old, new) = ship.held, tracks
        assert held is not None
        if new.returns:
            self._release(*key)  # both go on: a duplicate, or one ship told twice
            return []
        if now - held.ts < RETURN_HOLD_S:
            return []
        back = f"and was back on its old track with {old.count} reports"
        return self._tell(key, ship, old, "" if held.late or late_copy(old, new) else back)

    def _tell(self, key: tuple[str, int], ship: Ship, keep: Track, outcome: str) -> list[Found]:
        """The jump as a finding (none where `outcome` is empty: a late receiver explains it); keep one track."""
        held = ship.held
        assert held is not None
        self._release(*key)
        ship.tracks = [keep]
        ship.latest = keep.number
        keep.returns = 0
        if not outcome:
            return []
        far = haversine_nm(held.lat, held.lon, held.to_lat, held.to_lon)
        elapsed = held.ts - held.since_ts
        speed = far * 3600.0 / max(elapsed, 1.0)
        return [
            Found(
                decision="ais.jump",
                score=0.5 + 0.49 * (1.0 - min(1.0, self._set.jump_kn / speed)),
                entities=(nodes.vessel(key[1]),),
                explanation=f"Vessel {key[1]} moved {far:.1f} nm in {elapsed:.0f} s, which implies "
                f"{speed:.0f} kn (no ship exceeds {self._set.jump_kn:g} kn), {outcome}.",
                refs=held.refs,
                ts=held.ts,
                since_ts=held.since_ts,
                features={
                    "distance_nm": round(far, 2), "elapsed_s": round(elapsed, 1), "speed_kn": round(speed, 1),
                    "from_lat": held.lat, "from_lon": held.lon, "to_lat": held.to_lat, "to_lon": held.to_lon,
                },
            )
        ]  # fmt: skip

    def _release(self, source: str, mmsi: int) -> None:
        ship = self._ships.get((source, mmsi))
        if ship is not None:
            ship.held = None
        holding = self._holding.get(source)
        if holding is not None:
            holding.discard(mmsi)
            if not holding:
                del self._holding[source]
