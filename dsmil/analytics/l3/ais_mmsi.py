"""`ais.bad_mmsi`: a position report from a number that belongs to no ship (ITU-R M.585).

Each number is told once: a wrong number is a state, not an event that comes again.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from dsmil.analytics import nodes
from dsmil.analytics.detector import NOTHING, Found, Seen
from dsmil.analytics.mid import station_of
from dsmil.analytics.window import Table
from dsmil.config.detectors import L3
from dsmil.events.ais import Position

SAR_AIRCRAFT_TYPE = 9

_REASON = {
    "group": "it is the form of a group of ships (0MIDnnnnn), which cannot have a position",
    "coast": "it is a coast or base station's number (00MIDnnnn)",
    "sar_aircraft": "it is a search and rescue aircraft's number (111MIDnnn), which reports in message 9",
    "handheld": "it is a handheld VHF radio's number (8MIDnnnnn)",
    "aid": "it is an aid to navigation's number (99MIDnnnn)",
    "unallocated": "no administration holds its country digits",
    "none": "it has the form of no station",
}


class Told(Struct):
    """A number that was told."""

    seen: float


class BadMmsi:
    """Remembers the wrong numbers it has told."""

    name = "ais.bad_mmsi"
    device = 20
    kinds = frozenset({"ais.position"})

    def __init__(self, bounds: L3) -> None:
        self._bounds = bounds
        self.reset()

    def reset(self) -> None:
        """Forget what was told."""
        self._told: Table[int, Told] = Table(
            int, Told, count_max=self._bounds.entities_max, idle_s=self._bounds.idle_s
        )

    def dump(self) -> bytes:
        """What was told."""
        return self._told.dump()

    def restore(self, data: bytes) -> None:
        """Take over what `dump` gave."""
        self._told.restore(data)

    def observe(self, seen: Seen) -> Iterable[Found]:
        """A position report, whose number is for a ship nearly always."""
        at: Position = seen.payload
        station = station_of(at.mmsi)
        if station in ("ship", "craft", "distress") or (
            station == "sar_aircraft" and at.msg_type == SAR_AIRCRAFT_TYPE
        ):
            return NOTHING
        event = seen.event
        if self._told.touch(at.mmsi, event.ingest_ts) is not None:
            return NOTHING
        self._told.put(at.mmsi, Told(event.ingest_ts))
        return [
            Found(
                decision="ais.bad_mmsi",
                score=0.6 if station == "unallocated" else 0.7,
                entities=(nodes.vessel(at.mmsi),),
                explanation=f"MMSI {at.mmsi:09d} sent a ship's position report (message {at.msg_type}), "
                f"but {_REASON[station]}.",
                refs=(event.event_id,),
                ts=event.ts,
                features={
                    "mmsi": at.mmsi,
                    "form": station,
                    "msg_type": at.msg_type,
                    "lat": at.lat,
                    "lon": at.lon,
                },
            )
        ]
