"""Device 51, Adversarial ML Defense: is this event itself an attempt to mislead whoever reads it?

Names of ships, hosts and services are an attacker's text; what reads like an instruction to a language model is
flagged before any model or tired operator acts on it.
"""

from __future__ import annotations

import re

from dsmil.events.enums import Severity
from dsmil.soc.workers.finding import Case, Finding

DEVICE = 51
ANOMALY_ABOVE = 5.0
"""SHRINK's `anomaly_score` (a z-score) above which logs may have been tampered with."""
DISCREPANCY_ABOVE = 0.5
"""Difference of Layer 3's score and Layer 4's confidence above which the layers contradict each other."""
_INJECTION = re.compile(
    r"\b(?:ignore|disregard|forget|override)\s+(?:all\s+|any\s+|the\s+|your\s+)*(?:previous|prior|above|earlier)\b"
    r"|\bsystem\s+prompt\b|<\|?(?:im start|im end|system|endoftext)\|?>|\[/?INST\]"
    r"|\byou\s+are\s+now\s+(?:a|an|in)\b|\bdo\s+not\s+(?:tell|alert|report|log)\b",
    re.IGNORECASE,
)


def examine(case: Case) -> Finding:
    """POSSIBLE_LOG_TAMPER, LAYER_DISCREPANCY, PROMPT_INJECTION_PATTERN (HIGH at least), or LOG_INTEGRITY_OK."""
    signals = case.payload.signals
    anomaly = signals.shrink.anomaly_score if signals.shrink.available else None
    flags = (
        ("POSSIBLE_LOG_TAMPER", anomaly is not None and anomaly > ANOMALY_ABOVE),
        (
            "LAYER_DISCREPANCY",
            signals.l3 is not None
            and signals.l4 is not None
            and abs(signals.l3.score - signals.l4.confidence) > DISCREPANCY_ABOVE,
        ),
        ("PROMPT_INJECTION_PATTERN", any(_INJECTION.search(text) for text in _texts(case))),
    )
    raised = tuple(name for name, holds in flags if holds)
    if raised:
        return Finding(advml_flags=raised, at_least=Severity.HIGH)
    return Finding(advml_flags=("LOG_INTEGRITY_OK",))


def _texts(case: Case) -> tuple[str, ...]:
    seventh = case.payload.signals.l7 or {}
    texts = (case.payload.explanation, *case.payload.entities, *map(str, seventh.values()))
    # Underscores and dashes stand for blanks where a name may hold none.
    return tuple(text.replace("_", " ").replace("-", " ") for text in texts)
