"""The exporter serves Prometheus on its port, or on the one systemd passed, whatever is away and whoever asks."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dsmil import config
from dsmil.clock import SYSTEM, FakeClock
from dsmil.config.private import private_environment
from dsmil.daemons.exporter import KEPT_S, Reading
from dsmil.errors import ConfigError, Unavailable
from dsmil.fabric.private import PrivateRedis
from tests.daemons.conftest import WAIT_S, Bench

pytestmark = pytest.mark.live
PORT = {"DSMIL_EXPORTER_LISTEN": "127.0.0.1:0", "DSMIL_REDIS_BLOCK_MS": "200"}
FAST_S = 1.0


def ask(port: int, path: str = "/metrics", method: str = "GET") -> tuple[int, dict[str, str], str]:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        line.request(method, path)
        reply = line.getresponse()
        return reply.status, dict(reply.getheaders()), reply.read().decode()
    finally:
        line.close()


def port_of(log: Path, child: subprocess.Popen[bytes]) -> int:
    until = SYSTEM.monotonic() + WAIT_S
    while SYSTEM.monotonic() < until and child.poll() is None:
        if found := re.search(r'"event":"listening".*?127\.0\.0\.1:(\d+)"', log.read_text()):
            return int(found[1])
        SYSTEM.sleep(0.02)
    raise AssertionError(log.read_text())


@pytest.fixture
def port(bench: Bench) -> Callable[..., int]:
    def start(**environ: str) -> int:
        child = bench.start("exporter", **PORT, **environ)
        return port_of(bench.directory / "exporter.log", child)

    return start


def test_metrics_and_health_are_served_and_all_else_is_refused(bench: Bench, port: Callable[..., int]) -> None:
    bench.redis.xadd("L3_IN", {"event": "x"})
    at = port()
    status, headers, text = ask(at)
    assert status == 200 and headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'dsmil_redis_stream_length{daemon="exporter",stream_name="L3_IN"} 1.0' in text
    assert 'dsmil_daemon_up{daemon="exporter",name="l3"} 0.0' in text
    assert re.search(r'^dsmil_system_memory_bytes\{daemon="exporter"\} \d', text, re.M)
    status, headers, body = ask(at, "/health")
    assert status == 200 and headers["Content-Type"] == "application/json"
    told = json.loads(body)
    assert set(told) == {"status", "timestamp"} and told["status"] == "healthy"
    assert abs(told["timestamp"] - SYSTEM.now()) < 60
    assert ask(at, method="HEAD")[::2] == (200, "")
    assert ask(at, "/")[0] == ask(at, "/metrics/")[0] == 404
    assert ask(at, method="POST")[0] == ask(at, "/health", "DELETE")[0] == 405
    SYSTEM.sleep(KEPT_S)
    assert 'dsmil_exporter_requests_total{code="405",daemon="exporter"} 2.0' in ask(at)[2]


def test_slow_and_huge_requests_hold_nobody(port: Callable[..., int]) -> None:
    at = port()
    slow = [socket.create_connection(("127.0.0.1", at), timeout=20) for _ in range(40)]
    for line in slow:
        line.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
    with socket.create_connection(("127.0.0.1", at), timeout=20) as huge:
        reply = b""
        try:
            for _ in range(500):
                huge.sendall(b"y" * 65536)
        except OSError:
            reply = b"cut off"
        assert reply, "32 MB were taken"
    began = SYSTEM.monotonic()
    assert ask(at, "/health")[0] == 200
    assert all(line.recv(100) == b"" for line in slow)
    assert SYSTEM.monotonic() - began < 15
    began = SYSTEM.monotonic()
    found = re.search(r'^dsmil_system_memory_bytes\{daemon="exporter"\} (\S+)', ask(at)[2], re.M)
    assert found and float(found[1]) < 80e6 and SYSTEM.monotonic() - began < FAST_S * 5


def test_a_redis_that_is_away_is_said_in_one_line_and_comes_back(tmp_path: Path) -> None:
    server = PrivateRedis(tmp_path / "r")
    server.start()
    (tmp_path / "run").mkdir()
    log = tmp_path / "exporter.log"
    environ = {**private_environment(tmp_path, server.url), **PORT}
    with log.open("ab") as out:
        child = subprocess.Popen([sys.executable, "-m", "dsmil.daemons.exporter"], env=environ, stderr=out)
    try:
        at = port_of(log, child)
        assert ask(at)[0] == 200
        os.kill(server.pid, signal.SIGSTOP)  # it hangs: worse than away
        SYSTEM.sleep(KEPT_S)
        status, _, body = ask(at)
        assert status == 503 and body.startswith("read the suite: ") and body.count("\n") == 1
        assert json.loads(ask(at, "/health")[2])["status"] == "degraded"
        os.kill(server.pid, signal.SIGCONT)
        server.stop()
        SYSTEM.sleep(KEPT_S)
        assert ask(at)[0] == 503
        server.start()
        SYSTEM.sleep(KEPT_S)
        assert ask(at)[0] == 200 and json.loads(ask(at, "/health")[2])["status"] == "healthy"
        assert child.poll() is None
        said = [json.loads(line)["event"] for line in log.read_text().splitlines()]
        assert said.count("suite_away") == said.count("suite_back") >= 1 and "crashed" not in said
        child.terminate()
        assert child.wait(15) == 0
    finally:
        child.kill()
        child.wait()
        server.stop()


@pytest.fixture
def passed(bench: Bench, redis_socket: str) -> Iterator[Callable[[socket.socket], subprocess.Popen[bytes]]]:
    """Starts the exporter with a socket as systemd passes it."""
    made: list[subprocess.Popen[bytes]] = []

    def start(door: socket.socket) -> subprocess.Popen[bytes]:
        fd = os.dup2(door.fileno(), 40)
        words = f'LISTEN_PID=$$ exec "$@" 3<&{fd} {fd}<&-'
        environ = {**private_environment(bench.directory, f"unix://{redis_socket}"), **PORT}
        with (bench.directory / "exporter.log").open("ab") as log:
            child = subprocess.Popen(
                ["/bin/bash", "-c", words, "-", sys.executable, "-m", "dsmil.daemons.exporter"],
                env={**environ, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "http"}, pass_fds=[fd], stderr=log,
            )  # fmt: skip
        os.close(fd)
        made.append(child)
        return child

    yield start
    for child in made:
        child.kill()
        child.wait()


def test_a_passed_socket_is_used_and_outlives_the_daemon(
    bench: Bench, passed: Callable[[socket.socket], subprocess.Popen[bytes]]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        at = door.getsockname()[1]
        for how in (signal.SIGTERM, signal.SIGKILL):
            child = passed(door)
            assert ask(at)[0] == 200
            os.kill(child.pid, how)
            child.wait(15)
        waiting = socket.create_connection(("127.0.0.1", at), timeout=20)  # nobody there: the port still is
        waiting.sendall(b"GET /health HTTP/1.1\r\n\r\n")
        passed(door)
        assert waiting.recv(100).startswith(b"HTTP/1.1 200")
        waiting.close()
    assert "Traceback" not in bench.words()


def test_a_passed_socket_of_another_kind_stays_down_with_the_mend(
    bench: Bench, passed: Callable[[socket.socket], subprocess.Popen[bytes]]
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(("127.0.0.1", 0))
        assert passed(datagrams).wait(WAIT_S) == 78
    assert "ListenStream=" in bench.words()


def test_a_taken_port_is_waited_for_and_a_second_exporter_is_refused(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        at = door.getsockname()[1]
        child = bench.start("exporter", **PORT | {"DSMIL_EXPORTER_LISTEN": f"127.0.0.1:{at}"})
        until = SYSTEM.monotonic() + WAIT_S
        while "ss -ltnp" not in bench.words():
            assert SYSTEM.monotonic() < until and child.poll() is None, bench.words()
            SYSTEM.sleep(0.02)
    assert port_of(bench.directory / "exporter.log", child) == at
    assert ask(at, "/health")[0] == 200
    assert bench.start("exporter", **PORT).wait(WAIT_S) == 78


@pytest.mark.parametrize("listen", ["", "8052", "/run/x.sock", "host:99999"])
def test_an_address_that_is_none_is_refused(listen: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="exporter"):
        config.load(environ={**config.private_settings(tmp_path), "DSMIL_EXPORTER_LISTEN": listen})


def test_one_reading_serves_all_who_ask_in_the_same_moment(clock: FakeClock) -> None:
    asked = []

    def read() -> str:
        asked.append(clock.now())
        if len(asked) == 2:
            raise Unavailable("reach Redis: \x1b[2Jgone")
        return "text\n"

    reading = Reading(read, clock=clock)
    assert {reading.answer().status for _ in range(50)} == {200} and len(asked) == 1
    clock.advance(KEPT_S)
    assert {reading.answer().body for _ in range(50)} == {b"reach Redis: \xef\xbf\xbd[2Jgone\n"}
    assert len(asked) == 2 and reading.away
    clock.advance(KEPT_S)
    assert reading.answer().status == 200 and not reading.away
