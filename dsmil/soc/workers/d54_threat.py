"""Device 54, Threat Intel: does more than one source of knowledge say so?

Two layers agreeing on an entity is evidence a single detector cannot give.
"""

from __future__ import annotations

from dsmil.soc.workers.finding import Case, Finding

DEVICE = 54
CONFIDENT_AT = 0.7
"""Score from which both layers count as sure."""


def examine(case: Case) -> Finding:
    """CORROBORATED: Layers 3 and 4 both speak of the entity; HIGH_CONFIDENCE: both score 0.7 or more."""
    third, fourth = case.payload.signals.l3, case.payload.signals.l4
    if third is None or fourth is None:
        return Finding()
    sure = min(third.score, fourth.confidence) >= CONFIDENT_AT
    return Finding(analytics_flags=("CORROBORATED", "HIGH_CONFIDENCE") if sure else ("CORROBORATED",))
