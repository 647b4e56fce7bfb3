"""Ships, aircraft, base stations and aids to navigation, as their own messages tell of them.

A vessel is who sends a ship's message (types 1-3, 18, 19, 27, 5 and 24), whatever its number. A search and rescue
aircraft (type 9) has the same id, by which decisions and links call it, and the kind `aircraft`; that kind yields
to a ship's message of the same number, be it earlier or later. A base station (4, 11) and an aid (21) have ids of
their own, so a number used by a ship too stays two nodes.
"""

from __future__ import annotations

from functools import lru_cache

from dsmil.analytics import nodes
from dsmil.analytics.sketch.said import Said, named, place, text
from dsmil.events.ais import Aton, Base, Position, Static
from dsmil.events.envelope import Event
from dsmil.events.graph import NODE_UPDATE, Patch

AIRCRAFT = 9
_YIELDS = {"kind": 0.0}
"""Said at the beginning of time, so whoever says another kind is right."""


def position(at: Position, _: Event) -> tuple[Said, ...]:
    """Kind `ais.position`: by far the most frequent, so its facts are put down one by one."""
    facts: dict[str, float] = {}
    if at.sog_kn is not None:
        facts["sog_kn"] = at.sog_kn
    if at.cog_deg is not None:
        facts["cog_deg"] = at.cog_deg
    if at.heading_deg is not None:
        facts["heading_deg"] = at.heading_deg
    if at.rot_deg_min is not None:
        facts["rot_deg_min"] = at.rot_deg_min
    if at.nav_status is not None:
        facts["nav_status"] = at.nav_status
    ship, labels = _ship(at.mmsi)
    where = place(at.lat, at.lon, at.alt_m if at.msg_type == AIRCRAFT else None)
    if at.msg_type == AIRCRAFT:
        patch = Patch(id=ship, kind="aircraft", position=where, labels=labels, metadata=facts, times=_YIELDS)
    else:
        patch = Patch(id=ship, kind="vessel", position=where, labels=labels, metadata=facts)
    return ((NODE_UPDATE, patch),)


def static(at: Static, _: Event) -> tuple[Said, ...]:
    """Kind `ais.static`. Numbers that name a ship are text; codes and measures are numbers."""
    labels = named(
        ("mmsi", str(at.mmsi)),
        ("name", text(at.name)),
        ("callsign", text(at.callsign)),
        ("imo", None if at.imo is None else str(at.imo)),
        ("ship_type", at.ship_type),
    )
    metadata = named(
        ("destination", text(at.destination)),
        ("eta", text(at.eta)),
        ("draught_m", at.draught_m),
        ("dim_bow_m", at.dim_bow_m),
        ("dim_stern_m", at.dim_stern_m),
        ("dim_port_m", at.dim_port_m),
        ("dim_starboard_m", at.dim_starboard_m),
    )
    return ((NODE_UPDATE, Patch(id=nodes.vessel(at.mmsi), kind="vessel", labels=labels, metadata=metadata)),)


def base(at: Base, _: Event) -> tuple[Said, ...]:
    """Kind `ais.base`."""
    where, labels = place(at.lat, at.lon), {"mmsi": str(at.mmsi)}
    return ((NODE_UPDATE, Patch(id=nodes.base(at.mmsi), kind="base_station", position=where, labels=labels)),)


def aton(at: Aton, _: Event) -> tuple[Said, ...]:
    """Kind `ais.aton`."""
    labels = named(("mmsi", str(at.mmsi)), ("name", text(at.name)), ("aid_type", at.aid_type))
    metadata = named(("off_position", at.off_position), ("virtual", at.virtual))
    return (
        (
            NODE_UPDATE,
            Patch(
                id=nodes.aton(at.mmsi),
                kind="aton",
                position=place(at.lat, at.lon),
                labels=labels,
                metadata=metadata,
            ),
        ),
    )


@lru_cache(nodes.NAMES_CACHED)
def _ship(mmsi: int) -> tuple[str, dict[str, str]]:
    """A vessel's id, and its labels, which nobody may write to."""
    return nodes.vessel(mmsi), {"mmsi": str(mmsi)}
