"""A whole daemon measured: the real process over streams filled while it was held still.

It is started, becomes ready, is stopped by SIGSTOP, finds its streams full when it goes on, and is timed until it
has acknowledged the last entry. So neither its start nor the filling is in the figure.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from dsmil.bench.figures import Sample
from dsmil.bench.rig import Rig, level
from dsmil.bench.stopwatch import cpu_s, peak_mb
from dsmil.clock import SYSTEM
from dsmil.errors import DsmilError
from dsmil.events.enums import StreamName

READY_S_MAX = 60.0
DONE_S_MAX = 600.0
STOP_S_MAX = 15.0
LOOK_S = 0.01


def module_of(daemon: str) -> str:
    """The module a daemon is started by."""
    return f"dsmil.daemons.{daemon.replace('-', '_')}"


def shipped(daemon: str) -> bool:
    """Whether this tree has that daemon."""
    return find_spec(module_of(daemon)) is not None


def whole(
    rig: Rig, daemon: str, events: Iterable[tuple[StreamName, bytes]], *, env: Mapping[str, str] | None = None
) -> Sample:
    """One run of `daemon` over `events`."""
    rig.clear()
    log = rig.folder / "run" / f"{daemon}.log"
    with _running(daemon, log, rig.environment(env)) as process:
        _until(process, log, lambda: bool(rig.wire.call("EXISTS", f"dsmil:hb:{daemon}")), READY_S_MAX)
        _until(process, log, lambda: level(rig.wire, [daemon]), READY_S_MAX)
        process.send_signal(signal.SIGSTOP)
        filled = list(events)
        rig.fill(filled)
        server, before, began = cpu_s(rig.redis.pid), cpu_s(process.pid), SYSTEM.monotonic()
        process.send_signal(signal.SIGCONT)
        _until(process, log, lambda: level(rig.wire, [daemon]), DONE_S_MAX)
        seconds = SYSTEM.monotonic() - began
        used, peak = cpu_s(process.pid) - before, peak_mb(process.pid)
        return rig.with_server(Sample(items=len(filled), seconds=seconds, cpu_s=used, rss_mb=peak), server)


@contextmanager
def _running(daemon: str, log: Path, env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", module_of(daemon)], env=dict(env), stdout=out, stderr=out
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "nothing"


def _until(process: subprocess.Popen[bytes], log: Path, there: Callable[[], bool], patience_s: float) -> None:
    until = SYSTEM.monotonic() + patience_s
    while not there():
        if process.poll() is not None or SYSTEM.monotonic() > until:
            raise DsmilError(f"measure {process.args!r}: it ended or hangs; it said: {_last_line(log)}")
        SYSTEM.sleep(LOOK_S)
