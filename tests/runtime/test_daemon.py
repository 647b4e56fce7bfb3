"""A daemon lives one life: lock, open, ready, loop, drain, close in reverse; what is away is waited for."""

from __future__ import annotations

import io
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import dsmil
from dsmil import config
from dsmil.clock import FakeClock
from dsmil.config import Settings
from dsmil.errors import ConfigError, Unavailable
from dsmil.runtime import logs
from dsmil.runtime.daemon import Daemon, guarded, start
from dsmil.runtime.health import BEAT_EVERY_S
from dsmil.runtime.notify import Notifier


class Toy:
    """Work that follows a script: each step calls the next function."""

    def __init__(self, story: list[str], *steps: Callable[[], int]) -> None:
        self.story = story
        self.steps = list(steps)

    def step(self, timeout_s: float) -> int:
        assert 0 < timeout_s <= 2.0
        if not self.steps:
            os.kill(os.getpid(), signal.SIGTERM)
            return 0
        self.story.append("step")
        return self.steps.pop(0)()

    def drain(self) -> None:
        self.story.append("drain")

    def stats(self) -> dict[str, float | int | str | bool]:
        return {"processed": self.story.count("step"), "mode": "toy"}

    def reload(self, settings: Settings) -> None:
        self.story.append(f"reload {settings.redis.port}")


class Piece:
    def __init__(self, story: list[str], name: str, faults: int = 0) -> None:
        self.story, self.name, self.faults = story, name, faults

    def open(self) -> None:
        if self.faults:
            self.faults -= 1
            raise Unavailable(f"open {self.name}: away")
        self.story.append(f"open {self.name}")

    def close(self) -> None:
        self.story.append(f"close {self.name}")


def away() -> int:
    raise Unavailable("reach Redis: refused")


def broken() -> int:
    raise ZeroDivisionError("boom")


def hup() -> int:
    os.kill(os.getpid(), signal.SIGHUP)
    return 0


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in config.private_settings(tmp_path).items():
        monkeypatch.setenv(name, value)
    return config.load().settings


@pytest.fixture
def log(clock: FakeClock) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    logs.setup("toy", stream=stream, clock=clock)
    yield stream
    logs.setup("dsmil")


@pytest.fixture
def ears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """What systemd would hear, line by line."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        link.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        lines: list[str] = []

        def listen() -> None:  # the kernel queues only some ten datagrams
            while data := link.recv(4096):
                lines.extend(data.decode().splitlines())

        thread = threading.Thread(target=listen)
        thread.start()

        def end() -> list[str]:
            if thread.is_alive():
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
                    last.sendto(b"", str(tmp_path / "notify"))
                thread.join()
            return lines

        yield end
        end()


def events(log: io.StringIO) -> list[str]:
    return [json.loads(line)["event"] for line in log.getvalue().splitlines()]


def test_parts_open_in_order_and_close_in_reverse_after_draining(
    settings: Settings, clock: FakeClock, log: io.StringIO, ears: Callable[[], list[str]]
) -> None:
    story: list[str] = []
    beats: list[dict[str, Any]] = []
    daemon = Daemon(
        "toy", Toy(story, lambda: 1), settings=settings, parts=[Piece(story, "a"), Piece(story, "b")],
        heartbeat=beats.append, clock=clock, notifier=Notifier(clock=clock),
    )  # fmt: skip
    assert daemon.run() == 0
    assert story == ["open a", "open b", "step", "drain", "close b", "close a"]
    heard = ears()
    assert [line for line in heard if line in ("READY=1", "STOPPING=1")] == ["READY=1", "STOPPING=1"]
    assert "WATCHDOG=1" in heard
    assert [beat["state"] for beat in beats] == ["ready", "draining"]
    assert beats[-1]["stats"] == {"processed": 1, "mode": "toy"}
    assert beats[-1]["pid"] == os.getpid()
    assert 'dsmil_daemon_stat{daemon="toy",stat="processed"} 1.0' in beats[-1]["metrics"]
    assert events(log)[0] == "starting" and events(log)[-1] == "stopped"


def test_an_outage_is_degraded_but_ready_keeps_the_watchdog_and_heals(
    settings: Settings, clock: FakeClock, log: io.StringIO, ears: Callable[[], list[str]]
) -> None:
    story: list[str] = []
    beats: list[dict[str, Any]] = []
    work = Toy(story, *[away] * 12, lambda: 1)
    daemon = Daemon(
        "toy", work, settings=settings, parts=[Piece(story, "a", faults=1)], heartbeat=beats.append,
        clock=clock, notifier=Notifier(clock=clock),
    )  # fmt: skip
    began = clock.monotonic()
    assert daemon.run() == 0
    heard = ears()
    assert heard.index("READY=1") < heard.index("STOPPING=1")
    assert any(line.startswith("STATUS=degraded: open a: away") for line in heard)
    assert story[0] == "open a" and story[-2:] == ["drain", "close a"]
    assert {beat["state"] for beat in beats} == {"degraded", "ready", "draining"}
    assert next(b["error"] for b in beats if b["state"] == "degraded" and "Redis" in b["error"])
    assert 10 < clock.monotonic() - began < 30, "the backoff grows, and is capped"
    assert "WATCHDOG=1" in heard
    told = [beat["now"] for beat in beats]
    assert max(later - earlier for earlier, later in itertools.pairwise(told)) < 2 * BEAT_EVERY_S, (
        "it goes on saying so, however the pid scatters the waits"
    )
    assert events(log).count("degraded") == 1, "said once, not at each attempt"


def test_a_failing_heartbeat_does_not_stop_the_work(
    settings: Settings, clock: FakeClock, log: io.StringIO
) -> None:
    def fail(body: dict[str, Any]) -> None:
        raise RuntimeError("no")

    story: list[str] = []
    assert Daemon("toy", Toy(story, lambda: 1), settings=settings, heartbeat=fail, clock=clock).run() == 0
    assert story == ["step", "drain"]


def test_the_stats_line_comes_each_thirty_seconds(settings: Settings, clock: FakeClock, log: io.StringIO) -> None:
    def later() -> int:
        clock.advance(10)
        return 1

    Daemon("toy", Toy([], *[later] * 7), settings=settings, clock=clock).run()
    lines = [json.loads(line) for line in log.getvalue().splitlines() if '"stats"' in line]
    assert [(line["uptime_s"], line["processed"]) for line in lines] == [(30.0, 3), (60.0, 6)]


def test_any_other_fault_is_one_line_and_exit_1(settings: Settings, clock: FakeClock, log: io.StringIO) -> None:
    story: list[str] = []
    daemon = Daemon("toy", Toy(story, broken), settings=settings, parts=[Piece(story, "a")], clock=clock)
    assert daemon.run() == 1
    assert story == ["open a", "step", "close a"]
    line = json.loads(log.getvalue().splitlines()[-1])
    assert line["event"] == "crashed" and line["error"] == "ZeroDivisionError: boom"
    assert line["trace"][-1].startswith("test_daemon.py:")


def test_the_second_daemon_exits_78_naming_the_pid(
    settings: Settings, clock: FakeClock, log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    codes: list[int] = []

    def second() -> int:
        codes.append(Daemon("toy", Toy([]), settings=settings, clock=clock).run())
        return 1

    assert Daemon("toy", Toy([], second), settings=settings, clock=clock).run() == 0
    assert codes == [78]
    assert f"dsmil-toy: start toy: already running as pid {os.getpid()}" in capsys.readouterr().err


def test_a_reload_is_all_or_nothing(
    settings: Settings, clock: FakeClock, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def set_port(value: str) -> Callable[[], int]:
        def step() -> int:
            monkeypatch.setenv("REDIS_PORT", value)
            return hup()

        return step

    story: list[str] = []
    Daemon("toy", Toy(story, set_port("7001"), set_port("zero"), lambda: 1), settings=settings, clock=clock).run()
    assert [line for line in story if line.startswith("reload")] == ["reload 7001"]
    assert [event for event in events(log) if event.startswith("reload")] == ["reloaded", "reload_refused"]


def test_a_second_signal_gives_up_draining(settings: Settings, clock: FakeClock, log: io.StringIO) -> None:
    class Stuck(Toy):
        def drain(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            self.story.append("not reached")

    story: list[str] = []
    daemon = Daemon("toy", Stuck(story), settings=settings, parts=[Piece(story, "a")], clock=clock)
    assert daemon.run() == 1
    assert story == ["open a", "close a"]


def test_a_drain_that_takes_too_long_is_cut(
    settings: Settings, clock: FakeClock, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(Toy):
        def drain(self) -> None:
            signal.pause()
            signal.pause()

    monkeypatch.setattr("dsmil.runtime.daemon.DRAIN_S_MAX", 0.05)
    assert Daemon("toy", Slow([]), settings=settings, clock=clock).run() == 1
    assert "gave_up_draining" in events(log)


def test_signals_are_put_back(settings: Settings, clock: FakeClock, log: io.StringIO) -> None:
    before = signal.getsignal(signal.SIGTERM)
    Daemon("toy", Toy([]), settings=settings, clock=clock).run()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_config_error_while_building_is_exit_78_with_the_mend(capsys: pytest.CaptureFixture[str]) -> None:
    def build() -> Daemon:
        raise ConfigError("set redis.port = 0: too small", hint="allowed: 1..65535")

    assert guarded("l3", build) == 78
    assert capsys.readouterr().err == "dsmil-l3: set redis.port = 0: too small (allowed: 1..65535)\n"


DAEMONS = sorted(
    path.stem for path in (Path(dsmil.__file__).parent / "daemons").glob("*.py") if path.stem != "__init__"
)


IMPORT_S = {"daemons.api": 1.5}
"""FastAPI and pydantic take half a second; nobody waits for the API to keep up with anything."""


@pytest.mark.parametrize("module", ["runtime.daemon", *(f"daemons.{name}" for name in DAEMONS)])
def test_importing_is_quick(module: str) -> None:
    """Restarts are bounded by imports. CPU seconds of the child, so a busy machine does not fail the test."""
    code = f"import dsmil.{module}, resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_utime)"
    env = os.environ | {"PYTHONPATH": str(Path(dsmil.__file__).parent.parent)}
    taken = (
        float(subprocess.check_output([sys.executable, "-W", "ignore", "-c", code], env=env)) for _ in range(3)
    )
    assert any(seconds < IMPORT_S.get(module, 0.6) for seconds in taken)


@pytest.mark.parametrize(("argv", "code"), [(["--help"], 0), (["--bogus"], 2)])
def test_arguments_never_start_a_daemon(argv: list[str], code: int) -> None:
    def build(settings: Settings) -> Daemon:
        raise AssertionError("built")

    with pytest.raises(SystemExit) as left:
        start("toy", build, argv=argv)
    assert left.value.code == code
