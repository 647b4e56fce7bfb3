"""Two of one daemon, wrong settings, signals, a process that stands still: the right message, the right exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dsmil.clock import SYSTEM

pytestmark = pytest.mark.live
EX_CONFIG = 78
MANY = 40


def run(suite: Any, daemon: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A daemon of this suite started by hand; it must end by itself."""
    command = [sys.executable, "-m", f"dsmil.daemons.{daemon.replace('-', '_')}"]
    return subprocess.run(
        command, env={**suite.environ, **env}, capture_output=True, text=True, timeout=30, check=False
    )


def test_second_of_the_same_daemon(suites: Any) -> None:
    suite = suites(("drainer", "rf-ingest"))
    suite.ready()
    for name in ("drainer", "rf-ingest"):
        second = run(suite, name)
        assert second.returncode == EX_CONFIG
        assert f"already running as pid {suite.supervisor.pids[name]}" in second.stderr
        assert "stop that one first" in second.stderr
    suite.supervisor.poll(0.1)
    assert not any(suite.supervisor.restarts.values())


def test_second_suite_in_one_directory(suites: Any) -> None:
    suite = suites(("drainer",))
    command = [sys.executable, "-m", "dsmil.cli", "up", "--dir", str(suite.directory)]
    second = subprocess.run(command, env=suite.environ, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode != 0
    assert f"already running as pid {os.getpid()}" in second.stderr


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[l3]\nbtach = 5\n", ("btach", "dsmil.toml:2", "batch")),
        ("[l33]\nbatch = 5\n", ("l33", "dsmil.toml:1")),
        ("[l3]\nbatch = 0\n", ("batch", "dsmil.toml:2", "1")),
        ("[l3\n", ("dsmil.toml",)),
    ],
)
def test_unusable_setting(suites: Any, tmp_path: Path, text: str, named: tuple[str, ...]) -> None:
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "dsmil.toml").write_text(text)
    environ = {**os.environ, "DSMIL_ETC": str(etc), "DSMIL_PATHS_RUN": str(tmp_path / "run")}
    done = subprocess.run(
        [sys.executable, "-m", "dsmil.daemons.l3"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == EX_CONFIG
    for word in named:
        assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_unknown_variable(suites: Any) -> None:
    suite = suites(("drainer",))
    done = run(suite, "l3", DSMIL_L3_BTACH="5")
    assert done.returncode == EX_CONFIG
    assert "DSMIL_L3_BTACH" in done.stderr


def test_misconfigured_daemon_stays_down_and_stops_no_other(suites: Any, jumps: Any, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "mine.toml").write_text("[[suppress]]\nwhere = 'decision = = 5'\n")
    suite = suites(("drainer", "soc-router"), env={"DSMIL_SOC_ROUTER_RULES_DIR": str(rules)})
    assert not suite.supervisor.wait_ready(20.0)
    suite.until("it is given up", lambda: "soc-router" in suite.supervisor.failed)
    assert "mine.toml" in suite.supervisor.failed["soc-router"]
    events = jumps(MANY)
    suite.add("L3_IN", events)
    suite.until("the drainer works", lambda: suite.all_in_audit(events))
    assert suite.supervisor.restarts["soc-router"] == 0


def test_sigterm_drains(suites: Any, jumps: Any) -> None:
    suite = suites()
    suite.ready()
    for turn in range(10):
        suite.add("L3_IN", jumps(200, first=turn * 1000))
    began = SYSTEM.monotonic()
    pids = dict(suite.supervisor.pids)
    for name in pids:
        suite.supervisor.kill(name, signal.SIGTERM)
    ended = [_ended(suite, name, pid) for name, pid in pids.items()]
    assert ended == [0] * len(pids), dict(zip(pids, ended, strict=True))
    assert SYSTEM.monotonic() - began < 10.0
    suite.until("and they are started again", lambda: suite.supervisor.wait_ready(0.1))
    suite.until(
        "to do the rest", lambda: suite.caught_up("L3_IN", "l3") and suite.caught_up("L3_OUT", "soc-router")
    )
    ids = [event.event_id for event in suite.events("L3_OUT")]
    assert len(ids) == len(set(ids)) == 2000


def _ended(suite: Any, name: str, pid: int) -> int | None:
    suite.until(f"{name} ends", lambda: suite.supervisor.pids.get(name) != pid, within_s=15.0)
    return suite.supervisor._children[name].exit_code


def test_sigterm_while_redis_hangs(suites: Any) -> None:
    """Redis stands still, so nobody can drain into it: a second signal ends that, and so do ten seconds."""
    suite = suites(("drainer", "l3", "rf-ingest"))
    suite.ready()
    suite.until("all at work", lambda: {suite.state(name) for name in suite.supervisor.pids} == {"ready"})
    os.kill(suite.supervisor.server.pid, signal.SIGSTOP)
    try:
        pids, began = dict(suite.supervisor.pids), SYSTEM.monotonic()
        for name in pids:
            suite.supervisor.kill(name, signal.SIGTERM)
        while SYSTEM.monotonic() - began < 3.0:
            # Two signals that come before the process runs again are one to it: a person presses the key again.
            suite.supervisor.poll(0.5)
            for name in ("drainer", "rf-ingest"):
                if suite.supervisor.pids.get(name) == pids[name]:
                    suite.supervisor.kill(name, signal.SIGTERM)
        assert {_ended(suite, name, pids[name]) for name in ("drainer", "rf-ingest")} <= {0, 1}
        assert SYSTEM.monotonic() - began < 4.0
        assert _ended(suite, "l3", pids["l3"]) in (0, 1)
        assert SYSTEM.monotonic() - began < 10.5, "a tenth of it for a busy machine"
    finally:
        os.kill(suite.supervisor.server.pid, signal.SIGCONT)


def test_sighup_with_broken_settings_keeps_the_old(suites: Any, jumps: Any) -> None:
    suite = suites(("drainer", "l3"))
    suite.ready()
    etc = suite.directory / "etc"
    etc.mkdir(exist_ok=True)
    (etc / "dsmil.toml").write_text("[l3]\nbtach = 5\n")
    for name in ("drainer", "l3"):
        suite.supervisor.kill(name, signal.SIGHUP)
    suite.until("they refuse it", lambda: all("reload_refused" in suite.log(name) for name in ("drainer", "l3")))
    assert "btach" in suite.log("l3")
    (etc / "dsmil.toml").write_text("[log]\nlevel = 'DEBUG'\n")
    suite.supervisor.kill("l3", signal.SIGHUP)
    suite.until("a good one is taken", lambda: '"reloaded"' in suite.log("l3"))
    suite.add("L3_IN", jumps(MANY))
    suite.until("they work", lambda: len(suite.events("L3_OUT")) == MANY)
    assert not any(suite.supervisor.restarts.values())


def test_hung_daemon_is_replaced(suites: Any, jumps: Any) -> None:
    suite = suites(("drainer", "l3"), watchdog_s=4.0)
    suite.ready()
    events = jumps(MANY)
    suite.add("L3_IN", events)
    suite.supervisor.kill("l3", signal.SIGSTOP)
    suite.until("it is replaced", lambda: suite.supervisor.restarts["l3"] == 1, within_s=15.0)
    suite.until("and done", lambda: len({event.event_id for event in suite.events("L3_OUT")}) == MANY)
    assert suite.supervisor.restarts["drainer"] == 0
