"""`dsmil bench` runs every topic at tiny size and its JSON has the promised shape; no figure is judged here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from typing import Any

import pytest
from click.testing import CliRunner

from dsmil.bench import goals, sample
from dsmil.bench.figures import Sample, figures, interleaved, percentile
from dsmil.bench.whole import shipped
from dsmil.cli import main
from dsmil.events.decision import Decision
from dsmil.events.enums import StreamName
from dsmil.events.envelope import decode, unpack
from dsmil.sensors.ais_nmea import AisNmea
from dsmil.sensors.record import Observation

TINY = 300
FIGURES = {"per_s", "limit_per_s", "ratio", "cpu_s_per_100k", "runs", "rss_mb", "profile"}

needs_redis = pytest.mark.skipif(
    shutil.which("redis-server") is None or shutil.which("redis-benchmark") is None, reason="no Redis on PATH"
)


def bench(*words: str) -> dict[str, Any]:
    done = CliRunner().invoke(main, ["bench", *words, "--runs", "1", "--events", str(TINY), "--json"])
    assert done.exit_code == 0, done.output
    report: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return report


def measured(told: Mapping[str, Any]) -> None:
    assert told.keys() >= FIGURES
    assert told["per_s"] > 0
    assert told["limit_per_s"] > 0
    assert told["profile"] == "fast"


@pytest.mark.live
@needs_redis
def test_every_part_is_measured_beside_the_limit() -> None:
    report = bench("router", "drainer", "streams", "l3", "decode")
    for name in ("router", "router_fresh", "router_whole", "drainer", "l3"):
        measured(report[name])
    assert report["router"]["repeats_share"] > 0
    assert report["router_fresh"]["repeats_share"] == 0
    assert report["drainer"]["bare_per_s"] > 0
    assert report["streams"]["publish_ratio"] > 0
    assert report["streams"]["consume_ratio"] > 0
    assert report["decode"]["pyais_sentences_per_s"] > 0
    assert report["decode"]["nmap_mb_per_s"] > 0
    if shipped("l3"):
        assert report["l3"]["daemon_per_s"] > 0
    assert report["machine"]["cpus"] >= 1
    assert goals.rows(report)


@pytest.mark.live
@pytest.mark.slow
@needs_redis
def test_the_chain_is_measured_from_bytes_to_audit() -> None:
    told = bench("chain")["chain"]
    assert told["sentences_per_s"] > 0
    assert told["latency_samples"] > 0
    assert 0 <= told["p50_ms"] <= told["p99_ms"]
    assert told["streams"]["SOC_EVENTS"] > 0
    assert told["cpu_s_per_100k"].keys() == set(told["daemons"])


def test_an_unknown_topic_is_refused() -> None:
    done = CliRunner().invoke(main, ["bench", "nothing"])
    assert done.exit_code == 2
    assert "choose from" in done.output


def test_the_harbour_is_good_nmea_in_order_of_time() -> None:
    lines, span_s = sample.nmea(500, start_ts=1_700_000_000.0)
    parser = AisNmea()
    items = [*parser.feed(("\n".join(lines) + "\n").encode()), *parser.close()]
    seen = [item for item in items if isinstance(item, Observation)]
    assert len(lines) == 500
    assert len(seen) >= len(items) - 1  # the last static report may be cut in two
    times = [item.ts or 0.0 for item in seen]
    assert times == sorted(times)
    assert 0 < times[-1] - 1_700_000_000.0 <= span_s * 1.2


def test_our_positions_are_what_pyais_reads() -> None:
    import pyais

    from dsmil.scenarios.harbour import Vessel

    vessel = Vessel(mmsi=211500001, name="A", ship_type=70, lat=54.5, lon=-10.25, sog_kn=12.3, cog_deg=270.0)
    told = pyais.decode(sample.position(vessel, 0.0)).asdict()
    assert (told["mmsi"], told["speed"], told["course"], told["heading"]) == (211500001, 12.3, 270.0, 270)
    assert told["lat"] == pytest.approx(54.5, abs=1e-5)
    assert told["lon"] == pytest.approx(-10.25, abs=1e-5)


def test_decisions_repeat_about_two_thirds_or_not_at_all() -> None:
    def keys(fresh: bool) -> list[tuple[str, str]]:
        events = [decode(data) for _, data in sample.decisions(1_000, start_ts=1e9, fresh=fresh)]
        told = [unpack(event, Decision) for event in events]
        return [(one.decision, one.entities[0]) for one in told]

    assert len(set(keys(fresh=True))) == 1_000
    assert len({entity for _, entity in keys(fresh=False)}) == 1_000 // sample.PER_ENTITY
    streams = {stream for stream, _ in sample.decisions(100, start_ts=1e9)}
    assert streams == {StreamName.L3_OUT, StreamName.L4_OUT}


def test_ratios_are_taken_run_by_run() -> None:
    marks = iter([100.0, 200.0, 200.0])
    (samples,), limits = interleaved(2, lambda: next(marks), lambda: Sample(items=75, seconds=1.0, cpu_s=0.5))
    told = figures(samples, limits)
    assert limits == [150.0, 200.0]
    assert told["ratio"] == pytest.approx((75 / 150 + 75 / 200) / 2, abs=1e-3)
    assert told["runs"] == 2


def test_percentile_by_nearest_rank() -> None:
    assert percentile(range(100), 0.99) == 99
    assert percentile([], 0.5) == 0.0


@pytest.mark.parametrize(("value", "said"), [(0.5, "moonshot"), (0.3, "floor"), (0.1, "below")])
def test_a_goal_says_which_mark_is_met(value: float, said: str) -> None:
    more = goals.Goal("t", "k", "a", "u", 0.2, 0.4)
    less = goals.Goal("t", "k", "a", "u", 0.8, 0.6, lower=True)
    assert more.met(value) == said
    assert less.met(1 - value) == said
