"""A question to the graph as plain data: what to find, under which conditions, in which order, how much of it.

Every struct is frozen and hashable. `text` is the canonical text: two queries with the same text are the same, and it
reads back as the same query, so that a cache may go by it (`true` and `1` are one value to Python, not in a text).
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from dsmil.query import tree

What = Literal["nodes", "edges", "subgraph", "neighbors"]
Shape = Literal["nodes", "edges", "subgraph", "count"]

DEFAULT_SHAPE: dict[What, Shape] = {
    "nodes": "nodes", "edges": "edges", "subgraph": "subgraph", "neighbors": "nodes",
}  # fmt: skip
"""What is returned where RETURN says nothing."""


class Within(Struct, frozen=True):
    """`WITHIN 5km OF "id"` or `OF [lat, lon]`: one of `node` and `place` is given; metres, WGS-84 degrees."""

    radius_m: float
    node: str | None = None
    place: tuple[float, float] | None = None


class Box(Struct, frozen=True):
    """`IN BBOX [lat1, lon1, lat2, lon2]`, bounds included; lon1 > lon2 crosses the antimeridian."""

    lat1: float
    lon1: float
    lat2: float
    lon2: float


class Band(Struct, frozen=True):
    """`FREQ low TO high` in MHz, bounds included."""

    low: float
    high: float


class Since(Struct, frozen=True):
    """`SINCE 10m` (`ago_s` seconds before the reference time) or `SINCE 2026-01-01` (`ts`, Unix seconds)."""

    ago_s: float | None = None
    ts: float | None = None


class Moment(Struct, frozen=True):
    """`AS OF 1200` (a `sequence`) or `AS OF 2026-01-01T12:00Z` (`ts`, Unix seconds, by ingest time)."""

    sequence: int | None = None
    ts: float | None = None


class Query(Struct, frozen=True, kw_only=True):
    """One question; without conditions everything fits.

    `of` starts a walk of at most `depth` steps over edges. `any_member`: an edge is taken when one of its members
    fits, not only when all do. Conditions of one kind given several times all have to hold.
    """

    find: What = "nodes"
    of: str | None = None
    depth: int = 1
    any_member: bool = False
    where: tree.Node | None = None
    within: tuple[Within, ...] = ()
    boxes: tuple[Box, ...] = ()
    rooms: tuple[str, ...] = ()
    bands: tuple[Band, ...] = ()
    since: Since | None = None
    as_of: Moment | None = None
    order_by: str | None = None
    descending: bool = False
    limit: int | None = None
    returns: Shape = "nodes"
    explain: bool = False
    text: str = ""

    def __str__(self) -> str:
        """The canonical text."""
        return self.text
