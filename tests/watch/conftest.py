"""A suite without daemons: its settings, a client of its Redis, and heartbeats as daemons would write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

from dsmil import config
from dsmil.config import Settings
from dsmil.runtime.health import Heartbeat, State

NOW = 1_800_000_000.0


@pytest.fixture
def settings(redis_socket: str, tmp_path: Path) -> Settings:
    return config.load(environ=config.private_settings(tmp_path, f"unix://{redis_socket}")).settings


@pytest.fixture
def client(redis_socket: str) -> redis.Redis:
    return redis.Redis(unix_socket_path=redis_socket)


@pytest.fixture
def beat(client: redis.Redis) -> Callable[..., None]:
    """Writes the heartbeat of a daemon, `age_s` old at `NOW`."""

    def write(name: str, state: State = State.READY, *, age_s: float = 1.0, **more: Any) -> None:
        now = NOW - age_s
        body = Heartbeat(daemon=name, pid=7, state=state, since=now - 100, state_since=now, now=now, **more)
        client.set(f"dsmil:hb:{name}", msgspec.json.encode(body))

    return write
