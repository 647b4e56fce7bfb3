"""nDPI's own object, `ndpi`, as ndpiReader and nDPId print it: what the flow is, and what is risky in it.

Both tools serialise it with the same library function, so it is read in one place.
"""

from __future__ import annotations

from typing import Any

from dsmil.events.net import Risk
from dsmil.sensors.ndpi_fields import table, text, whole

RISKS_MAX = 64
"""nDPI numbers its risks in 64 bits."""

# nDPI's own score for a severity (ndpi_risk_score of ndpi_typedefs.h, 4.x). The printed `risk_score` is not
# used: ndpiReader 4.11 reads the risk id as a bit mask there, and a Low risk prints 500.
_SEVERITY_SCORE = {"Low": 10, "Medium": 50, "High": 100, "Severe": 150, "Critical": 200, "Emergency": 250}


def risks(value: object) -> tuple[Risk, ...]:
    """The risks of an nDPI `flow_risk` object, by their number; `score` is nDPI's for the severity word."""
    found = []
    for number, entry in list(table(value).items())[:RISKS_MAX]:
        said = table(entry)
        severity = text(said.get("severity"))
        name = text(said.get("risk")) or ""
        if name or severity:
            score = _SEVERITY_SCORE.get(severity or "")
            found.append(Risk(id=whole(number), name=name, severity=severity, score=score))
    return tuple(found)


def ndpi_part(value: object) -> dict[str, Any]:
    """The fields of a `Flow` that stand in nDPI's own `ndpi` object (ndpiReader and nDPId print the same)."""
    ndpi = table(value)
    tls = table(ndpi.get("tls"))
    encrypted = ndpi.get("encrypted")
    return {
        "l7_proto": text(ndpi.get("proto")),
        "l7_category": text(ndpi.get("category")),
        "hostname": text(ndpi.get("hostname")) or text(tls.get("server_names")),
        "risks": risks(ndpi.get("flow_risk")),
        "ja3": text(tls.get("ja3")),
        "ja4": text(tls.get("ja4")),
        "encrypted": None if encrypted is None else encrypted in (1, True, "1"),
        "community_id": text(ndpi.get("community_id")),
    }
