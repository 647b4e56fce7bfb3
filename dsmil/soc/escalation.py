"""Raises a severity by what SHRINK says of the people on watch.

Thresholds of the original design, both inclusive: crisis level 0.8 or more makes it CRITICAL, acute stress 0.7
or more raises it one level (CRITICAL saturates). Unknown values escalate nothing and are shown as unknown.
"""

from __future__ import annotations

from dsmil.events.enums import Severity
from dsmil.events.soc import ShrinkSignal

CRISIS_AT = 0.8
"""`crisis_level` from which any event is CRITICAL."""
ACUTE_STRESS_AT = 0.7
"""`risk_acute_stress` from which an event is raised one level."""


def reasons(shrink: ShrinkSignal) -> tuple[str, ...]:
    """The thresholds that are reached, by name of the value."""
    crisis = shrink.crisis_level is not None and shrink.crisis_level >= CRISIS_AT
    stress = shrink.risk_acute_stress is not None and shrink.risk_acute_stress >= ACUTE_STRESS_AT
    return ("shrink.crisis_level",) * crisis + ("shrink.risk_acute_stress",) * stress


def trusted(shrink: ShrinkSignal, age_max_s: float) -> bool:
    """Whether the values are young enough to act on: SHRINK answers, or did so at most `age_max_s` ago."""
    return shrink.available or (shrink.age_s is not None and shrink.age_s <= age_max_s)


def escalate(base: Severity, shrink: ShrinkSignal, age_max_s: float) -> tuple[Severity, tuple[str, ...]]:
    """The severity after SHRINK, and which of its values made it so (none where `base` stands)."""
    if not trusted(shrink, age_max_s):
        return base, ()
    why = reasons(shrink)
    if "shrink.crisis_level" in why:
        return Severity.CRITICAL, why
    return (base.raised(), why) if why else (base, ())


def remark(shrink: ShrinkSignal, age_max_s: float) -> str:
    """A sentence for the event where the last values would have escalated but are too old; else nothing."""
    if trusted(shrink, age_max_s) or not reasons(shrink):
        return ""
    return (
        f"SHRINK has been away for {shrink.age_s or 0.0:.0f} s; its last values "
        f"({', '.join(reasons(shrink))}) are too old to raise the severity."
    )
