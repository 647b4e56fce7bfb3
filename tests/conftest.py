"""Fixtures every test may use: a private Redis, the shared recordings, a clock that stands still."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from dsmil.clock import SYSTEM, FakeClock
from dsmil.errors import Unavailable
from dsmil.fabric import acl, passwords
from dsmil.fabric.client import connect
from dsmil.fabric.private import PrivateRedis
from dsmil.fabric.wire import Wire

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The shared recordings beside the project (`DSMIL_TEST_DATA` moves them)."""
    path = Path(os.environ.get("DSMIL_TEST_DATA", PROJECT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"shared recordings are absent: no {path}")
    return path


@pytest.fixture(scope="session")
def golden() -> Path:
    """The committed recordings (tests/golden/ATTRIBUTION.md)."""
    return Path(__file__).parent / "golden"


@pytest.fixture(scope="session")
def _redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with PrivateRedis(tmp_path_factory.mktemp("redis")) as server:
        yield str(server.socket)


@pytest.fixture
def redis_socket(_redis: str) -> str:
    """The unix socket of an emptied private Redis, one per test process."""
    with redis.Redis(unix_socket_path=_redis) as client:
        client.flushall()
    return _redis


class _Installed(PrivateRedis):
    """A server with the installed configuration and its users, every path moved into a directory."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.etc = directory / "etc"
        (self.etc / "credentials").mkdir(parents=True)
        passwords.make(self.etc / "credentials", acl.users())
        self.passwords = passwords.read(self.etc / "credentials", acl.users())

    def _command(self) -> list[str]:
        (self.etc / "users.acl").write_text(acl.acl_text(self.passwords, acl.server_version()))
        text = (PROJECT / "etc" / "redis.conf").read_text()
        for place, moved in (
            ("/run/dsmil-redis/redis.sock", self.socket),
            ("/var/lib/dsmil/redis", self.directory / "redis"),
            ("/etc/dsmil", self.etc),
        ):
            assert place in text
            text = text.replace(place, str(moved))
        (self.etc / "redis.conf").write_text(text)
        return ["redis-server", str(self.etc / "redis.conf")]

    def start(self) -> None:
        super().start()
        self.admit_when_loaded()

    def admit_when_loaded(self) -> None:
        deadline = SYSTEM.monotonic() + 30.0
        while True:
            try:
                return self.admit()
            except Unavailable:  # it still loads
                assert SYSTEM.monotonic() < deadline
                SYSTEM.sleep(0.01)

    def admit(self) -> None:
        """What its unit does after each start."""
        wire = Wire(self.url_of("admin"), name="admit")
        acl.admit(wire)
        wire.close()

    def url_of(self, user: str) -> str:
        return f"unix://{user}:{self.passwords[user]}@{self.socket}"

    def as_(self, user: str) -> redis.Redis:
        return connect(self.url if user == "default" else self.url_of(user), "test")


@pytest.fixture(scope="session")
def installed_redis() -> type[_Installed]:
    """Makes a Redis as it is installed: `installed_redis(directory)`."""
    return _Installed
