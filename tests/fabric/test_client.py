"""redis-py is set so that it never retries, never hangs and never changes the shape of replies."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from dsmil.config.places import Redis as RedisSettings
from dsmil.config.streams import Streams
from dsmil.errors import ConfigError, Unavailable
from dsmil.events.enums import StreamName
from dsmil.fabric.backoff import Backoff
from dsmil.fabric.client import connect, ensure_topology, translated
from dsmil.fabric.topology import cap_of


def test_every_default_that_bites_is_set(url: str) -> None:
    client = connect(RedisSettings(url=url), "l3")
    options = client.connection_pool.connection_kwargs
    assert options["socket_timeout"] == 10.0
    over_tcp = connect("redis://localhost:1/0", "l3").connection_pool.connection_kwargs
    assert over_tcp["socket_connect_timeout"] == 2.0
    assert options["health_check_interval"] == 15
    assert options["protocol"] == 2
    assert options["retry"].get_retries() == 0
    assert client.client_getname() in ("dsmil-l3", b"dsmil-l3")


def test_redis_away_is_unavailable_and_refused_rights_are_a_config_error(tmp_path: Path) -> None:
    away = connect(f"unix://{tmp_path}/none.sock", "x")
    with pytest.raises(Unavailable):
        ensure_topology(away)
    with pytest.raises(ConfigError), translated("x"):
        raise redis.AuthenticationError("WRONGPASS")
    with pytest.raises(ConfigError):
        connect("http://u:secret@x", "x")


def test_topology_is_made_any_number_of_times_and_keeps_the_identities(client: redis.Redis) -> None:
    made = ensure_topology(client)
    epoch = client.get("dsmil:epoch:L3_IN")
    assert ensure_topology(client) == made
    assert client.get("dsmil:epoch:L3_IN") == epoch
    assert [stream for stream, there in made.items() if not there] == [StreamName.GRAPH_EVENTS]


def test_a_key_in_the_way_of_a_stream_is_told(client: redis.Redis) -> None:
    client.set("L3_IN", "in the way")
    with pytest.raises(Unavailable, match="WRONGTYPE"):
        ensure_topology(client)


def test_backoff_doubles_to_its_cap_and_begins_again() -> None:
    backoff = Backoff(0.1, 2.0, seed=1)
    waits = [backoff.next_s() for _ in range(12)]
    assert all(0.05 * 2**n <= wait <= 0.1 * 2**n for n, wait in enumerate(waits[:5]))
    assert all(1.0 <= wait <= 2.0 for wait in waits[5:])
    backoff.reset()
    assert backoff.next_s() <= 0.1


def test_caps_and_retention_of_streams() -> None:
    streams = Streams()
    assert all(streams.cap_of(stream) == cap_of(stream) for stream in StreamName)
    assert streams.retention_of("SOC_EVENTS") == 7 * streams.retention_of("L3_IN")
