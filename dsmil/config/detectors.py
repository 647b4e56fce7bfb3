"""Layer 3: how its daemon runs, and the thresholds of its detectors.

Defaults are the definitions of design/SENSORS.md 3; a threshold moved here makes a detector stricter or looser.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class L3(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[l3]`: the detectors' daemon, devices 15 to 22."""

    batch: Annotated[int, Meta(ge=1, le=1000)] = 500
    """Observations read at once."""
    entities_max: Annotated[int, Meta(ge=100, le=2_000_000)] = 200_000
    """Entities each detector remembers (about 500 bytes each); beyond it the least recently seen is forgotten."""
    idle_s: Annotated[float, Meta(ge=60, le=2_592_000)] = 86_400.0
    """Seconds without any observation after which an entity is forgotten."""
    status_s: Annotated[float, Meta(ge=1, le=30)] = 10.0
    """Seconds between two rows of its devices in device_status; a device silent for 60 s is OFFLINE."""
    graph: bool = True
    """Say on GRAPH_EVENTS what is seen of each entity. That waits for the projector; without one, false."""


class L3Ais(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[l3_ais]`: ships."""

    jump_kn: Annotated[float, Meta(gt=0, le=10_000)] = 100.0
    """Speed in knots no ship reaches: a change of place that implies more is a jump or another ship."""
    jump_within_s: Annotated[float, Meta(gt=0, le=3600)] = 60.0
    """Longest time in seconds between the two reports of a jump; after a longer hole a new place is none."""
    jump_min_nm: Annotated[float, Meta(ge=0, le=100)] = 0.5
    """Shortest jump in nautical miles: below it receivers' clocks and GPS errors explain everything."""
    dark_min_s: Annotated[float, Meta(ge=60, le=86_400)] = 1200.0
    """Silence in seconds before a ship under way may count as dark."""
    dark_intervals: Annotated[int, Meta(ge=2, le=1000)] = 20
    """Reporting intervals of its own a ship must have been silent for."""
    under_way_kn: Annotated[float, Meta(ge=0, le=100)] = 3.0
    """Speed over ground in knots above which a ship is under way."""
    witness_nm: Annotated[float, Meta(gt=0, le=100)] = 10.0
    """Distance in nautical miles within which others must still be received where a ship went dark."""


class L3Net(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[l3_net]`: hosts, services and flows."""

    baseline_scans: Annotated[int, Meta(ge=1, le=100)] = 2
    """Complete scans of a subnet that are its baseline; nothing in them is new."""


class L3Rf(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[l3_rf]`: radio emitters."""

    learning_s: Annotated[float, Meta(ge=0, le=2_592_000)] = 3600.0
    """Seconds of a source's own time in which every emitter is taken as known."""
    power_step_db: Annotated[float, Meta(gt=0, le=100)] = 8.0
    """Change of level in dB that is an anomaly when it lasts."""
    power_bursts: Annotated[int, Meta(ge=2, le=100)] = 10
    """Bursts in a row at the new level."""
    silent_periods: Annotated[int, Meta(ge=2, le=1000)] = 10
    """Periods a periodic emitter must miss."""
    variation_max: Annotated[float, Meta(gt=0, le=1)] = 0.3
    """Coefficient of variation of its intervals below which an emitter is periodic."""


class L3Source(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[l3_source]`: our own sources."""

    silent_s: Annotated[float, Meta(ge=10, le=86_400)] = 300.0
    """Seconds without data after which a live source is silent."""
    reject_share: Annotated[float, Meta(gt=0, le=1)] = 0.05
    """Share of rejected records that is too many (radio receivers lose 1 to 3 % to noise)."""
    reject_min: Annotated[int, Meta(ge=1, le=1_000_000)] = 100
    """Records a share is reckoned over at least."""
