"""A private Redis is up in a moment, keeps what it was given, and never outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dsmil.errors import ConfigError
from dsmil.fabric.private import PrivateRedis
from dsmil.fabric.wire import Wire

CHILD = """
import sys, time
from pathlib import Path
from dsmil.fabric.private import PrivateRedis
server = PrivateRedis(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
time.sleep(60)
"""


def ended(pid: int, within_s: float = 10.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        threading.Event().wait(0.01)
    return False


def test_it_dies_with_its_parent(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    parent = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, cwd=root)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    os.kill(pid, 0)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert ended(pid)


def test_it_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    server = PrivateRedis(tmp_path)
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    try:
        assert not ended(server.pid, within_s=0.3)
        assert Wire(server.url).call("PING") == b"PONG"
    finally:
        server.stop()


@pytest.mark.parametrize(("profile", "fsync"), [("fast", b"everysec"), ("durable", b"always")])
def test_a_kill_loses_nothing(tmp_path: Path, profile: str, fsync: bytes) -> None:
    server = PrivateRedis(tmp_path, profile=profile)  # type: ignore[arg-type]
    server.start()
    wire = Wire(server.url)
    assert wire.call("CONFIG", "GET", "appendfsync") == [b"appendfsync", fsync]
    assert wire.call("CONFIG", "GET", "maxmemory-policy") == [b"maxmemory-policy", b"noeviction"]
    assert wire.call("CONFIG", "GET", "save") == [b"save", b""]
    assert wire.call("CONFIG", "GET", "port") == [b"port", b"0"]
    for number in range(100):
        wire.call("XADD", "s", "*", "n", number)
    server.kill()
    assert server.pid == 0
    wire.close()
    with server:
        assert wire.call("XLEN", "s") == 100


def test_a_directory_in_use_is_refused_with_the_mend(tmp_path: Path) -> None:
    with PrivateRedis(tmp_path), pytest.raises(ConfigError, match="another suite runs there"):
        PrivateRedis(tmp_path).start()


def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="exceeds 107 bytes"):
        PrivateRedis(tmp_path / ("x" * 100)).start()


def test_without_redis_server_the_mend_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="apt-get install redis-server"):
        PrivateRedis(tmp_path).start()
