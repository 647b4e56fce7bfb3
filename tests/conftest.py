"""Fixtures every test may use: a private Redis, the shared recordings, a clock that stands still."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsmil.clock import FakeClock

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
    from dsmil.fabric.private import PrivateRedis

    with PrivateRedis(tmp_path_factory.mktemp("redis")) as server:
        yield str(server.socket)


@pytest.fixture
def redis_socket(_redis: str) -> str:
    """The unix socket of an emptied private Redis, one per test process."""
    import redis

    with redis.Redis(unix_socket_path=_redis) as client:
        client.flushall()
    return _redis
