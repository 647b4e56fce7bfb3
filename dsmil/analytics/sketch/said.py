"""What one observation says of one entity, and how facts from outside are held to the bounds of a patch.

What is not known stays unnamed, so it takes nothing away that another source knows. A patch that breaks a bound of
`events.graph` would be refused by every reader, so nothing here may make one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import UNSET, UnsetType

from dsmil.events.envelope import Event, cut_text
from dsmil.events.graph import Patch

Said = tuple[str, Patch]
"""One of the kinds of `events.graph`, and its patch without provenance."""
Tell = Callable[[Any, Event], Iterable[Said]]
"""What a payload of one kind says; nodes before the edges over them."""

TEXT_BYTES_MAX = 256
"""Longest text of a label: names and banners; longer ones are somebody's joke."""
LIST_MAX = 32
"""Names in one label: services of a host, risks of a flow."""
MHZ_MAX = 1_000_000.0


def named(*facts: tuple[str, Any]) -> dict[str, Any]:
    """The facts that are known."""
    return {key: value for key, value in facts if value is not None}


def text(value: str | None) -> str | None:
    """A text from outside, cut; null for none, and for an empty one."""
    if not value:
        return None
    return value if len(value) <= TEXT_BYTES_MAX // 4 else cut_text(value, TEXT_BYTES_MAX)


def texts(values: Iterable[str | None]) -> list[str]:
    """Different texts in their order, bounded."""
    return list(dict.fromkeys(word for value in values if (word := text(value))))[:LIST_MAX]


def place(
    lat: float | None, lon: float | None, alt_m: float | None = None
) -> tuple[float, float] | tuple[float, float, float] | UnsetType:
    """[lat, lon] or [lat, lon, alt] where it is known and on the earth."""
    if lat is None or lon is None or not (-90.0 <= lat <= 90.0 and -180.0 <= lon <= 180.0):
        return UNSET
    return (lat, lon) if alt_m is None else (lat, lon, alt_m)


def megahertz(freq_hz: float | None) -> float | UnsetType:
    """A frequency as the graph has it, where it is one."""
    mhz = 0.0 if freq_hz is None else freq_hz / 1e6
    return mhz if 0.0 < mhz <= MHZ_MAX else UNSET
