"""A suite can be asked how it fares; trouble shows in the exit code too."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import redis
from click.testing import CliRunner, Result

from dsmil import config
from dsmil.cli import main
from dsmil.cli.stack import shipped
from dsmil.clock import SYSTEM
from dsmil.events import devices
from dsmil.events.enums import Category
from dsmil.events.envelope import Event, encode, pack
from dsmil.events.source import SourceStats
from dsmil.runtime.health import Heartbeat, State
from dsmil.runtime.metrics import Metrics
from dsmil.store.graphdb import About, GraphDb


def dsmil(env: dict[str, str], *args: str) -> Result:
    return CliRunner().invoke(main, args, env=env)


def beat(client: redis.Redis, name: str, state: State = State.READY, **more: Any) -> None:
    now = SYSTEM.now()
    metrics = Metrics(name)
    metrics.gauge("dsmil_system_memory_bytes", "m").set(5e7)
    body = Heartbeat(
        daemon=name, pid=7, state=state, since=now - 100, state_since=now, now=now, metrics=metrics.text(), **more
    )
    client.set(f"dsmil:hb:{name}", msgspec.json.encode(body))


def event(kind: str = "ais.position", ingest_ts: float = 1.0, **payload: Any) -> bytes:
    return encode(
        Event(
            event_id="e", ts=1.0, ingest_ts=ingest_ts, source_device=11, source_layer=0, source="ais:x",
            category=Category.NETWORK, kind=kind, payload=pack(payload),
        )
    )  # fmt: skip


def test_row_09_all_devices_round_trip_and_layers_count(env: dict[str, str]) -> None:
    for device in devices.DEVICES:
        for offset in (devices.STATUS, devices.CONFIG, devices.DATA):
            assert devices.from_token(devices.token(device.id, offset)) == (device, offset)
    assert devices.token(0) == 0x8000 and devices.token(103, devices.DATA) == 0x8137
    rows = json.loads(dsmil(env, "devices", "--json").stdout)
    assert [row["id"] for row in rows] == list(range(104))
    counts = [len(json.loads(dsmil(env, "devices", "-l", str(n), "--json").stdout)) for n in range(2, 10)]
    assert counts == [1, 8, 8, 6, 6, 8, 8, 4]
    lines = dsmil(env, "devices").stdout.splitlines()
    assert len(lines) == 105
    assert next(line for line in lines if line.startswith("52 ")).split()[1] == "0x809C"
    assert next(line for line in lines if line.startswith("83 ")).split()[1] == "0x80F9"
    assert dsmil(env, "devices", "-l", "10").exit_code == 2


def test_status_is_healthy_only_when_every_daemon_is(env: dict[str, str], client: redis.Redis) -> None:
    for name in shipped():
        beat(client, name)
    stats = SourceStats(source="ais:udp:1", received=3, accepted=2, rejected={"checksum": 1}, last_data_ts=5.0)
    client.xadd("L3_IN", {"event": event("source.stats", **msgspec.structs.asdict(stats))})
    done = dsmil(env, "status", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["healthy"] and {row["state"] for row in found["daemons"]} == {"ready"}
    assert found["sources"][0]["rejected"] == {"checksum": 1}
    beat(client, "l3", State.DEGRADED, error="reach \x1b[2J Redis")
    client.delete("dsmil:hb:l4")
    done = dsmil(env, "status")
    assert done.exit_code == 1
    assert "\x1b" not in done.stdout and "degraded" in done.stdout and "absent" in done.stdout
    assert dsmil(env, "status", "--json").exit_code == 1


def test_status_tells_the_graph_and_where_the_api_is(env: dict[str, str], client: redis.Redis) -> None:
    assert json.loads(dsmil(env, "status", "--json").stdout)["graph"] is None
    database, now = GraphDb(config.load(environ=env).settings.paths.graph_db), SYSTEM.now()
    about = About(7, "e", now, "id", now - 40, nodes=3, edges=2, bytes=4, checksum="x")
    database.keep(about, b"data", last=5, hours=0)
    database.close()
    client.xadd("GRAPH_EVENTS", {"event": "x"}, id="0-9")
    beat(client, "api", stats={"url": "http://127.0.0.1:1"})
    told = json.loads(dsmil(env, "status", "--json").stdout)["graph"]
    assert (told["nodes"], told["edges"], told["sequence"], told["last_sequence"]) == (3, 2, 7, 9)
    assert 39 < told["age_s"] < 100 and told["bytes"] > 0
    text = dsmil(env, "status").stdout
    assert "Graph 3 nodes, 2 edges at 7 of 9, snapshot" in text and "API http://127.0.0.1:1" in text


def test_an_instance_is_a_daemon_like_the_others(env: dict[str, str], client: redis.Redis) -> None:
    name = "ais-playback@harbour"
    for daemon in (*shipped(), name):
        beat(client, daemon)
    client.hset("dsmil:instances", name, str(int(SYSTEM.now())))
    found = json.loads(dsmil(env, "status", "--json").stdout)
    assert found["healthy"] and found["daemons"][-1]["daemon"] == name
    assert f'daemon="{name}"' in dsmil(env, "metrics").stdout
    client.delete(f"dsmil:hb:{name}")
    done = dsmil(env, "status", "--json")
    assert done.exit_code == 1 and json.loads(done.stdout)["daemons"][-1]["state"] == "absent"


def test_lag_is_the_age_of_the_oldest_unacknowledged_entry(env: dict[str, str], client: redis.Redis) -> None:
    now = SYSTEM.now()
    for age_s in (500, 300, 100):
        client.xadd("L3_IN", {"event": event(ingest_ts=now - age_s)})
    client.xgroup_create("L3_IN", "l3", "0")

    def lag() -> tuple[int, float]:
        rows = json.loads(dsmil(env, "streams", "--json").stdout)
        group = next(row for row in rows if row["stream"] == "L3_IN")["groups"][0]
        return group["pending"], group["lag_s"]

    assert lag()[0] == 0 and 499 < lag()[1] < 560, "nothing read yet"
    ((_, entries),) = client.xreadgroup("l3", "l3-0", {"L3_IN": ">"}, count=2)
    assert lag()[0] == 2 and 499 < lag()[1] < 560
    client.xack("L3_IN", "l3", entries[0][0])
    assert lag()[0] == 1 and 299 < lag()[1] < 360
    client.xack("L3_IN", "l3", entries[1][0])
    assert lag()[0] == 0 and 99 < lag()[1] < 160
    ((_, entries),) = client.xreadgroup("l3", "l3-0", {"L3_IN": ">"})
    client.xack("L3_IN", "l3", entries[0][0])
    assert lag() == (0, 0.0)
    assert "L3_IN" in dsmil(env, "streams").stdout


def test_metrics_are_one_prometheus_text(env: dict[str, str], client: redis.Redis) -> None:
    beat(client, "l3")
    beat(client, "l4", State.DEGRADED)
    client.xadd("L3_IN", {"event": event()})
    text = dsmil(env, "metrics").stdout
    assert 'dsmil_system_memory_bytes{daemon="l4"} 50000000.0' in text
    assert 'dsmil_redis_stream_length{daemon="exporter",stream_name="L3_IN"} 1.0' in text
    assert 'device_id="16",device_name="SIGNALS"} 1.0' in text
    rows = json.loads(dsmil(env, "metrics", "--json").stdout)
    assert {"name", "labels", "value"} == set(rows[0])
