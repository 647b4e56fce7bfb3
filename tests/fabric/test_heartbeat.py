"""A heartbeat is readable by anybody and ends by itself."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import redis

from dsmil.errors import Unavailable
from dsmil.fabric.heartbeat import heartbeat_writer
from dsmil.fabric.wire import Wire


@pytest.mark.live
def test_a_heartbeat_is_json_and_ends_by_itself(redis_socket: str) -> None:
    wire = Wire(f"unix://{redis_socket}", name="l3")
    heartbeat_writer(wire, "l3")({"daemon": "l3", "pid": 7, "state": "ready"})
    client = redis.Redis(unix_socket_path=redis_socket)
    raw = client.get("dsmil:hb:l3")
    assert isinstance(raw, bytes)
    assert msgspec.json.decode(raw) == {"daemon": "l3", "pid": 7, "state": "ready"}
    assert 80 < client.ttl("dsmil:hb:l3") <= 90
    client.close()
    wire.close()


def test_redis_away_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        heartbeat_writer(Wire(f"unix://{tmp_path}/none.sock"), "l3")({})
