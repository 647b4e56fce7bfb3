"""How much an edge still stands for: it fades with age, and being seen again holds it up.

Reinforcement is counted in the provenance, so the weight an edge was given is never touched by it: a radio link of
-60 dBm stays one. The formula is that of the earlier design (reference 2b): e^(-decay * age) times a mean of how
often it was seen, by how many sources, and how strong it was said to be.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, log

from dsmil.graph.entity import Edge
from dsmil.graph.picture import Picture

FAINT = 0.05
"""Below this an edge says nothing any more."""
_AGAIN, _SOURCES, _WEIGHT = 0.4, 0.3, 0.3
"""Shares of the three; the first saturates at ln(1 + n) = 5, some 150 sightings."""


def reinforcement(edge: Edge) -> int:
    """How often an edge was seen again after the first time."""
    return max(0, sum(row.count for row in edge.seen) - 1)


def persistence(edge: Edge, now_s: float, *, decay_per_s: float) -> float:
    """0 to about 1.15: how much `edge` stands for at `now_s` (Unix seconds); `decay_per_s` 0 is no fading."""
    age_s = max(0.0, now_s - edge.timestamp)
    again = min(1.0, log(1 + reinforcement(edge)) / 5)
    sources = min(1.5, 1 + 0.2 * len(edge.seen))
    return exp(-decay_per_s * age_s) * (
        _AGAIN * again + _SOURCES * sources + _WEIGHT * min(1.0, max(0.0, edge.weight))
    )


def faint(picture: Picture, now_s: float, *, decay_per_s: float, least: float = FAINT) -> Iterator[str]:
    """Ids of the edges that have faded below `least`."""
    for edge in picture.edges.values():
        if persistence(edge, now_s, decay_per_s=decay_per_s) < least:
            yield edge.id
