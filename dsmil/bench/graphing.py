"""Topic `graph`: the hypergraph's own figures, and the same world built in what a user would pick instead.

Every subject runs in a process of its own, in turn with the others, so that a slow minute is everyone's.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

from dsmil.bench.figures import Figures, Sample
from dsmil.bench.rig import Rig
from dsmil.bench.topics import Plan, Report

PEERS = ("xgi", "hypergraphx", "networkx", "dict")
FIGURES = (
    "apply_per_s", "apply_position_per_s", "fold_per_s", "build_s", "subgraph_ms", "radius_ms", "band_ms", "diff_ms",
    "snapshot_s", "recover_s",
)  # fmt: skip
PEER_FIGURES = ("build_s", "subgraph_ms")


def graph(rig: Rig, plan: Plan) -> Report:
    """dsmil's engine and its peers over a world of `plan.events` nodes and twice as many edges."""
    runs: dict[str, list[Sample]] = {name: [] for name in ("dsmil", *PEERS)}
    missing: dict[str, str] = {}
    for _ in range(plan.runs):
        runs["dsmil"].append(rig.child("hypergraph", count=plan.events))
        for name in (name for name in PEERS if name not in missing):
            sample = rig.child("peer", name=name, count=plan.events)
            if "missing" in sample.more:
                missing[name] = sample.more["missing"]
            else:
                runs[name].append(sample)
    told = _medians(runs["dsmil"], FIGURES)
    told["nodes"], told["edges"], told["runs"] = plan.events, 2 * plan.events, plan.runs
    told["peers"] = {
        name: {"missing": missing[name]} if name in missing else _medians(runs[name], PEER_FIGURES)
        for name in PEERS
    }
    return {"graph": told}


def _medians(samples: list[Sample], names: tuple[str, ...]) -> Figures:
    told: dict[str, Any] = {name: _rounded(median(one.more[name] for one in samples)) for name in names}
    return told | {"rss_mb": round(max(one.rss_mb for one in samples), 1)}


def _rounded(value: float) -> float:
    return round(value) if value >= 1000 else round(value, 4)


def timed(rounds: int, call: Callable[[], Any], now: Callable[[], float]) -> float:
    """Median seconds of `rounds` calls, the first, which may fill caches, left out."""
    taken = []
    call()
    for _ in range(rounds):
        began = now()
        call()
        taken.append(now() - began)
    return median(taken)
