"""Looking takes nothing away: newest events, a live tap that outlives Redis, top, and the dead letters."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from click.testing import CliRunner, Result

from dsmil import config
from dsmil.cli import main
from dsmil.cli.look import stamp
from dsmil.clock import SYSTEM
from dsmil.events.enums import Category, Severity
from dsmil.events.envelope import TS_MAX, Event, encode, pack
from dsmil.fabric.deadletter import DeadLetter, encode_letter
from dsmil.fabric.private import PrivateRedis


def dsmil(env: dict[str, str], *args: str) -> Result:
    return CliRunner().invoke(main, args, env=env)


def event(n: int, severity: Severity = Severity.LOW, **payload: Any) -> bytes:
    return encode(
        Event(
            event_id=f"e{n}", ts=1_700_000_000.0 + n, ingest_ts=1.0, source_device=11, source_layer=0,
            source="ais:x", category=Category.NETWORK, severity=severity, kind="ais.position", payload=pack(payload),
        )
    )  # fmt: skip


def add(client: redis.Redis, stream: str, data: bytes) -> None:
    client.xadd(stream, {"event": data})


def test_events_are_the_newest_of_all_streams_in_order(env: dict[str, str], client: redis.Redis) -> None:
    for n in range(6):
        data = event(n, Severity.HIGH if n in (1, 4) else Severity.LOW, mmsi=n)
        client.xadd(("L3_IN", "L3_OUT")[n % 2], {"event": data}, id=f"{n + 1}-0")
    client.xadd("L3_IN", {"event": "not json"})
    client.xadd("L3_IN", {"other": "field"})
    for wrong in ({"ts": 1e300}, {"severity": ["z"]}, {"kind": 1}, {"source_device": None}, {"payload": [1]}):
        whole = {"ts": 1, "kind": "x", "source": "a", "source_device": 1} | wrong
        client.xadd("L3_IN", {"event": json.dumps(whole)})

    def ids(*args: str) -> list[str]:
        return [row["event_id"] for row in json.loads(dsmil(env, "events", "--json", *args).stdout)]

    assert ids() == ["e0", "e1", "e2", "e3", "e4", "e5"]
    assert ids("-n", "2") == ["e4", "e5"]
    assert ids("-s", "high") == ["e1", "e4"]
    assert ids("-s", "high", "-s", "LOW") == ids("-s", "LOW", "-s", "HIGH") == ids()
    assert ids("-s", "CRITICAL", "-s", "high", "-n", "1") == ["e4"]
    assert ids("--stream", "L3_OUT") == ["e1", "e3", "e5"]
    assert "mmsi=5" in dsmil(env, "events").stdout
    assert dsmil(env, "events", "-s", "loud").exit_code == 2


def test_hostile_text_is_shown_harmless(env: dict[str, str], client: redis.Redis) -> None:
    add(client, "L3_IN", event(1, name="\x1b]0;owned\x07\nfake row"))
    for args in (["events"], ["tap", "--from-start", "-n", "1"]):
        out = dsmil(env, *args).stdout
        assert "\x1b" not in out and "\x07" not in out and "\nfake" not in out and "owned" in out


def test_a_decision_is_shown_by_what_it_says(env: dict[str, str], client: redis.Redis) -> None:
    add(client, "L3_OUT", event(1, decision="ais.jump", score=0.9, explanation="went too fast"))
    assert "ais.jump: went too fast" in dsmil(env, "events").stdout


def test_a_time_beyond_the_calendar_is_shown_in_seconds() -> None:
    assert stamp(TS_MAX) == "253402300800"


def test_tap_filters_by_predicate(env: dict[str, str], client: redis.Redis) -> None:
    for n in range(5):
        add(client, "L3_IN", event(n, mmsi=n))
    done = dsmil(env, "tap", "--from-start", "-n", "2", "--json", "--where", "mmsi >= 3")
    assert [json.loads(line)["event_id"] for line in done.stdout.splitlines()] == ["e3", "e4"]
    done = dsmil(env, "tap", "--where", "mmsi >>> 3")
    assert done.exit_code == 2 and "dsmil: " in done.stderr


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PrivateRedis]:
    with PrivateRedis(tmp_path / "s") as server:
        yield server


def test_tap_survives_a_restart_and_a_flush_of_redis(server: PrivateRedis) -> None:
    env = config.private_environment(server.directory)
    command = [sys.executable, "-m", "dsmil.cli", "tap", "--json", "--from-start", "-n", "3"]
    with redis.Redis(unix_socket_path=str(server.socket)) as client:
        add(client, "L3_IN", event(1))
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tap:
        assert tap.stdout and tap.stderr
        assert json.loads(tap.stdout.readline())["event_id"] == "e1"
        server.kill()
        assert "waiting for Redis" in tap.stderr.readline()
        server.start()
        assert "Redis is back" in tap.stderr.readline()
        with redis.Redis(unix_socket_path=str(server.socket)) as client:
            add(client, "L3_IN", event(2))
            assert json.loads(tap.stdout.readline())["event_id"] == "e2"
            server.kill()
            assert "waiting for Redis" in tap.stderr.readline()
        server.start()
        with redis.Redis(unix_socket_path=str(server.socket)) as client:
            client.flushall()
            add(client, "L3_IN", event(3))
        assert json.loads(tap.stdout.readline())["event_id"] in ("e3", "e2", "e1")
        assert tap.wait(20) == 0


def test_top_gives_frames(env: dict[str, str], client: redis.Redis) -> None:
    add(client, "L3_IN", event(1))
    done = dsmil(env, "top", "-n", "2", "--every", "0.1", "--json")
    frames = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(frames) == 2 and frames[1]["streams"][0]["stream"] == "L3_IN"
    assert "absent" in dsmil(env, "top", "-n", "1").stdout


def test_dead_letters_are_listed_shown_retried_and_dropped(env: dict[str, str], client: redis.Redis) -> None:
    ids = []
    for n in range(2):
        data = event(n)
        entry = client.xadd("L3_IN", {"event": data}).decode()
        letter = DeadLetter(
            stream="L3_IN", id=entry, group="l3", deliveries=5, failures=5, error="ValueError: bad \x1b",
            text=data.decode(), size_bytes=len(data),
        )  # fmt: skip
        ids.append(client.xadd("DEAD_LETTER", {"event": encode_letter(letter, now=SYSTEM.now())}).decode())
    rows = json.loads(dsmil(env, "dlq", "list", "--json").stdout)
    assert [row["id"] for row in rows] == ids[::-1] and rows[0]["group"] == "l3"
    assert "\x1b" not in dsmil(env, "dlq", "list").stdout + dsmil(env, "dlq", "show", ids[0]).stdout
    assert json.loads(dsmil(env, "dlq", "show", ids[0], "--json").stdout)["payload"]["failures"] == 5
    new = json.loads(dsmil(env, "dlq", "retry", ids[0], "--json").stdout)[ids[0]]
    assert client.xrange("L3_IN", new, new)[0][1][b"event"] == event(0)
    assert dsmil(env, "dlq", "drop", ids[1]).exit_code == 0
    assert json.loads(dsmil(env, "dlq", "list", "--json").stdout) == []
    assert len(json.loads(dsmil(env, "dlq", "list", "--all", "--json").stdout)) == 2
    assert dsmil(env, "dlq", "show", "zzz").exit_code == 2
    done = dsmil(env, "dlq", "show", "1-1")
    assert done.exit_code == 1 and "no such id" in done.stderr
