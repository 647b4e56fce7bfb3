"""A heartbeat's metrics tell rejects by reason, drops by source, SHRINK as it is, and what was held back."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dsmil.clock import SYSTEM
from dsmil.daemons import gauges
from dsmil.events.soc import ShrinkSignal
from dsmil.fabric.wire import Wire
from dsmil.runtime.metrics import Metrics
from dsmil.sensors.ais_nmea import AisNmea
from dsmil.sensors.loop import kit_for
from dsmil.sensors.source import LiveSource
from dsmil.sensors.stamp import live_origin
from dsmil.sensors.udp import Udp

GOOD = b"!AIVDM,1,1,,A,13HOI:0P0000VOHLCnHQKwvL05Ip,0*23\n"


def samples(metrics: Metrics) -> dict[str, float]:
    """Values by name and the labels that are not the daemon's."""
    return {
        " ".join([sample.name, *(v for k, v in sorted(sample.labels.items()) if k != "daemon")]): sample.value
        for family in text_string_to_metric_families(metrics.text())
        for sample in family.samples
    }


@pytest.mark.live
def test_records_are_told_by_source_outcome_and_reason(redis_socket: str, tmp_path: Path) -> None:
    kit = kit_for(Wire(f"unix://{redis_socket}"), voice="ais-playback", device=11)
    transport = Udp("127.0.0.1", 0, clock=SYSTEM)
    source = LiveSource(live_origin("ais:udp:1", "run", device=11), transport, AisNmea, kit=kit)
    parser = AisNmea()
    for item in [*parser.feed(GOOD + GOOD[:-3] + b"00\n# comment\n"), *parser.close()]:
        source.intake.take(item)
    source.intake.lost(7)
    metrics = Metrics("ais-playback")
    metrics.watch(lambda: gauges.sources(metrics, [source]))
    for _ in range(2):
        found = samples(metrics)
        assert found["dsmil_source_records_total accepted  ais:udp:1"] == 1
        assert found["dsmil_source_records_total rejected checksum ais:udp:1"] == 1
        assert found["dsmil_source_dropped_total ais:udp:1"] == 7
    source.close()


def test_what_shrink_never_said_is_no_number() -> None:
    metrics = Metrics("soc-router")
    gauges.shrink(metrics, ShrinkSignal())
    found = samples(metrics)
    assert found["dsmil_shrink_available"] == 0 and math.isnan(found["dsmil_shrink_crisis_level"])
    gauges.shrink(metrics, ShrinkSignal(available=True, age_s=0.5, crisis_level=0.9))
    found = samples(metrics)
    assert (found["dsmil_shrink_available"], found["dsmil_shrink_crisis_level"]) == (1, 0.9)
    assert math.isnan(found["dsmil_shrink_risk_acute_stress"]) and found["dsmil_shrink_age_seconds"] == 0.5


def test_reasons_of_suppression_are_bounded() -> None:
    metrics = Metrics("soc-router")
    held = {f"reason {n}": n for n in range(3 * gauges.REASONS_MAX)}
    gauges.suppressed(metrics, held)
    found = samples(metrics)
    assert found["dsmil_soc_suppressed_total reason 7"] == 7
    assert sum(name.startswith("dsmil_soc_suppressed_total") for name in found) == gauges.REASONS_MAX
