"""Severity rises with SHRINK's crisis and stress values exactly as the design's table says."""

from __future__ import annotations

import pytest

from dsmil.events.enums import Severity
from dsmil.events.soc import ShrinkSignal
from dsmil.soc import escalation

L, M, H, C = Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL


@pytest.mark.parametrize("crisis", [None, 0.0, 0.79999, 0.8, 0.9, 1.0])
@pytest.mark.parametrize("acute", [None, 0.0, 0.69999, 0.7, 1.0])
@pytest.mark.parametrize("base", list(Severity))
def test_row_07_escalation_table(base: Severity, acute: float | None, crisis: float | None) -> None:
    shrink = ShrinkSignal(available=True, age_s=0.1, risk_acute_stress=acute, crisis_level=crisis)
    one_up = {L: M, M: H, H: C, C: C}[base]
    wanted = C if crisis is not None and crisis >= 0.8 else one_up if acute is not None and acute >= 0.7 else base
    severity, why = escalation.escalate(base, shrink, 30.0)
    assert severity is wanted
    assert bool(why) == ((crisis or 0) >= 0.8 or (acute or 0) >= 0.7)


def test_unknown_values_escalate_nothing() -> None:
    assert escalation.escalate(M, ShrinkSignal(), 30.0) == (M, ())


@pytest.mark.parametrize(("age_s", "wanted"), [(0.0, C), (30.0, C), (30.1, L), (9999.0, L)])
def test_last_values_escalate_only_while_young(age_s: float, wanted: Severity) -> None:
    shrink = ShrinkSignal(available=False, age_s=age_s, crisis_level=0.95)
    assert escalation.escalate(L, shrink, 30.0)[0] is wanted
    assert ("away for" in escalation.remark(shrink, 30.0)) == (wanted is L)


def test_no_remark_where_old_values_were_calm() -> None:
    assert escalation.remark(ShrinkSignal(available=False, age_s=99.0, crisis_level=0.1), 30.0) == ""
