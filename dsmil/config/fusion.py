"""Layer 4: how its daemon runs, and the thresholds and weights of its fusion.

Defaults are the definitions of design/SENSORS.md 3 and 4.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class L4(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[l4]`: the fusion daemon, devices 23 to 30."""

    batch: Annotated[int, Meta(ge=1, le=5000)] = 500
    """Entries read at once."""
    entities_max: Annotated[int, Meta(ge=100, le=2_000_000)] = 200_000
    """Vessels, hosts and emitters remembered; beyond it the least recently seen is forgotten."""
    pairs_max: Annotated[int, Meta(ge=100, le=1_000_000)] = 50_000
    """Pairs under watch in each detector (about 400 bytes each)."""
    idle_s: Annotated[float, Meta(ge=60, le=2_592_000)] = 86_400.0
    """Seconds without any observation after which an entity is forgotten."""
    status_s: Annotated[float, Meta(ge=1, le=30)] = 10.0
    """Seconds between two rows of its devices in device_status; a device silent for 60 s is OFFLINE."""
    graph: bool = True
    """Say on GRAPH_EVENTS what is linked and decided. That waits for the projector; without one, false."""
    cpa_nm: Annotated[float, Meta(gt=0, le=10)] = 0.5
    """Predicted closest point of approach in nautical miles below which two vessels are told."""
    cpa_within_s: Annotated[float, Meta(ge=60, le=7200)] = 1200.0
    """... when it is at most so many seconds ahead."""
    under_way_kn: Annotated[float, Meta(ge=0, le=100)] = 3.0
    """Speed in knots above which a vessel is under way."""
    meet_m: Annotated[float, Meta(gt=0, le=5000)] = 500.0
    """Distance in metres within which two vessels meet."""
    meet_kn: Annotated[float, Meta(gt=0, le=20)] = 2.0
    """Speed in knots below which a vessel that meets another is stopped."""
    meet_s: Annotated[float, Meta(ge=60, le=86_400)] = 600.0
    """How long, in seconds, they stay together before it is a rendezvous."""
    apart_nm: Annotated[float, Meta(gt=0, le=100)] = 1.0
    """How far apart, in nautical miles, they must have been before."""
    ports: tuple[tuple[float, float, float], ...] = ()
    """Places where ships lie together: [latitude, longitude, radius in nautical miles]; no rendezvous inside."""
    link_score: Annotated[float, Meta(gt=0, le=1)] = 0.7
    """Score from which a link binds; a single weak term can never reach it."""
    unlink_score: Annotated[float, Meta(ge=0, le=1)] = 0.5
    """Score below which a bound link is undone."""
    link_km: Annotated[float, Meta(gt=0, le=100)] = 5.0
    """Distance in kilometres between an emission and a vessel at which the distance term is zero."""
    weight_distance: Annotated[float, Meta(ge=0, le=1)] = 0.4
    """Weight of the distance between emission and vessel."""
    weight_movement: Annotated[float, Meta(ge=0, le=1)] = 0.4
    """Weight of moving together."""
    weight_time: Annotated[float, Meta(ge=0, le=1)] = 0.2
    """Weight of being there at the same time; alone it never binds."""
