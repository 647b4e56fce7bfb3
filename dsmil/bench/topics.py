"""The topics of `dsmil bench` that measure one part at a time: what each is fed, and what it tells.

`chain` stands apart (`bench.chain`): it needs the whole suite.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from dsmil.bench import sample
from dsmil.bench.figures import Figures, Sample, figures, interleaved, ratio
from dsmil.bench.rig import Rig
from dsmil.bench.whole import shipped, whole
from dsmil.clock import SYSTEM
from dsmil.events.enums import StreamName
from dsmil.scenarios import network
from dsmil.scenarios.stress import StressServer

CAP_MAX = 10_000_000
"""As wide as a stream can be set (`[streams] cap`)."""
NMAP_HOSTS = 240
NMAP_ROUNDS = 20
"""A scan of 240 hosts is 180 kB; so often it is a few MB."""


class Plan(Struct, frozen=True, kw_only=True):
    """How much is measured: `events` a run, `runs` of each, the limit's own entries."""

    events: int
    runs: int
    limit_events: int


Report = dict[str, Figures]


def streams(rig: Rig, plan: Plan) -> Report:
    """Publishing, and consuming with validation and acknowledgement, both beside L."""
    events = _observed(plan.events)
    path = _written(rig, events)

    def publish() -> Sample:
        rig.clear()
        return rig.child("publish", path=str(path))

    def consume() -> Sample:
        return rig.child("consume", count=len(events))  # what `publish` just left there

    (published, consumed), limits = interleaved(plan.runs, _limit(rig, plan), publish, consume)
    told: Figures = {}
    for name, samples in (("publish", published), ("consume", consumed)):
        part = figures(samples, limits)
        told |= {
            f"{name}_{key}": value for key, value in part.items() if key not in ("limit_per_s", "runs", "items")
        }
    whole_ = figures(consumed, limits)
    return {"streams": told | {key: whole_[key] for key in ("limit_per_s", "runs", "items")}}


def router(rig: Rig, plan: Plan) -> Report:
    """The router's hop with its usual share of repeats and with none, and the whole daemon."""
    start_ts = SYSTEM.now() - sample.SPAN_S
    usual = list(sample.decisions(plan.events, start_ts=start_ts))
    fresh = list(sample.decisions(plan.events, start_ts=start_ts, fresh=True))

    def hop(events: list[tuple[StreamName, bytes]]) -> Sample:
        rig.clear()
        rig.fill(events)
        return rig.child("router", count=len(events))

    with StressServer(0.0) as shrink:
        parts, limits = interleaved(
            plan.runs,
            _limit(rig, plan),
            lambda: hop(usual),
            lambda: hop(fresh),
            lambda: whole(rig, "soc-router", usual, env={"SHRINK_URL": shrink.url}),
        )
    names = ("router", "router_fresh", "router_whole")
    told = {name: figures(samples, limits) for name, samples in zip(names, parts, strict=True)}
    told["router_whole"] |= {"hot": "disk" if rig.hot == rig.folder else "tmpfs", "shrink": "CRISIS, polled"}
    return told


def drainer(rig: Rig, plan: Plan) -> Report:
    """The drainer beside a bare insert of the same rows into the same table."""
    events = _observed(plan.events)
    path = _written(rig, events)

    def drained() -> Sample:
        rig.clear()
        rig.fill((StreamName.L3_IN, data) for data in events)
        return rig.child("drainer", count=len(events))

    (done, bare), limits = interleaved(
        plan.runs, _limit(rig, plan), drained, lambda: rig.child("bare", path=str(path))
    )
    told = figures(done, limits)
    told["bare_per_s"] = figures(bare, limits)["per_s"]
    told["ratio_to_bare"] = ratio([one.per_s for one in done], [one.per_s for one in bare])
    return {"drainer": told}


def layer(number: int) -> Callable[[Rig, Plan], Report]:
    """Layer 3 or 4: its engine alone, and its daemon with everything it does beside."""
    name = f"l{number}"

    def measured(rig: Rig, plan: Plan) -> Report:
        events = _observed(plan.events)
        path = _written(rig, events)
        tasks = [lambda: rig.child("layer", path=str(path), number=number)]
        if shipped(name):
            # Nobody reads what it says of the graph, so its cap must not slow it.
            wide = {"DSMIL_STREAMS_CAP": str(CAP_MAX)}
            tasks.append(lambda: whole(rig, name, ((StreamName.L3_IN, data) for data in events), env=wide))
        parts, limits = interleaved(plan.runs, _limit(rig, plan), *tasks)
        told = figures(parts[0], limits)
        for samples in parts[1:]:
            told |= {f"daemon_{key}": value for key, value in figures(samples, limits).items()}
        return {name: told}

    return measured


def decode(rig: Rig, plan: Plan) -> Report:
    """AIS sentences beside pyais, Nmap XML beside bare expat; each in a process of its own."""
    lines, _ = sample.nmea(plan.events, start_ts=SYSTEM.now() - sample.SPAN_S)
    ais, nmap = rig.folder / "bench.nmea", rig.folder / "bench.xml"
    # pyais is given bare sentences, so ours are given the same.
    ais.write_text("\n".join(line.rpartition("\\")[2] for line in lines) + "\n", "ascii")
    machines = [network.Machine(n + 1, (22, 80, 443), f"pc{n}.example") for n in range(NMAP_HOSTS)]
    nmap.write_text(network.scan(machines, start_ts=1_700_000_000.0), "utf-8")

    def through(path: Path, parser: str, rounds: int = 1) -> Callable[[], Sample]:
        return lambda: rig.child("parse", path=str(path), parser=parser, rounds=rounds)

    parts, limits = interleaved(
        plan.runs,
        _limit(rig, plan),
        through(ais, "ais"),
        through(ais, "pyais"),
        through(nmap, "nmap", NMAP_ROUNDS),
        through(nmap, "expat", NMAP_ROUNDS),
    )
    ours, theirs, xml, expat = (figures(samples, limits) for samples in parts)
    per_byte = len(lines) / ais.stat().st_size
    return {
        "decode": {
            "ais_sentences_per_s": round(ours["per_s"] * per_byte),
            "pyais_sentences_per_s": round(theirs["per_s"] * per_byte),
            "ais_ratio_to_pyais": ratio([s.per_s for s in parts[0]], [s.per_s for s in parts[1]]),
            "ais_rss_mb": ours["rss_mb"],
            "nmap_mb_per_s": round(xml["per_s"] / 1e6, 2),
            "expat_mb_per_s": round(expat["per_s"] / 1e6, 2),
            "nmap_ratio_to_expat": ratio([s.per_s for s in parts[2]], [s.per_s for s in parts[3]]),
            "nmap_rss_mb": xml["rss_mb"],
            "runs": plan.runs,
            "sentences": len(lines),
        }
    }


def _limit(rig: Rig, plan: Plan) -> Callable[[], float]:
    return lambda: rig.limit(plan.limit_events)


def _observed(count: int) -> list[bytes]:
    """`count` observations of the harbour, encoded, as far as its sentences give them."""
    now = SYSTEM.now()
    lines, _ = sample.nmea(count + count // 4, start_ts=now - sample.SPAN_S)
    return sample.observations(lines, now_s=now)[:count]


def _written(rig: Rig, events: list[bytes]) -> Path:
    path = rig.folder / "events.jsonl"
    path.write_bytes(b"\n".join(events) + b"\n")
    return path
