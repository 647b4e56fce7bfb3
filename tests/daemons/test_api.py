"""The API daemon listens on its socket, says how it fares, outlives what is away, and drains when told to stop."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Protocol

import pytest
import redis

from dsmil.api.connection import CONNECTIONS_MAX
from dsmil.clock import SYSTEM
from dsmil.config import private_settings
from dsmil.config.private import private_environment
from dsmil.fabric import graphstream
from dsmil.fabric.private import PrivateRedis
from dsmil.fabric.wire import Wire
from dsmil.operators.book import Book
from dsmil.operators.roles import Role
from dsmil.operators.tokens import Tokens
from dsmil.runtime.health import decode
from dsmil.runtime.listener import Listener

WAIT_S = 30.0
RSS_MB_MAX = 80.0
"""Idle, before anybody asked for places."""

pytestmark = pytest.mark.live


class Suite:
    """A private directory and Redis, API processes in it, and requests to them."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory, self.url = directory, url
        self.listener = Listener()
        self.children: list[subprocess.Popen[bytes]] = []
        (directory / "run").mkdir(exist_ok=True)
        path = Path(private_settings(directory)["DSMIL_PATHS_DATA"]) / "operators" / "operators.db"
        with Book(path) as book:
            self.token = Tokens(book).make(Role.ADMIN)[0]

    def start(self, *args: str, **environ: str) -> int:
        """A process of its own; its port, once it is ready."""
        env = private_environment(self.directory, self.url) | {
            "DSMIL_API_LISTEN": "127.0.0.1:0", "DSMIL_LOG_FORMAT": "json", "NOTIFY_SOCKET": self.listener.address,
        }  # fmt: skip
        log = (self.directory / f"api{len(self.children)}.log").open("wb")
        self.children.append(
            subprocess.Popen([sys.executable, "-m", "dsmil.daemons.api", *args], env=env | environ, stderr=log)
        )
        return self.ready()

    def ready(self) -> int:
        until = SYSTEM.monotonic() + WAIT_S
        while SYSTEM.monotonic() < until:
            for _, fields in self.listener.heard(0.1):
                if "READY" in fields:
                    return int(re.findall(r'"url":"http://127.0.0.1:(\d+)"', self.said())[-1])
            assert self.children[-1].poll() is None, self.said()
        raise AssertionError(self.said())

    def said(self) -> str:
        return (self.directory / f"api{len(self.children) - 1}.log").read_text()

    def ask(self, port: int, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        line.request(method, path, None if body is None else json.dumps(body), headers)
        answer = line.getresponse()
        data = answer.read()
        line.close()
        return answer.status, json.loads(data) if "json" in (answer.headers["content-type"] or "") else data

    def until(self, port: int, path: str, status: int) -> Any:
        """Ask until the answer is this one."""
        end = SYSTEM.monotonic() + WAIT_S
        while SYSTEM.monotonic() < end:
            found = self.ask(port, "GET", path)
            if found[0] == status:
                return found[1]
            list(self.listener.heard(0.05))
        raise AssertionError(f"{path} is {found}, not {status}; {self.said()}")

    def close(self) -> None:
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.wait()
        self.listener.close()


class Start(Protocol):
    def __call__(self, *args: str, **environ: str) -> int: ...


@pytest.fixture
def suite(tmp_path: Path, redis_socket: str) -> Any:
    made = Suite(tmp_path, f"unix://{redis_socket}")
    wire = Wire(made.url, name="test-projector")
    graphstream.create(wire, now=SYSTEM.now())
    wire.close()
    yield made
    made.close()


def sent(port: int, *pieces: bytes) -> tuple[int, Any]:
    """Status and body of what is answered to raw bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        try:
            for piece in pieces:
                line.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = http.client.HTTPResponse(line)
        answer.begin()
        return answer.status, json.loads(answer.read())


def test_what_is_no_request_is_refused_in_the_shape_of_every_error(suite: Suite) -> None:
    port = suite.start()
    suite.until(port, "/health/ready", 200)
    head = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
    for status, *pieces in (
        (400, b"FOO / HTTP/1.1\r\n\r\n"),
        (400, head, b"Content-Length: -1\r\n\r\n"),
        (400, head, b"Host: evil.example\r\n\r\n"),
        (431, head, b"X: " + b"a" * 70_000 + b"\r\n\r\n"),
        (431, head, b"X: " + b"a" * 400_000),
        (431, b"GET /" + b"a" * 400_000),
    ):
        found = sent(port, *pieces)
        assert found[0] == status and found[1].keys() == {"error", "detail", "hint"}, (pieces[0], found)
    assert sent(port, head + b"X: " + b"a" * 60_000 + b"\r\n\r\n")[0] == 200


def test_connections_beyond_the_bound_are_told_so_and_free_ones_serve_again(suite: Suite) -> None:
    port = suite.start()
    suite.until(port, "/health/ready", 200)
    silent = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(CONNECTIONS_MAX)]
    status, said = sent(port)
    assert (status, said["error"]) == (503, "busy")
    for line in silent:
        line.close()
    suite.until(port, "/health", 200)


def test_it_serves_says_how_it_fares_and_drains(suite: Suite, redis_socket: str) -> None:
    port = suite.start()
    suite.until(port, "/health/ready", 200)
    status, made = suite.ask(port, "POST", "/api/nodes", {"id": "x", "position": [1, 2]})
    assert status == 201
    assert suite.ask(port, "GET", f"/api/nodes/x?min_seq={made['sequence_id']}")[1]["position"] == [1, 2]
    assert suite.ask(port, "GET", "/docs")[0] == 200
    heard: list[dict[str, str]] = []
    told: Any = None
    with redis.Redis(unix_socket_path=redis_socket) as client:
        while told is None or "dsmil_http_requests_total" not in told.metrics:  # the next heartbeat, after 5 s
            heard += [fields for _, fields in suite.listener.heard(0.1)]
            assert len(heard) < 200
            told = decode(client.get("dsmil:hb:api"))  # type: ignore[arg-type]
    assert told.stats["url"] == f"http://127.0.0.1:{port}" and told.stats["nodes"] == 1
    assert any("WATCHDOG" in each for each in heard) and any(
        "requests" in each.get("STATUS", "") for each in heard
    )
    pid = suite.children[0].pid
    rss_mb = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    assert rss_mb < RSS_MB_MAX, f"{rss_mb:.0f} MB"
    began = SYSTEM.monotonic()
    suite.children[0].send_signal(signal.SIGTERM)
    assert suite.children[0].wait(10) == 0 and SYSTEM.monotonic() - began < 10
    assert any("STOPPING" in fields for _ in range(5) for _, fields in suite.listener.heard(0.1))
    assert "Traceback" not in suite.said() and suite.token not in suite.said()


def test_a_request_in_flight_is_answered_before_it_ends(suite: Suite, redis_socket: str) -> None:
    port = suite.start(DSMIL_API_WAIT_S_MAX="3")
    suite.until(port, "/health/ready", 200)
    with redis.Redis(unix_socket_path=redis_socket) as client:
        client.config_set("maxclients", 10_000)
        client.client_pause(1_500)  # the engine does not see what was written for a while
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(suite.ask(port, "POST", "/api/nodes", {"id": "x"})))
    thread.start()
    list(suite.listener.heard(0.2))
    suite.children[0].send_signal(signal.SIGTERM)
    thread.join(10)
    assert suite.children[0].wait(10) == 0
    assert found and found[0][0] in (201, 503), found


def test_two_processes_see_what_either_writes(suite: Suite) -> None:
    first = suite.start()
    second = suite.start("--instance", "two")
    suite.until(first, "/health/ready", 200)
    suite.until(second, "/health/ready", 200)
    last = suite.ask(first, "POST", "/api/nodes", {"id": "x"})[1]["sequence_id"]
    assert suite.ask(second, "GET", f"/api/nodes/x?min_seq={last}")[0] == 200
    assert suite.ask(second, "POST", "/api/nodes", {"id": "x"})[0] == 409
    last = suite.ask(second, "DELETE", "/api/nodes/x")[1]["sequence_id"]
    assert suite.ask(first, "GET", f"/api/nodes/x?min_seq={last}")[0] == 404


def test_it_starts_without_redis_and_outlives_one(tmp_path: Path) -> None:
    server = PrivateRedis(tmp_path)
    suite = Suite(tmp_path, server.url)
    try:
        port = suite.start()
        assert suite.ask(port, "GET", "/health")[1]["status"] == "degraded"
        assert suite.ask(port, "GET", "/api/nodes")[0] == 503
        server.start()
        wire = Wire(server.url, name="test-projector")
        graphstream.create(wire, now=SYSTEM.now())
        wire.close()
        suite.until(port, "/health/ready", 200)
        last = suite.ask(port, "POST", "/api/nodes", {"id": "x"})[1]["sequence_id"]
        suite.ask(port, "GET", f"/api/nodes/x?min_seq={last}")
        server.stop()
        suite.until(port, "/health/ready", 503)
        assert suite.ask(port, "GET", "/api/nodes/x")[0] == 200, "reads go on"
        status, told = suite.ask(port, "POST", "/api/nodes", {"id": "y"})
        assert status == 503 and told["detail"]
        assert suite.ask(port, "GET", "/metrics")[0] == 503
        server.start()
        suite.until(port, "/health/ready", 200)
        assert suite.ask(port, "POST", "/api/nodes", {"id": "y"})[0] == 201
    finally:
        suite.close()
        server.stop()


def test_it_takes_the_socket_it_is_passed(suite: Suite) -> None:
    door = socket.create_server(("127.0.0.1", 0))
    port = door.getsockname()[1]
    os.set_inheritable(door.fileno(), True)
    script = (
        "import os, sys; os.dup2(int(sys.argv[1]), 3); os.set_inheritable(3, True);"
        "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', LISTEN_FDNAMES='http');"
        "os.execv(sys.executable, [sys.executable, '-m', 'dsmil.daemons.api'])"
    )
    env = private_environment(suite.directory, suite.url) | {"NOTIFY_SOCKET": suite.listener.address,
                                                             "DSMIL_LOG_FORMAT": "json"}  # fmt: skip
    log = (suite.directory / "api0.log").open("wb")
    suite.children.append(
        subprocess.Popen([sys.executable, "-c", script, str(door.fileno())], env=env, close_fds=False, stderr=log)
    )
    door.close()
    assert suite.ready() == port
    suite.until(port, "/health/ready", 200)


@pytest.mark.parametrize("listen", ["nowhere", "127.0.0.1:80x", ""])
def test_a_wrong_address_is_exit_78(suite: Suite, listen: str) -> None:
    env = private_environment(suite.directory, suite.url) | {"DSMIL_API_LISTEN": listen}
    done = subprocess.run(
        [sys.executable, "-m", "dsmil.daemons.api"], env=env, capture_output=True, check=False, timeout=30
    )
    assert done.returncode == 78 and b"api" in done.stderr


def test_another_of_the_same_name_is_exit_78(suite: Suite) -> None:
    suite.start()
    env = private_environment(suite.directory, suite.url) | {"DSMIL_API_LISTEN": "127.0.0.1:0"}
    done = subprocess.run(
        [sys.executable, "-m", "dsmil.daemons.api"], env=env, capture_output=True, check=False, timeout=30
    )
    assert done.returncode == 78 and b"already running" in done.stderr


def test_a_port_that_is_taken_is_waited_for(suite: Suite) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        env = private_environment(suite.directory, suite.url) | {
            "DSMIL_API_LISTEN": f"127.0.0.1:{port}", "DSMIL_LOG_FORMAT": "json",
            "NOTIFY_SOCKET": suite.listener.address,
        }  # fmt: skip
        log = (suite.directory / "api0.log").open("wb")
        suite.children.append(subprocess.Popen([sys.executable, "-m", "dsmil.daemons.api"], env=env, stderr=log))
        end = SYSTEM.monotonic() + WAIT_S
        while "degraded" not in suite.said():
            assert SYSTEM.monotonic() < end, suite.said()
            list(suite.listener.heard(0.1))
    while '"listening"' not in suite.said():
        assert SYSTEM.monotonic() < end, suite.said()
        list(suite.listener.heard(0.1))
    suite.until(port, "/health/ready", 200)


def test_small_answers_do_not_wait_for_the_readers_acknowledgement(suite: Suite) -> None:
    port = suite.start()
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    took = []
    for _ in range(30):
        began = SYSTEM.monotonic()
        line.request("GET", "/health")
        line.getresponse().read()
        took.append(SYSTEM.monotonic() - began)
    line.close()
    assert sorted(took)[15] < 0.03, "the delayed acknowledgement of Linux takes 40 ms"
