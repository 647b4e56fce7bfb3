"""`ais.distress` and `ais.distress_test`: somebody's locating device is calling.

Devices: AIS-SART (970), man overboard (972), EPIRB (974), by ITU-R M.585; navigation status 14 means active, 15
a test (ITU-R M.1371-5, table 45), and message 14 carries "SART ACTIVE" or "SART TEST" (IEC 61097-14).

A ship's own number with status 14 counts where it had another status before: some ships' sets are simply keyed
in wrong and say 14 for years, lying at their berth.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from dsmil.analytics import nodes
from dsmil.analytics.detector import NOTHING, Found, Seen
from dsmil.analytics.mid import DISTRESS_PREFIXES
from dsmil.analytics.window import Table, pack_parts, restore_parts
from dsmil.config.detectors import L3
from dsmil.events.ais import Position, Safety

STATUS_ACTIVE, STATUS_TEST = 14, 15
BROADCAST = 14
QUIET_S = 3600.0
"""A device heard again after so long a silence is a new call: one that calls reports each minute."""

_TEST = re.compile(r"\bTEST(ING)?\b", re.IGNORECASE)
_ACTIVE = re.compile(r"\b(SART|MOB|EPIRB)\s+ACTIVE\b", re.IGNORECASE)


class Caller(Struct):
    """One device that called: when last, and whether in earnest."""

    seen: float
    ts: float
    active: bool
    lat: float | None = None
    lon: float | None = None


class Plain(Struct, gc=False):
    """A ship that was heard with an ordinary status."""

    seen: float
    status: int


class Distress:
    """Remembers who is calling, so that each call is told once."""

    name = "ais.distress"
    device = 22
    kinds = frozenset({"ais.position", "ais.safety"})

    def __init__(self, bounds: L3) -> None:
        self._bounds = bounds
        self.reset()

    def reset(self) -> None:
        """Forget all callers."""
        self._callers: Table[int, Caller] = Table(
            int, Caller, count_max=self._bounds.entities_max, idle_s=self._bounds.idle_s
        )
        self._plain: Table[int, Plain] = Table(
            int, Plain, count_max=self._bounds.entities_max, idle_s=self._bounds.idle_s
        )

    def dump(self) -> bytes:
        """All callers, and who was heard in ordinary."""
        return pack_parts(self._callers, self._plain)

    def restore(self, data: bytes) -> None:
        """Take over what `dump` gave."""
        restore_parts(data, self._callers, self._plain)

    def observe(self, seen: Seen) -> Iterable[Found]:
        """A position or a safety text of somebody who may be calling."""
        said = seen.payload
        if type(said) is Position:
            return self._position(said, seen)
        assert isinstance(said, Safety)
        device = said.mmsi // 1_000_000 in DISTRESS_PREFIXES
        if said.msg_type != BROADCAST or not (device or _ACTIVE.search(said.text)):
            return NOTHING
        return self._tell(seen, not _TEST.search(said.text), (None, None), f'message 14 "{said.text}"')

    def _position(self, said: Position, seen: Seen) -> Iterable[Found]:
        status, mmsi = said.nav_status, said.mmsi
        why = f"navigation status {status}"
        if mmsi // 1_000_000 not in DISTRESS_PREFIXES:
            plain = self._plain.get(mmsi)
            if status != STATUS_ACTIVE:
                if plain is None and status is not None:
                    self._plain.put(mmsi, Plain(seen.event.ingest_ts, status))
                return NOTHING
            if plain is None:
                return NOTHING
            why += f", which was {plain.status} when it was first heard"
        return self._tell(seen, status != STATUS_TEST, (said.lat, said.lon), why)

    def _tell(
        self, seen: Seen, active: bool, place: tuple[float | None, float | None], why: str
    ) -> Iterable[Found]:
        event, mmsi = seen.event, seen.payload.mmsi
        lat, lon = place
        caller = self._callers.touch(mmsi, event.ingest_ts)
        known = caller is not None and (caller.active or not active)
        if caller is not None and known and not (seen.timed and event.ts - caller.ts > QUIET_S):
            caller.ts = max(caller.ts, event.ts)
            if lat is not None:
                caller.lat, caller.lon = lat, lon
            return NOTHING
        if lat is None and caller is not None:
            lat, lon = caller.lat, caller.lon
        self._callers.put(mmsi, Caller(event.ingest_ts, event.ts, active, lat, lon))
        device = DISTRESS_PREFIXES.get(mmsi // 1_000_000)
        who = f"{device} {mmsi}" if device else f"Station {mmsi}"
        where = f" at {lat:.4f}, {lon:.4f}" if lat is not None and lon is not None else ", position not available"
        what = "signals distress" if active else "is being tested"
        return [
            Found(
                decision="ais.distress" if active else "ais.distress_test",
                score=(1.0 if device else 0.85) if active else 0.5,
                entities=(nodes.vessel(mmsi),),
                explanation=f"{who} {what} ({why}){where}.",
                refs=(event.event_id,),
                ts=event.ts,
                features={
                    "mmsi": mmsi,
                    "device": device,
                    "lat": lat,
                    "lon": lon,
                    "msg_type": seen.payload.msg_type,
                },
            )
        ]
