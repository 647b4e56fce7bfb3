"""A decision: what a detector of Layer 3 or 4 concluded, with the reasons."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from dsmil.events.enums import Category, Severity

Score = Annotated[float, Meta(ge=0.0, le=1.0)]
Feature = str | int | float | bool | None | tuple[float, ...]


class Decision(Struct, frozen=True, kw_only=True):
    """Kind `decision`. `entities` are graph node ids, the main one first; `features` carry units in names."""

    decision: str
    score: Score
    entities: tuple[str, ...]
    features: dict[str, Feature] = {}
    explanation: str = ""


_CRITICAL = frozenset({"ais.distress"})
_HIGH = frozenset(
    {"ais.duplicate_mmsi", "net.flow_risk", "net.cleartext_credentials", "net.scan_seen", "rf.wideband_rise"}
)
_MEDIUM = frozenset(
    {
        "ais.jump", "ais.gone_dark", "ais.identity_change", "ais.zone", "net.new_service", "net.risky_service",
        "net.beacon", "net.weak_tls", "rf.power_anomaly", "rf.freq_shift", "source.gap", "source.silent",
    }
)  # fmt: skip

RAISE_AT = 0.9
"""A score from here on may raise a decision by one level."""


def severity_of(decision: str) -> Severity:
    """The severity table of decisions.

    A detector may raise its own decision by one level where the score is `RAISE_AT` or more.
    """
    if decision in _CRITICAL:
        return Severity.CRITICAL
    if decision in _HIGH:
        return Severity.HIGH
    if decision in _MEDIUM:
        return Severity.MEDIUM
    return Severity.LOW


def category_of(decision: str) -> Category:
    """INTEL for ships and radios, NETWORK for hosts, SYSTEM for our own sources."""
    return {"net": Category.NETWORK, "source": Category.SYSTEM}.get(decision.split(".", 1)[0], Category.INTEL)
