"""Severities order, rise and saturate; the thirteen documented streams come first."""

from __future__ import annotations

import pytest

from dsmil.events.decision import category_of, severity_of
from dsmil.events.enums import DOCUMENTED_STREAMS, Category, Severity, StreamName, highest


def test_severity_rises_and_saturates() -> None:
    assert [s.raised() for s in Severity] == [
        Severity.MEDIUM,
        Severity.HIGH,
        Severity.CRITICAL,
        Severity.CRITICAL,
    ]
    assert highest(Severity.LOW, Severity.HIGH, Severity.MEDIUM) is Severity.HIGH


@pytest.mark.parametrize(("word", "meant"), [("high", "HIGH"), ("MODERATE", "MEDIUM"), (" info ", "LOW")])
def test_earlier_words_are_understood(word: str, meant: str) -> None:
    assert Severity.parse(word) == meant
    with pytest.raises(ValueError, match="CRITICAL"):
        Severity.parse("worst")


def test_the_thirteen_are_the_documented_ones() -> None:
    assert len(DOCUMENTED_STREAMS) == 13
    assert DOCUMENTED_STREAMS[-1] is StreamName.L9_COMMANDS


def test_the_severity_table() -> None:
    assert severity_of("ais.distress") is Severity.CRITICAL
    assert severity_of("net.flow_risk") is Severity.HIGH
    assert severity_of("ais.gone_dark") is Severity.MEDIUM
    assert severity_of("rf.new_emitter") is Severity.LOW
    assert [category_of(d) for d in ("ais.jump", "net.new_host", "source.gap")] == [
        Category.INTEL, Category.NETWORK, Category.SYSTEM,
    ]  # fmt: skip
