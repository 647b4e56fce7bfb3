"""The whole chain: NMEA bytes in, SOC events and audit rows out, every daemon running as in `dsmil up`.

Throughput: a file in the drop folder at full speed; the time runs from the moment the first of its events came to
be (`ingest_ts`) until every group of every daemon, the drainer's too, has acknowledged everything.
Latency: one datagram a sentence at a steady rate over UDP; from the reading of the datagram that led to it
(`ingest_ts`) until the SOC event was added to its stream (the time in its entry id, cut to a millisecond).
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Protocol, cast

from dsmil.bench import sample
from dsmil.bench.figures import Figures, percentile
from dsmil.bench.rig import Profile, added, level
from dsmil.bench.stopwatch import cpu_s, peak_mb
from dsmil.bench.whole import shipped
from dsmil.clock import SYSTEM
from dsmil.errors import DsmilError
from dsmil.events.enums import StreamName
from dsmil.events.envelope import FIELD, decode
from dsmil.fabric.entry import id_key
from dsmil.fabric.topology import DAEMONS
from dsmil.fabric.wire import Wire
from dsmil.store.reader import AuditReader

READY_S_MAX = 60.0
DONE_S_MAX = 1_800.0
LOOK_S = 0.05
RATE_PER_S = 1_000.0
STORY_PER_S = 10.0
"""Sentences a second of the story's own time: sent at `RATE_PER_S` it runs a hundred times as fast as life."""
SETTLE_S = 1.0
"""A suite that is just ready still writes its first checkpoints and status rows."""
QUIET: Mapping[str, str] = {
    "DSMIL_RF_INGEST_SYSLOG": "", "DSMIL_NET_PARSER_NDPID": "", "SHRINK_URL": "", "LOG_LEVEL": "WARNING",
    "DSMIL_API_LISTEN": "127.0.0.1:0",
}  # fmt: skip


class Suite(Protocol):
    """A private suite (`runtime.supervisor.Supervisor`)."""

    @property
    def pids(self) -> dict[str, int]: ...
    @property
    def restarts(self) -> dict[str, int]: ...
    def wait_ready(self, timeout_s: float) -> bool: ...
    def poll(self, timeout_s: float = 0.0) -> None: ...
    def __enter__(self) -> Suite: ...
    def __exit__(self, *error: Any) -> None: ...


Build = Callable[[Path, Sequence[str], Mapping[str, str]], Suite]
"""(directory, daemons, environment) to a suite that is not started yet."""


def daemons() -> list[str]:
    """The daemons of this tree."""
    return [daemon.name for daemon in DAEMONS if daemon.shipped and shipped(daemon.name)]


def chain(build: Build, folder: Path, *, sentences: int, runs: int, profile: Profile) -> Figures:
    """`sentences` at full speed, `runs` times, then at most so many at 1,000 a second."""
    rounds = [_flood(build, folder / f"flood-{number}", sentences) for number in range(runs)]
    rates = [one["sentences_per_s"] for one in rounds]
    return {
        "sentences_per_s": round(median(rates)),
        "sentences_per_s_min": round(min(rates)),
        "sentences_per_s_max": round(max(rates)),
        **{key: rounds[-1][key] for key in ("cpu_s_per_100k", "rss_mb", "streams")},
        **_paced(build, folder / "paced", min(sentences, int(15 * RATE_PER_S))),
        "runs": runs,
        "sentences": sentences,
        "daemons": daemons(),
        "profile": profile,
    }


def _flood(build: Build, folder: Path, count: int) -> Figures:
    lines, _ = sample.nmea(count, start_ts=SYSTEM.now() - sample.SPAN_S)
    expected = len(sample.observations(lines, now_s=SYSTEM.now()))
    path = folder.with_suffix(".nmea")
    path.write_text("\n".join(lines) + "\n", "ascii")
    env = {**QUIET, "DSMIL_AIS_PLAYBACK_UDP": "", "DSMIL_AIS_PLAYBACK_SPEED": "max"}
    with build(folder, daemons(), env) as suite:
        wire = _ready(suite, folder)
        before = _costs(suite)
        path.replace(folder / "drop" / "ais" / path.name)
        _wait(suite, lambda: added(wire, StreamName.L3_IN) >= expected and level(wire, daemons()))
        ended = SYSTEM.now()
        seconds = ended - _first_ingest_ts(wire)
        used = {name: 100_000 * (one - before.get(name, 0.0)) / count for name, one in _costs(suite).items()}
        told = {
            "sentences_per_s": count / seconds,
            "cpu_s_per_100k": {name: round(one, 2) for name, one in used.items()},
            "rss_mb": round(sum(peak_mb(pid) for pid in suite.pids.values()), 1),
            "streams": {stream.value: found for stream in StreamName if (found := added(wire, stream))},
        }
        wire.close()
        return told


def _paced(build: Build, folder: Path, count: int) -> Figures:
    lines, span_s = sample.nmea(count, start_ts=SYSTEM.now() - count / STORY_PER_S, per_s=STORY_PER_S)
    port = _free_port()
    env = {**QUIET, "DSMIL_AIS_PLAYBACK_UDP": f"127.0.0.1:{port}"}
    with build(folder, daemons(), env) as suite:
        wire = _ready(suite, folder)
        took_s = _send(suite, lines, port)
        _wait(suite, lambda: level(wire, daemons()))
        soc = [ms / 1000 - ingest for ms, ingest in _added(wire, StreamName.SOC_EVENTS, "soc")]
        third = [ms / 1000 - ingest for ms, ingest in _added(wire, StreamName.L3_OUT, "decision")]
        arrived = added(wire, StreamName.L3_IN)
        wire.close()
        rows = AuditReader(folder / "audit").rows(StreamName.L3_IN.value)
        kept = [row.recorded_ts - row.ingest_ts for row in rows]
    return {
        "paced_per_s": round(count / took_s),
        "paced_speed": round(RATE_PER_S * span_s / count),
        "p50_ms": _ms(soc, 0.5),
        "p99_ms": _ms(soc, 0.99),
        "latency_samples": len(soc),
        "l3_p50_ms": _ms(third, 0.5),
        "l3_p99_ms": _ms(third, 0.99),
        "audit_p50_ms": _ms(kept, 0.5),
        "audit_p99_ms": _ms(kept, 0.99),
        "paced_events": arrived,
    }


def _ready(suite: Suite, folder: Path) -> Wire:
    if not suite.wait_ready(READY_S_MAX):
        raise DsmilError("start suite: not every daemon became ready", hint=f"see {folder}/log")
    until = SYSTEM.monotonic() + SETTLE_S
    while SYSTEM.monotonic() < until:
        suite.poll(LOOK_S)
    return Wire(f"unix://{folder.absolute()}/run/redis.sock", name="bench")


def _send(suite: Suite, lines: Sequence[str], port: int) -> float:
    """One datagram a sentence, at the rate; says how long it took."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.connect(("127.0.0.1", port))
        began, sent = SYSTEM.monotonic(), 0
        while sent < len(lines):
            due = min(len(lines), int((SYSTEM.monotonic() - began) * RATE_PER_S) + 1)
            for line in lines[sent:due]:
                out.send(line.encode() + b"\r\n")
            sent = due
            suite.poll(0.0)
            SYSTEM.sleep(0.5 / RATE_PER_S)
        return SYSTEM.monotonic() - began


def _wait(suite: Suite, there: Callable[[], bool]) -> None:
    until = SYSTEM.monotonic() + DONE_S_MAX
    while not there():
        suite.poll(LOOK_S)
        if any(suite.restarts.values()) or SYSTEM.monotonic() > until:
            raise DsmilError(f"run the chain: a daemon ended or hangs ({suite.restarts})")


def _costs(suite: Suite) -> dict[str, float]:
    return {name: cpu_s(pid) for name, pid in suite.pids.items()}


def _first_ingest_ts(wire: Wire) -> float:
    rows = cast(list[Any], wire.call("XRANGE", StreamName.L3_IN.value, "-", "+", "COUNT", 100))
    events = [decode(fields[fields.index(FIELD) + 1]) for _, fields in rows]
    return min(event.ingest_ts for event in events if event.kind.startswith("ais."))


def _added(wire: Wire, stream: StreamName, kind: str) -> list[tuple[int, float]]:
    """(time of the entry in ms, `ingest_ts`) of every event of a kind on a stream."""
    rows = cast(list[Any], wire.call("XRANGE", stream.value, "-", "+"))
    pairs = ((id_key(raw_id.decode())[0], decode(fields[1])) for raw_id, fields in rows)
    return [(ms, event.ingest_ts) for ms, event in pairs if event.kind == kind]


def _ms(seconds: Sequence[float], share: float) -> float:
    return round(percentile(seconds, share) * 1000, 1)


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
