"""Where nodes are: a k-d tree on the unit sphere, and beside it the few that moved since it was built.

On the sphere nothing special happens at a pole, at the antimeridian or at (0, 0). A move costs a dictionary entry;
the tree is built again when a question is asked and too many have moved, never at a move.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from dsmil.graph.earth import chord, unit_vectors

MOVED_MIN = 1024
MOVED_SHARE = 64
"""Nodes that may have moved since the tree was built: this many or the n-th part of all. Looking through them costs
some ten microseconds, building the tree of 100,000 some fifteen milliseconds."""
SLACK = 1e-9
"""On a chord, about 6 mm on the ground: rounding may let nobody fall out."""

LatLon = tuple[float, ...]


class Spatial:
    """Positions by id. numpy and scipy are loaded by the first question."""

    def __init__(self) -> None:
        self._waiting: dict[str, LatLon | None] = {}
        self._rows: dict[str, int] = {}
        self._names: list[str | None] = []
        self._free: list[int] = []
        self._degrees: Any = None
        self._vectors: Any = None
        self._tree: Any = None
        self._in_tree: Any = None
        self._moved: set[int] = set()
        self._moved_rows: Any = None
        self._placed = 0

    def __len__(self) -> int:
        """How many nodes have a place."""
        return self._placed

    def move(self, node_id: str, old: LatLon | None, new: LatLon | None) -> None:
        """A node's place changed; null: it had, or has, none."""
        self._placed += (new is not None) - (old is not None)
        self._waiting[node_id] = new

    def near(self, lat: float, lon: float, radius_m: float) -> Collection[str]:
        """Ids of nodes within `radius_m` of a place, bounds included."""
        import numpy as np  # noqa: PLC0415

        self._settle()
        if not self._rows:
            return ()
        point = unit_vectors(np.array([(lat, lon)]))[0]
        reach = chord(radius_m) + SLACK
        found = np.asarray(self._in_tree[self._tree.query_ball_point(point, reach)], dtype=np.intp)
        if self._moved:
            moved = self._moved_array()
            found = found[~np.isin(found, moved)]
            away = self._vectors[moved] - point
            found = np.concatenate((found, moved[np.einsum("ij,ij->i", away, away) <= reach * reach]))
        names = self._names
        return [name for row in found.tolist() if (name := names[row]) is not None]

    def in_box(self, box: tuple[float, float, float, float]) -> Collection[str]:
        """Ids of nodes in [lat1, lon1, lat2, lon2], bounds included; lon1 > lon2 crosses the antimeridian."""
        import numpy as np  # noqa: PLC0415

        self._settle()
        if not self._rows:
            return ()
        lat1, lon1, lat2, lon2 = box
        degrees = self._degrees[: len(self._names)]
        lat, lon = degrees[:, 0], degrees[:, 1]
        across = (lon >= lon1) & (lon <= lon2) if lon1 <= lon2 else (lon >= lon1) | (lon <= lon2)
        rows = np.flatnonzero((lat >= min(lat1, lat2)) & (lat <= max(lat1, lat2)) & across)
        names = self._names
        return [name for row in rows.tolist() if (name := names[row]) is not None]

    def _settle(self) -> None:
        """Take in what has moved; build the tree again where that is too much to look through."""
        if self._waiting:
            self._take(self._waiting)
            self._waiting = {}
        if self._rows and (
            self._tree is None or len(self._moved) > max(MOVED_MIN, len(self._rows) // MOVED_SHARE)
        ):
            self._build()

    def _take(self, waiting: dict[str, LatLon | None]) -> None:
        import numpy as np  # noqa: PLC0415

        for node_id in [name for name, place in waiting.items() if place is None]:
            row = self._rows.pop(node_id, None)
            if row is not None:
                self._names[row] = None
                self._free.append(row)
                self._moved.add(row)
        placed = {name: place for name, place in waiting.items() if place is not None}
        rows = [self._row(name) for name in placed]
        self._reserve(np, len(self._names))
        if rows:
            degrees = np.array([(place[0], place[1]) for place in placed.values()], dtype=np.float64)
            self._degrees[rows] = degrees
            self._vectors[rows] = unit_vectors(degrees)
            self._moved.update(rows)
        self._moved_rows = None

    def _row(self, node_id: str) -> int:
        row = self._rows.get(node_id)
        if row is None:
            if self._free:
                row = self._free.pop()
                self._names[row] = node_id
            else:
                row = len(self._names)
                self._names.append(node_id)
            self._rows[node_id] = row
        return row

    def _reserve(self, np: Any, count: int) -> None:
        held = 0 if self._degrees is None else len(self._degrees)
        if count <= held:
            return
        size = max(1024, count, held * 3 // 2)
        degrees, vectors = np.full((size, 2), np.nan), np.zeros((size, 3))
        if held:
            degrees[:held], vectors[:held] = self._degrees, self._vectors
        self._degrees, self._vectors = degrees, vectors

    def _build(self) -> None:
        import numpy as np  # noqa: PLC0415
        from scipy.spatial import cKDTree  # noqa: PLC0415

        self._in_tree = np.fromiter(self._rows.values(), dtype=np.intp, count=len(self._rows))
        self._tree = cKDTree(self._vectors[self._in_tree], balanced_tree=False, compact_nodes=False)
        self._moved.clear()
        self._moved_rows = None

    def _moved_array(self) -> Any:
        import numpy as np  # noqa: PLC0415

        if self._moved_rows is None:
            self._moved_rows = np.fromiter(self._moved, dtype=np.intp, count=len(self._moved))
        return self._moved_rows
