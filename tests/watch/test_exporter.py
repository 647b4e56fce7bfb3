"""One text holds the whole suite; odd heartbeats spoil nothing, and a Redis that is away or refuses says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families

from dsmil.config import Settings
from dsmil.errors import ConfigError, Unavailable
from dsmil.fabric import instances
from dsmil.fabric.client import connect
from dsmil.fabric.private import PrivateRedis
from dsmil.runtime.health import State
from dsmil.runtime.metrics import Metrics
from dsmil.store.graphdb import About, GraphDb
from dsmil.watch import exporter

pytestmark = pytest.mark.live
NOW = 1_800_000_000.0
Labels = frozenset[tuple[str, str]]


def samples(text: str) -> dict[str, dict[Labels, float]]:
    """Values by name and labels, without who exports."""
    found: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            labels = frozenset(item for item in one.labels.items() if item != ("daemon", "exporter"))
            assert labels not in found.setdefault(one.name, {}), f"twice: {one.name} {one.labels}"
            found[one.name][labels] = one.value
    return found


def of(**labels: str) -> Labels:
    return frozenset(labels.items())


def test_streams_daemons_devices_stores_and_redis_are_in_one_text(
    client: redis.Redis, settings: Settings, beat: Callable[..., None]
) -> None:
    told = Metrics("l3")
    told.gauge("dsmil_system_memory_bytes", "m").set(5e7)
    beat("l3", stats={"processed": 9, "failed": 1, "dead_letters": 2, "lag_s": 0.25}, metrics=told.text())
    beat("l4", State.DEGRADED)
    beat("ais-playback@harbour", stats={"received": 5})
    client.hset(instances.KEY, "ais-playback@harbour", str(int(NOW)))
    client.xadd("DEAD_LETTER", {"event": "x"})
    client.xgroup_create("DEAD_LETTER", "drainer", "0")
    client.lpush("dsmil:loss", "a", "b")
    found = samples(exporter.text(client, settings, NOW, more=["# TYPE dsmil_more gauge\ndsmil_more 1.0\n"]))
    assert found["dsmil_redis_stream_length"][of(stream_name="DEAD_LETTER")] == 1
    assert found["dsmil_redis_stream_cap"][of(stream_name="SOC_EVENTS")] == settings.streams.soc_cap
    assert found["dsmil_redis_stream_lag"][of(stream_name="DEAD_LETTER", consumer_group="drainer")] > 0
    assert found["dsmil_dead_letters_total"][of()] == 1 and found["dsmil_losses_waiting"][of()] == 2
    assert found["dsmil_daemon_up"][of(name="l3")] == 1 and found["dsmil_daemon_up"][of(name="l8")] == 0
    degraded = {labels for labels, value in found["dsmil_daemon_degraded"].items() if value}
    assert degraded == {of(name="l4")}
    assert found["dsmil_daemon_up"][of(name="ais-playback@harbour")] == 1
    l3 = of(device_id="16", device_name="SIGNALS")
    assert found["dsmil_device_requests_total"][l3] == 9 and found["dsmil_device_errors_total"][l3] == 3
    assert found["dsmil_device_latency_seconds"][l3] == 0.25 and found["dsmil_device_status"][l3] == 1
    assert found["dsmil_system_memory_bytes"][of(daemon="l3")] == 5e7
    assert found["dsmil_redis_memory_bytes"][of()] > 1e5 and found["dsmil_redis_persistent"][of()] in (0, 1)
    assert found["dsmil_disk_size_bytes"][of(place="data")] > 0 and found["dsmil_more"][of()] == 1


def test_what_is_kept_of_the_graph_is_told_with_its_age(client: redis.Redis, settings: Settings) -> None:
    found = samples(exporter.text(client, settings, NOW))
    assert "dsmil_graph_snapshot_age_seconds" not in found, "no graph.db, or not for us to read"
    database = GraphDb(settings.paths.graph_db)
    database.open()
    client.xadd("GRAPH_EVENTS", {"event": "x"}, id="0-9")
    found = samples(exporter.text(client, settings, NOW))
    assert found["dsmil_graph_snapshot_age_seconds"][of()] == float("inf")
    assert found["dsmil_graph_snapshot_behind"][of()] == 9
    about = About(7, "e", NOW - 60, "id", NOW - 40, nodes=3, edges=2, bytes=4, checksum="x")
    database.keep(about, b"data", last=5, hours=0)
    found = samples(exporter.text(client, settings, NOW))
    assert found["dsmil_graph_snapshot_age_seconds"][of()] == 40
    assert found["dsmil_graph_snapshot_behind"][of()] == 2
    assert found["dsmil_db_size_bytes"][of(database="graph")] > 0
    database.close()


def test_a_heartbeat_of_anybody_spoils_nothing(
    client: redis.Redis, settings: Settings, beat: Callable[..., None]
) -> None:
    beat("l3", stats={"processed": "many", "failed": -3, "dead_letters": None, "lag_s": "x"})
    found = samples(exporter.text(client, settings, NOW))
    l3 = of(device_id="16", device_name="SIGNALS")
    assert found["dsmil_device_requests_total"][l3] == found["dsmil_device_errors_total"][l3] == 0
    assert found["dsmil_device_latency_seconds"][l3] == 0


def test_turned_away_callers_are_counted(client: redis.Redis, settings: Settings, redis_socket: str) -> None:
    def count(name: str) -> float:
        return samples(exporter.text(client, settings, NOW))[name][of()]

    logins, commands = "dsmil_security_auth_failures_total", "dsmil_security_policy_violations_total"
    before = count(logins), count(commands)
    client.acl_setuser("looker", enabled=True, reset=True, nopass=True, commands=["+ping"])
    try:
        with pytest.raises(redis.AuthenticationError):
            connect(f"unix://nobody:x@{redis_socket}", "nobody").ping()
        refused = connect(f"unix://looker@{redis_socket}", "looker")
        with pytest.raises(ConfigError, match="read the suite"):
            exporter.text(refused, settings, NOW)
    finally:
        client.acl_deluser("looker")
    assert count(logins) == before[0] + 1 and count(commands) > before[1]


def test_redis_away_is_unavailable(settings: Settings, tmp_path: Path) -> None:
    with PrivateRedis(tmp_path / "r") as server:
        client = connect(server.url, "test")
        client.config_set("maxmemory", "64mb")
        assert samples(exporter.text(client, settings, NOW))["dsmil_redis_memory_max_bytes"][of()] == 64 << 20
    with pytest.raises(Unavailable, match="read the suite"):
        exporter.text(client, settings, NOW)
