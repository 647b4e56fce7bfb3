"""Device 55, Behavioral Biometrics: can the people on watch take this in right now?

Thresholds are SHRINK's own alert thresholds (design 1). An unknown state is flagged as unknown, not as calm.
"""

from __future__ import annotations

from dsmil.soc.workers.finding import Case, Finding

DEVICE = 55
STRESS_AT = 0.7
OVERLOAD_AT = 0.75
HYPERFOCUS_AT = 0.8


def examine(case: Case) -> Finding:
    """OPERATOR_STRESS, OPERATOR_OVERLOAD, OPERATOR_HYPERFOCUS, or OPERATOR_STATE_UNKNOWN while SHRINK is away."""
    shrink = case.payload.signals.shrink
    if not shrink.available:
        return Finding(analytics_flags=("OPERATOR_STATE_UNKNOWN",))
    values = (
        ("OPERATOR_STRESS", shrink.risk_acute_stress, STRESS_AT),
        ("OPERATOR_OVERLOAD", shrink.cognitive_load, OVERLOAD_AT),
        ("OPERATOR_HYPERFOCUS", shrink.lbi_hyperfocus, HYPERFOCUS_AT),
    )
    return Finding(analytics_flags=tuple(n for n, value, limit in values if value is not None and value >= limit))
