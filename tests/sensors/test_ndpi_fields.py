"""Flow fields are read whatever type they come in, and never raise."""

from __future__ import annotations

import math

import pytest

from dsmil.sensors.ndpi_fields import address, flow_id, l4_name, port, seconds, text, whole
from dsmil.sensors.ndpi_object import risks

STRANGE = [
    None,
    True,
    [],
    {},
    "",
    " ",
    "x" * 10_000,
    -1,
    1.5,
    math.nan,
    math.inf,
    10**4000,
    "9" * 5000,
    "١٢",
    "1e999",
]


@pytest.mark.parametrize("read", [text, whole, port, seconds, address, l4_name, risks])
@pytest.mark.parametrize("value", STRANGE, ids=lambda value: repr(value)[:20])
def test_nothing_raises(read, value) -> None:  # type: ignore[no-untyped-def]
    read(value)


def test_counts_are_numbers_or_digits() -> None:
    assert [whole(v) for v in (5, "5", 5.0, "05", True, -1, "-1", 2**63)] == [5, 5, 5, 5, None, None, None, None]
    assert [port(v) for v in (65535, 65536, "443")] == [65535, None, 443]


def test_times_are_seconds_whatever_their_unit() -> None:
    assert seconds(1700000000.25) == seconds("1700000000.25") == seconds(1700000000250) == 1700000000.25
    assert seconds(1700000000250000) == 1700000000.25
    assert seconds(12.5) == 12.5, "seconds of a recording"
    assert [seconds(v) for v in (-1, math.nan, "soon", 10**19)] == [None] * 4


def test_addresses_are_canonical() -> None:
    assert address("2001:DB8:0:0::1") == "2001:db8::1"
    assert [address(v) for v in ("192.0.2.1", "192.0.2.256", 3221225985)] == ["192.0.2.1", None, None]


def test_transports_have_one_name() -> None:
    assert [l4_name(v) for v in (6, "6", "tcp", "icmp6", "ICMPV6", 132, 250)] == [
        "TCP", "TCP", "TCP", "ICMPV6", "ICMPV6", "SCTP", "250",
    ]  # fmt: skip


def test_a_flow_has_one_name_from_both_ends_and_its_own() -> None:
    there = flow_id("TCP", ("192.0.2.1", 1), ("192.0.2.2", 2), 7, 1.5)
    assert there == flow_id("TCP", ("192.0.2.2", 2), ("192.0.2.1", 1), 7, 1.5)
    others = {
        flow_id("UDP", ("192.0.2.1", 1), ("192.0.2.2", 2), 7, 1.5),
        flow_id("TCP", ("192.0.2.1", 2), ("192.0.2.2", 1), 7, 1.5),
        flow_id("TCP", ("192.0.2.1", 1), ("192.0.2.2", 2), 8, 1.5),
        flow_id("TCP", ("192.0.2.1", 1), ("192.0.2.2", 2), 7, 2.5),
    }
    assert len(others) == 4 and there not in others


def test_a_risk_is_scored_by_its_word_not_by_what_is_printed() -> None:
    """ndpiReader 4.11 prints 500 for a Low risk, because it reads the risk's number as a bit mask."""
    (risk,) = risks({"46": {"risk": "Unidirectional Traffic", "severity": "Low", "risk_score": {"total": 500}}})
    assert (risk.id, risk.name, risk.severity, risk.score) == (46, "Unidirectional Traffic", "Low", 10)
    assert risks({"1": {}, "2": 5}) == ()
