"""`ais.identity_change`: a number whose name, callsign, IMO number or ship type is no longer what it was.

Padding, case, spaces and punctuation do not count, nor does a value that is not available. A value the number had
before is not told again, so two ships under one number do not flap.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from dsmil.analytics import nodes
from dsmil.analytics.detector import NOTHING, Found, Seen
from dsmil.analytics.mid import station_of
from dsmil.analytics.window import Table
from dsmil.config.detectors import L3
from dsmil.events.ais import Static

VALUES_MAX = 4
"""Values remembered for each field of a number; a fifth pushes out the oldest."""
FIELDS = ("name", "callsign", "imo", "ship_type")
WORDS = {"name": "name", "callsign": "callsign", "imo": "IMO number", "ship_type": "ship type"}
SCORES = {"imo": 0.85, "name": 0.75, "callsign": 0.75, "ship_type": 0.6}
"""How telling a change is: an IMO number stays with a hull for life, a ship type is often mistyped."""
IMO_MIN = 1_000_000
"""IMO numbers have seven digits; shorter ones are fitters' leftovers."""
LETTERS_MIN = {"name": 2, "callsign": 3}
"""Shorter names and callsigns are none: A, 1, X."""
EMPTY = frozenset({"", "0", "NA", "N/A", "NONE", "NONAME", "NAME", "UNKNOWN", "NIL", "TEST"})
"""What people key in for nothing."""


class Known(Struct):
    """What a number has said of itself: for each field the values it had, the latest last."""

    seen: float
    ts: float
    event_id: str
    values: dict[str, list[str]] = {}


class IdentityChange:
    """Remembers what each number calls itself."""

    name = "ais.identity_change"
    device = 20
    kinds = frozenset({"ais.static"})

    def __init__(self, bounds: L3) -> None:
        self._bounds = bounds
        self.reset()

    def reset(self) -> None:
        """Forget all identities."""
        self._known: Table[int, Known] = Table(
            int, Known, count_max=self._bounds.entities_max, idle_s=self._bounds.idle_s
        )

    def dump(self) -> bytes:
        """All identities."""
        return self._known.dump()

    def restore(self, data: bytes) -> None:
        """Take over the identities of `dump`."""
        self._known.restore(data)

    def observe(self, seen: Seen) -> Iterable[Found]:
        """A static report; compare what it says with what was said before."""
        said: Static = seen.payload
        event = seen.event
        now = {field: text for field in FIELDS if (text := _plain(field, getattr(said, field)))}
        if not now or station_of(said.mmsi) not in ("ship", "craft", "sar_aircraft"):
            return NOTHING
        known = self._known.touch(said.mmsi, event.ingest_ts)
        if known is None:
            known = Known(event.ingest_ts, event.ts, event.event_id)
            self._known.put(said.mmsi, known)
        changed: dict[str, tuple[str, str]] = {}
        for field, text in now.items():
            values = known.values.setdefault(field, [])
            if any(_letters(text) == _letters(value) for value in values):
                continue
            if values:
                changed[field] = (values[-1], text)
            values.append(text)
            del values[:-VALUES_MAX]
        before_id, before_ts = known.event_id, known.ts
        known.event_id, known.ts = event.event_id, event.ts
        return [self._found(seen, changed, before_id, before_ts)] if changed else NOTHING

    @staticmethod
    def _found(seen: Seen, changed: dict[str, tuple[str, str]], before_id: str, before_ts: float) -> Found:
        event, mmsi = seen.event, seen.payload.mmsi
        parts = [f"its {WORDS[field]} from {old} to {new}" for field, (old, new) in changed.items()]
        score = max(SCORES[field] for field in changed) + 0.05 * (len(changed) - 1)
        return Found(
            decision="ais.identity_change",
            score=min(0.99, score),
            entities=(nodes.vessel(mmsi),),
            explanation=f"Vessel {mmsi} changed {' and '.join(parts)}.",
            refs=(before_id, event.event_id),
            ts=event.ts,
            since_ts=min(before_ts, event.ts),
            features={
                key: value
                for field, (old, new) in changed.items()
                for key, value in ((f"{field}_before", old), (field, new))
            },
        )


def _plain(field: str, value: str | int | None) -> str:
    """A value without padding, case and spaces; empty where it is not available."""
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value) if value >= (IMO_MIN if field == "imo" else 1) else ""
    text = " ".join(value.replace("@", " ").upper().split())
    return "" if text in EMPTY or len(_letters(text)) < LETTERS_MIN[field] else text


def _letters(text: str) -> str:
    return "".join(letter for letter in text if letter.isalnum())
