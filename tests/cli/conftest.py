"""The environment of a private suite without daemons, and a client of its Redis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from dsmil import config
from tests.cli.world import World, harbour


@pytest.fixture
def env(redis_socket: str, tmp_path: Path) -> dict[str, str]:
    return config.private_settings(tmp_path, f"unix://{redis_socket}")


@pytest.fixture
def client(redis_socket: str) -> redis.Redis:
    return redis.Redis(unix_socket_path=redis_socket)


@pytest.fixture
def world(env: dict[str, str]) -> Iterator[World]:
    """The harbour told, no snapshot yet."""
    made = World(env)
    harbour(made)
    yield made
    made.close()
