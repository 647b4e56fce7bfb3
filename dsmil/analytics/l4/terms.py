"""A score out of terms: each between 0 and 1, weighted, the missing ones left out.

A link that rests on weak terms alone (time, being near) is held below the binding score, however good they look.
"""

from __future__ import annotations

from msgspec import Struct

WEAK_MARGIN = 0.1
"""How far below the binding score weak terms can lead."""


class Term(Struct, frozen=True):
    """One reason: `value` 0..1 or null where it cannot be known, its weight, and whether it may bind alone."""

    name: str
    value: float | None
    weight: float
    strong: bool = False


def score(terms: tuple[Term, ...], binding: float) -> float:
    """Weighted mean of the known terms; below `binding` unless a strong term with any weight is among them."""
    known = [term for term in terms if term.value is not None and term.weight > 0]
    weight = sum(term.weight for term in known)
    if not weight:
        return 0.0
    mean = sum(term.weight * (term.value or 0.0) for term in known) / weight
    if not any(term.strong for term in known):
        return min(mean, max(0.0, binding - WEAK_MARGIN))
    return mean


def features(terms: tuple[Term, ...]) -> dict[str, float | None]:
    """The terms as features of a decision: `term_<name>`."""
    return {f"term_{term.name}": None if term.value is None else round(term.value, 3) for term in terms}


def told(terms: tuple[Term, ...]) -> str:
    """The terms in words, for the explanation."""
    return ", ".join(
        f"{term.name} {'not known' if term.value is None else format(term.value, '.2f')}" for term in terms
    )
