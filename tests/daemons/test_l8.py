"""The l8 process: one merged alert for each SOC event, advice once, and no feedback."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from dsmil.events import envelope, ids
from dsmil.events.decision import Decision, severity_of
from dsmil.events.enums import Category
from dsmil.events.envelope import Event
from dsmil.events.soc import Advice, Alert8
from dsmil.soc.router import Router

pytestmark = pytest.mark.live
T0 = 1_700_000_000.0
NAMES = ("ais.kinematics", "ais.jump", "ais.duplicate_mmsi", "ais.distress")


def soc_events(count: int) -> list[Event]:
    decisions = [
        Event(
            event_id=ids.digest("test", str(i)), ts=T0, ingest_ts=T0, source_device=20, source_layer=3, source="l3",
            category=Category.INTEL, severity=severity_of(NAMES[i % 4]), kind="decision",
            payload=envelope.pack(Decision(decision=NAMES[i % 4], score=0.5, entities=(f"vessel:{i}",))),
        )
        for i in range(count)
    ]  # fmt: skip
    return Router().process(decisions)


def test_row_11_row_12_one_alert_each_and_advice_once_through_a_kill(bench: Any) -> None:
    events = soc_events(800)
    child = bench.start("l8")
    bench.add("SOC_EVENTS", events[:400])
    bench.wait("L8_ALERTS", lambda alerts: len(alerts) >= 100)
    bench.stop(child, signal.SIGKILL)
    bench.add("SOC_EVENTS", events[400:])
    bench.add("SOC_EVENTS", events[:10])  # delivered again: another producer's retry
    child = bench.start("l8")
    alerts = bench.wait("L8_ALERTS", lambda alerts: len(alerts) >= 800)
    assert bench.stop(child) == 0, bench.words()
    alerts = bench.events("L8_ALERTS")
    records = [envelope.unpack(alert, Alert8) for alert in alerts]
    assert sorted(record.soc_event_id for record in records) == sorted(event.event_id for event in events)
    assert all(record.l8_enrichment.processed_by == tuple(range(51, 59)) for record in records)
    advice = [envelope.unpack(event, Advice) for event in bench.events("L9_COMMANDS")]
    assert len(advice) == len({one.soc_event_id for one in advice}) == 400
    assert {one.severity for one in advice} == {"HIGH", "CRITICAL"} and all(one.advisory for one in advice)
    assert bench.redis.xlen("SOC_EVENTS") == 810, "Layer 8 writes nothing back"
