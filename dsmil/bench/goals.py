"""The goals beside which the figures stand: the floor a release must reach, and the moonshot.

From design/PERFORMANCE.md. L is redis-benchmark's pipelined XADD on the same server in the same run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class Goal(Struct, frozen=True):
    """One figure of the report: topic, key, what it says, its unit, the two marks, and which side is better."""

    topic: str
    key: str
    about: str
    unit: str
    floor: float | None = None
    moonshot: float | None = None
    lower: bool = False

    def met(self, value: float) -> str:
        """`moonshot`, `floor` or `below`; empty where there is no mark."""
        if self.floor is None:
            return ""
        sign = -1 if self.lower else 1
        if self.moonshot is not None and sign * value >= sign * self.moonshot:
            return "moonshot"
        return "floor" if sign * value >= sign * self.floor else "below"


GOALS: tuple[Goal, ...] = (
    Goal("streams", "publish_ratio", "publish", "L", 0.40, 0.60),
    Goal("streams", "consume_ratio", "consume, validate, acknowledge", "L", 0.50, 0.75),
    Goal("router", "ratio", "router hop, hot database off", "L", 0.20, 0.45),
    Goal("router", "cpu_s_per_100k", "router hop", "CPU s/100k", 0.9, 0.4, lower=True),
    Goal("router_fresh", "ratio", "router hop, no repeats", "L"),
    Goal("router_whole", "ratio", "whole router, hot database and SHRINK on", "L", 0.08, 0.20),
    Goal("router_whole", "cpu_s_per_100k", "whole router", "CPU s/100k"),
    Goal("drainer", "per_s", "audited", "1/s", 25_000.0, 60_000.0),
    Goal("drainer", "ratio_to_bare", "drainer beside a bare insert", "of bare", 0.5, 0.9),
    Goal("l3", "per_s", "Layer 3, all detectors, no Redis", "obs/s", 15_000.0, 40_000.0),
    Goal("l3", "daemon_per_s", "the daemon l3, hot database on", "obs/s"),
    Goal("l4", "per_s", "Layer 4, all detectors, no Redis", "obs/s"),
    Goal("l4", "daemon_per_s", "the daemon l4, hot database on", "obs/s"),
    Goal("graph", "apply_per_s", "graph: events applied, no place", "1/s", 150_000.0, 300_000.0),
    Goal("graph", "apply_position_per_s", "graph: events applied, with a place", "1/s", 40_000.0, 80_000.0),
    Goal("graph", "build_s", "graph: nodes and edges built", "s", 1.5, 0.7, lower=True),
    Goal("graph", "rss_mb", "graph: resident memory", "MB", 200.0, 120.0, lower=True),
    Goal("graph", "subgraph_ms", "graph: subgraph by a label", "ms", 3.0, 0.5, lower=True),
    Goal("graph", "radius_ms", "graph: nodes within 10 km", "ms", 1.0, 0.05, lower=True),
    Goal("graph", "band_ms", "graph: nodes in a band", "ms", 1.0, 0.05, lower=True),
    Goal("graph", "diff_ms", "graph: diff over 1,000 events", "ms", 5.0, 1.0, lower=True),
    Goal("graph", "recover_s", "graph: snapshot and 50,000 events", "s", 4.0, 1.5, lower=True),
    Goal("chain", "sentences_per_s", "NMEA bytes to audit, all daemons", "1/s", 8_000.0, 20_000.0),
    Goal("chain", "p50_ms", "datagram to SOC event at 1k/s, median", "ms"),
    Goal("chain", "p99_ms", "datagram to SOC event at 1k/s, 99th of 100", "ms", 250.0, lower=True),
    Goal("decode", "ais_ratio_to_pyais", "AIS sentences", "x pyais", 1.0, 3.0),
    Goal("decode", "nmap_mb_per_s", "Nmap XML", "MB/s"),
    Goal("decode", "nmap_rss_mb", "Nmap XML, resident memory", "MB", 30.0, 20.0, lower=True),
)


def rows(report: Mapping[str, Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """(topic, what, figure, unit, floor, moonshot, which is met) of every goal the report has a figure for."""
    return [
        (goal.topic, goal.about, value, goal.unit, goal.floor, goal.moonshot, goal.met(value))
        for goal in GOALS
        if isinstance(value := report.get(goal.topic, {}).get(goal.key), int | float)
    ]
