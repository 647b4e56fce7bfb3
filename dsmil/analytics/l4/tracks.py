"""Where each vessel is now, was, and would be: the positions all fusion of Layer 4 looks up.

A grid of tenth-degree cells keeps a question about a place from asking every ship. Shown first to every event,
this "detector" decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, cos, radians
from operator import itemgetter

from msgspec import Struct

from dsmil.analytics.detector import NOTHING, Found, Seen
from dsmil.analytics.sphere import COS_MIN, ahead, near_nm
from dsmil.analytics.window import Table
from dsmil.config.fusion import L4
from dsmil.events.ais import Position

CELL_DEG = 0.1
"""6 nm of latitude: about the radius most questions ask for."""
WIDTH = 3600
"""Cells around the globe."""
STEADY_DEG, STEADY_KN = 10.0, 1.0
"""Two reports within these of each other are of one course and speed."""
STALE_S = 600.0
"""An older position says little of a vessel under way: three minutes is the longest interval of class A."""
DARK_S = 3600.0
"""How long a silent vessel is dead-reckoned: after an hour its place is a guess of miles."""
STILL_KN = 0.5
PAST_MAX = 8
PAST_EVERY_S = 600.0
PAST_MOVED_NM = 0.25
"""Former places kept of a vessel that moves: enough to say whether two that meet came from apart."""
ANCHORED = frozenset({1, 5, 6})
"""Navigation status at anchor, moored, aground (ITU-R M.1371-5, table 45)."""


class Fix(Struct):
    """A vessel's last position. `steady_since` is when its course and speed last changed (Unix seconds)."""

    seen: float
    ts: float
    lat: float
    lon: float
    sog_kn: float
    cog_deg: float
    event_id: str
    steady_since: float
    nav_status: int = -1
    reports: int = 1
    past: list[tuple[float, float, float]] = []

    def at(self, ts: float) -> tuple[float, float]:
        """Where it is at `ts` (Unix seconds) if it keeps course and speed; degrees."""
        if self.sog_kn < STILL_KN or self.cog_deg < 0:
            return self.lat, self.lon
        return ahead(self.lat, self.lon, self.cog_deg, self.sog_kn * (ts - self.ts) / 3600.0)


class Tracks:
    """The last fix of every vessel, by number and by place."""

    name = "tracks"
    device = 25
    kinds = frozenset({"ais.position"})

    def __init__(self, settings: L4) -> None:
        self._set = settings
        self.reset()

    def reset(self) -> None:
        """Forget all vessels."""
        self._fixes: Table[int, Fix] = Table(int, Fix, count_max=self._set.entities_max, idle_s=self._set.idle_s)
        self._cells: dict[tuple[int, int], dict[int, Fix]] = {}
        self._cell_of: dict[int, tuple[int, int]] = {}

    def dump(self) -> bytes:
        """All fixes."""
        return self._fixes.dump()

    def restore(self, data: bytes) -> None:
        """Take over the fixes of `dump`."""
        self.reset()
        self._fixes.restore(data)
        for mmsi, fix in sorted(self._fixes):
            self._place(mmsi, fix)

    def observe(self, seen: Seen) -> Iterable[Found]:
        """Take a position; an older one than is known changes nothing."""
        at: Position = seen.payload
        if not seen.timed or at.lat is None or at.lon is None:
            return NOTHING
        event = seen.event
        sog = at.sog_kn if at.sog_kn is not None else 0.0
        cog = at.cog_deg if at.cog_deg is not None else -1.0
        fix = self._fixes.touch(at.mmsi, event.ingest_ts)
        if fix is None:
            status = at.nav_status if at.nav_status is not None else -1
            fix = Fix(event.ingest_ts, event.ts, at.lat, at.lon, sog, cog, event.event_id, event.ts, status)
            fix.past = [(event.ts, at.lat, at.lon)]
            self._fixes.put(at.mmsi, fix)
            self._prune()
        elif event.ts > fix.ts:
            if abs(sog - fix.sog_kn) > STEADY_KN or turned(cog, fix.cog_deg) > STEADY_DEG:
                fix.steady_since = event.ts
            fix.ts, fix.lat, fix.lon, fix.sog_kn, fix.cog_deg = event.ts, at.lat, at.lon, sog, cog
            fix.event_id = event.event_id
            fix.reports += 1
            if at.nav_status is not None:
                fix.nav_status = at.nav_status
            if event.ts - fix.past[-1][0] >= PAST_EVERY_S:
                _remember(fix)
        self._place(at.mmsi, fix)
        return NOTHING

    def fix(self, mmsi: int) -> Fix | None:
        """The last fix of a vessel."""
        return self._fixes.get(mmsi)

    def near(
        self, lat: float, lon: float, radius_nm: float, *, faster_kn: float = -1.0, slower_kn: float = 1e9
    ) -> list[tuple[int, Fix]]:
        """Vessels whose last fix lies within `radius_nm` of a place, at a speed between the two; by number."""
        scale = max(COS_MIN, cos(radians(lat)))
        rows = ceil(radius_nm / 60.0 / CELL_DEG)
        columns = min(ceil(radius_nm / 60.0 / scale / CELL_DEG), WIDTH // 2)
        row, column = _cell(lat, lon)
        limit = (radius_nm / 60.0) ** 2
        out: list[tuple[int, Fix]] = []
        for r in range(row - rows, row + rows + 1):
            for c in range(column - columns, column + columns + 1):
                cell = self._cells.get((r, c % WIDTH))
                if cell is None:
                    continue
                for mmsi, fix in cell.items():
                    if faster_kn < fix.sog_kn < slower_kn:
                        north = fix.lat - lat
                        east = ((fix.lon - lon + 540.0) % 360.0 - 180.0) * scale
                        if north * north + east * east <= limit:
                            out.append((mmsi, fix))
        # In order of numbers, so that a restart, which fills the cells anew, sees the same.
        out.sort(key=itemgetter(0))
        return out

    def _place(self, mmsi: int, fix: Fix) -> None:
        cell = _cell(fix.lat, fix.lon)
        before = self._cell_of.get(mmsi)
        if before == cell:
            if self._cells[cell][mmsi] is not fix:  # forgotten and heard again
                self._cells[cell][mmsi] = fix
            return
        if before is not None:
            self._leave(mmsi, before)
        self._cell_of[mmsi] = cell
        self._cells.setdefault(cell, {})[mmsi] = fix

    def _leave(self, mmsi: int, cell: tuple[int, int]) -> None:
        there = self._cells[cell]
        del there[mmsi]
        if not there:
            del self._cells[cell]

    def _prune(self) -> None:
        """Take vessels the table has forgotten off the grid, once they are many."""
        if len(self._cell_of) <= len(self._fixes) + 1024:
            return
        for mmsi in [one for one in self._cell_of if self._fixes.get(one) is None]:
            self._leave(mmsi, self._cell_of.pop(mmsi))


def came_from_nm(one: Fix, two: Fix) -> float:
    """The farthest two vessels are known to have been apart at one moment, in nautical miles."""
    farthest = 0.0
    for here, there in ((one, two), (two, one)):
        for ts, lat, lon in here.past:
            other = next((row for row in reversed(there.past) if row[0] <= ts), there.past[0])
            farthest = max(farthest, near_nm(lat, lon, other[1], other[2]))
    return farthest


def turned(one_deg: float, two_deg: float) -> float:
    """Degrees between two courses, 0..180; an unknown course (below 0) has turned fully."""
    if one_deg < 0 or two_deg < 0:
        return 0.0 if one_deg == two_deg else 180.0
    return abs((one_deg - two_deg + 180.0) % 360.0 - 180.0)


def _remember(fix: Fix) -> None:
    _, lat, lon = fix.past[-1]
    if near_nm(lat, lon, fix.lat, fix.lon) >= PAST_MOVED_NM:
        fix.past = [*fix.past[1 - PAST_MAX :], (fix.ts, fix.lat, fix.lon)]


def _cell(lat: float, lon: float) -> tuple[int, int]:
    return int((lat + 90.0) // CELL_DEG), int(((lon + 180.0) % 360.0) // CELL_DEG)
