"""Runs the topics asked for and puts their report together, with the machine it was made on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from dsmil.bench import chain as whole_chain
from dsmil.bench import graphing, sample, topics
from dsmil.bench.chain import Build
from dsmil.bench.rig import LIMIT_EVENTS, Profile, Rig
from dsmil.bench.topics import Plan
from dsmil.clock import SYSTEM

TOPICS: dict[str, Callable[[Rig, Plan], topics.Report]] = {
    "streams": topics.streams, "router": topics.router, "drainer": topics.drainer, "l3": topics.layer(3),
    "l4": topics.layer(4), "decode": topics.decode, "graph": graphing.graph,
}  # fmt: skip
CHAIN = "chain"
NAMES = (*TOPICS, CHAIN)
"""Every topic, in the order they run."""


class Asked(Struct, frozen=True, kw_only=True):
    """What to measure: `events` a run, `runs` of each, on which profile of Redis."""

    names: Sequence[str] = NAMES
    events: int = 100_000
    runs: int = 5
    profile: Profile = "fast"


def run(asked: Asked, build: Build, say: Callable[[str], None]) -> dict[str, Any]:
    """The report: one object a topic, and `machine`. `build` makes the chain's suite; `say` hears of progress."""
    report: dict[str, Any] = {}
    began, load = SYSTEM.monotonic(), os.getloadavg()[0]
    size = sample.median_bytes(SYSTEM.now())
    plan = Plan(events=asked.events, runs=asked.runs, limit_events=min(LIMIT_EVENTS, 2 * asked.events))
    for name in (name for name in NAMES if name in asked.names):
        say(f"{name}: {asked.runs} runs of {asked.events}")
        with tempfile.TemporaryDirectory(prefix="dsmil-bench-") as folder:
            place = Path(folder)
            if name == CHAIN:
                told = whole_chain.chain(
                    build, place, sentences=asked.events, runs=asked.runs, profile=asked.profile
                )
                report[CHAIN] = told
                continue
            with Rig(place, asked.profile, event_bytes=size) as rig:
                for key, figures in TOPICS[name](rig, plan).items():
                    report[key] = {**figures, "profile": asked.profile}
    report["machine"] = _machine(load, SYSTEM.monotonic() - began, size)
    return report


def _machine(load: float, seconds: float, size: int) -> dict[str, Any]:
    version = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=False).stdout
    number = re.search(r"v=(\S+)", version)
    return {
        "cpu": _cpu(),
        "cpus": len(os.sched_getaffinity(0)),
        "load_before": round(load, 2),
        "load_after": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "redis": number.group(1) if number else "",
        "kernel": platform.release(),
        "limit": f"redis-benchmark -c 1 -P 256 XADD of {size} bytes, the demo's median event",
        "seconds": round(seconds, 1),
        "command": " ".join(Path(word).name for word in sys.argv[:1]),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
