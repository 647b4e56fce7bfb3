"""Where a receiver still hears ships: the last few stations heard in each cell of ten minutes of arc.

A ship that is silent where others are heard has gone dark; where nobody is heard, coverage has ended. Cells are
kept for each receiver, because a ship near one says nothing about another's coverage.
"""

from __future__ import annotations

from math import cos, radians

from msgspec import Struct

from dsmil.analytics.sphere import near_nm

CELL_DEG = 1 / 6
"""Ten nautical miles of latitude: a circle of that radius touches few cells."""
CELL_STATIONS = 4
"""Stations kept in a cell: enough to find another one than the ship itself."""
CELLS_MAX = 20_000
"""Cells of one receiver; a satellite feed of the whole world's traffic lights about 15,000."""
CELL_IDLE_S = 3600.0
"""Cells not heard from for so long are cleared first."""
BASES_MAX = 64
"""Base stations of one receiver."""
HOLE_S = 300.0
"""A receiver that hears nothing for so long was off: silence counts from its return."""
COS_MIN = 0.05
COLUMNS = 4096
"""More than the columns of a row of cells, so that a cell's key is one number."""


class Heard(Struct, gc=False):
    """A station, when and where it was heard."""

    mmsi: int
    ts: float
    lat: float
    lon: float
    event_id: str


class Receiver(Struct):
    """What one receiver heard; `resumed_ts` is when it last came back."""

    seen: float
    last_ts: float = -1.0
    resumed_ts: float = -1.0
    cells: dict[int, list[Heard]] = {}
    bases: list[Heard] = []

    def note(self, at: Heard) -> None:
        """A station was heard."""
        if at.ts - self.last_ts > HOLE_S:
            self.resumed_ts = at.ts
        self.last_ts = max(self.last_ts, at.ts)
        cell = int((at.lat + 90.0) / CELL_DEG) * COLUMNS + int((at.lon + 180.0) / CELL_DEG)
        heard = self.cells.get(cell)
        if heard is None:
            if len(self.cells) >= CELLS_MAX:
                self._clear(at.ts)
            self.cells[cell] = [at]
            return
        for index, one in enumerate(heard):
            if one.mmsi == at.mmsi:
                heard[index] = at
                return
        if len(heard) < CELL_STATIONS:
            heard.append(at)
        else:
            oldest = min(range(CELL_STATIONS), key=lambda index: heard[index].ts)
            heard[oldest] = at

    def note_base(self, at: Heard) -> None:
        """A base station was heard."""
        others = [one for one in self.bases if one.mmsi != at.mmsi]
        self.bases = [*others[-BASES_MAX + 1 :], at]
        self.note(at)

    def near(self, lat: float, lon: float, within_nm: float, since_ts: float) -> list[Heard]:
        """Stations heard since `since_ts` within a distance, the latest first."""
        row = int((lat + 90.0) / CELL_DEG)
        column = int((lon + 180.0) / CELL_DEG)
        rows = int(within_nm / 60.0 / CELL_DEG) + 1
        columns = int(within_nm / 60.0 / CELL_DEG / max(COS_MIN, cos(radians(lat)))) + 1
        around = int(360.0 / CELL_DEG)
        found = [
            one
            for r in range(row - rows, row + rows + 1)
            for c in range(column - columns, column + columns + 1)
            for one in self.cells.get(r * COLUMNS + c % around, ())
            if one.ts >= since_ts and near_nm(lat, lon, one.lat, one.lon) <= within_nm
        ]
        return sorted(found, key=lambda one: (-one.ts, one.mmsi))

    def _clear(self, now: float) -> None:
        self.cells = {
            key: heard for key, heard in self.cells.items() if any(one.ts > now - CELL_IDLE_S for one in heard)
        }
        if len(self.cells) >= CELLS_MAX:
            self.cells = {}  # coverage is learned again within minutes
