"""`dsmil up` runs a whole suite in one directory, and every documented command works against it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import prometheus_client.parser
import pytest
import redis
import requests
from click.testing import CliRunner

from dsmil.cli import main
from dsmil.cli.stack import groups, shipped
from dsmil.clock import SYSTEM
from dsmil.events import ids
from dsmil.events.decision import Decision
from dsmil.events.enums import Category
from dsmil.events.envelope import Event, encode, pack

NO_PORTS = {
    "DSMIL_AIS_PLAYBACK_UDP": "", "DSMIL_RF_INGEST_SYSLOG": "", "DSMIL_NET_PARSER_NDPID": "",
    "DSMIL_API_LISTEN": "127.0.0.1:0",
}  # fmt: skip
"""Tests run beside each other: none of them listens where another would."""
SENTENCES = "!AIVDM,1,1,,B,15M67FC000G?ufbE`FepT@3n00Sa,0*5C\n!AIVDM,1,1,,A,13HOI:0P0000VOHLCnHQKwvL05Ip,0*23\n"
"""Two position reports of the AIVDM/AIVDO protocol description (E. Raymond)."""
METRICS = {
    "dsmil_system_uptime_seconds", "dsmil_system_memory_bytes", "dsmil_system_tops_total", "dsmil_system_tops_used",
    "dsmil_layer_devices_active", "dsmil_layer_memory_bytes", "dsmil_layer_tops_used", "dsmil_layer_events_total",
    "dsmil_device_status", "dsmil_device_requests_total", "dsmil_device_latency_seconds", "dsmil_device_errors_total",
    "dsmil_security_threats_total", "dsmil_security_policy_violations_total", "dsmil_security_auth_failures_total",
    "dsmil_redis_stream_length", "dsmil_redis_stream_lag", "dsmil_db_query_duration_seconds_count",
    "dsmil_db_size_bytes",
    # and our own
    "dsmil_daemon_up", "dsmil_daemon_ready", "dsmil_daemon_stat", "dsmil_source_records_total",
    "dsmil_dead_letters_total", "dsmil_losses_waiting", "dsmil_redis_memory_bytes", "dsmil_shrink_available",
    "dsmil_shrink_crisis_level", "dsmil_shrink_risk_acute_stress", "dsmil_redis_stream_pending",
}  # fmt: skip
"""Every name of the original design (spec-originals 1b), and those an alert would ask for besides."""
EVERY_DAEMON = {5, 10, 11, 13, 14, *range(15, 31), *range(51, 59), 62}
"""The devices the shipped daemons speak for."""


class Live:
    """A suite started by `dsmil up`, and the command line against it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dsmil.cli", "up", "--dir", str(directory)],
            env=os.environ | NO_PORTS,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, f"up ended with {self.process.wait()}"
        self.said = json.loads(line)

    def __call__(self, *args: str, code: int = 0) -> str:
        done = CliRunner().invoke(main, [*args, "--dir", str(self.directory)])
        assert done.exit_code == code, f"{args}: {done.exit_code}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *args: str, code: int = 0) -> Any:
        return json.loads(self(*args, "--json", code=code))

    def until(self, ready: Callable[[], bool], what: str) -> None:
        """Ask again and again for what takes a heartbeat or a status row; the suite must live meanwhile."""
        for _ in range(600):
            if ready():
                return
            with suppress(subprocess.TimeoutExpired):
                raise AssertionError(f"up ended with {self.process.wait(0.1)}")
        raise AssertionError(f"{what}: not within a minute")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    suite = Live(tmp_path_factory.mktemp("up"))
    yield suite
    suite.process.send_signal(signal.SIGTERM)
    assert suite.process.wait(20) == 0
    assert not (suite.directory / "run" / "redis.sock").exists(), "Redis is gone too"


@pytest.mark.live
def test_up_says_where_it_is_in_one_json_line(live: Live) -> None:
    assert set(live.said) == {"dir", "redis", "api", "pid"}
    assert live.said["dir"] == str(live.directory) and live.said["pid"] == live.process.pid
    with redis.Redis(unix_socket_path=live.said["redis"].removeprefix("unix://")) as client:
        assert client.ping()


@pytest.mark.live
def test_row_13_every_documented_command_works_on_a_live_suite(live: Live) -> None:
    (live.directory / "drop" / "ais" / ".new").write_text(SENTENCES)
    (live.directory / "drop" / "ais" / ".new").rename(live.directory / "drop" / "ais" / "two.nmea")
    waited = live("tap", "--from-start", "-n", "2", "--where", 'kind = "ais.position"')  # ends when both are in
    assert waited.count("ais.position") == 2
    assert live.json("status")["healthy"]
    assert "soc-router" in live("status")
    assert len(live.json("devices")) == 104
    online = {row["id"] for row in live.json("devices") if row["status"] == "ONLINE"}
    assert online >= {5, 10, 11, 14, 16, 25, 51, 52}
    assert len(live("devices", "-l", "8").splitlines()) == 9
    assert {row["kind"] for row in live.json("events", "-n", "50")} >= {"ais.position"}
    assert live.json("events", "-s", "CRITICAL", "-n", "5") == []
    rows = {row["stream"]: row for row in live.json("streams")}
    assert {group["group"] for group in rows["L3_IN"]["groups"]} == {"l3", "l4", "drainer", "dsmil"}
    assert "L3_IN" in live("streams")
    assert list(prometheus_client.parser.text_string_to_metric_families(live("metrics")))
    assert live.json("top", "-n", "1")["streams"]
    assert live.json("dlq", "list") == []
    assert {row["verdict"] for row in live.json("doctor")} <= {"ok", "warn"}
    assert live.json("config", "show")["paths.data"] == str(live.directory)


def decided() -> bytes:
    """A decision that makes a SOC event."""
    made = Event(
        event_id=ids.digest("suite"), ts=SYSTEM.now(), ingest_ts=SYSTEM.now(), source_device=20, source_layer=3,
        source="l3", category=Category.INTEL, kind="decision", refs=("nowhere",),
        payload=pack(Decision(decision="ais.jump", score=0.9, entities=("vessel:1",), explanation="too fast")),
    )  # fmt: skip
    return encode(made)


@pytest.mark.live
def test_every_metric_of_the_design_is_there(live: Live) -> None:
    with redis.Redis(unix_socket_path=live.said["redis"].removeprefix("unix://")) as client:
        client.xadd("L3_OUT", {"event": decided()})

    def names() -> set[str]:
        return {row["name"] for row in live.json("metrics")}

    live.until(lambda: names() >= METRICS, "metrics")
    rows = live.json("metrics")
    told = {(row["name"], tuple(sorted(row["labels"].items()))): row["value"] for row in rows}
    up = {labels: value for (name, labels), value in told.items() if name == "dsmil_daemon_up"}
    assert len(up) == len(shipped()) and set(up.values()) == {1}
    sizes = {dict(labels)["database"] for name, labels in told if name == "dsmil_db_size_bytes"}
    assert sizes >= {"hot", "audit", "ingest"}
    queried = {dict(labels)["table"] for name, labels in told if name == "dsmil_db_query_duration_seconds_count"}
    assert queried >= {"entity_audit_log", "device_status", "soc_events_cache"}


@pytest.mark.live
def test_every_daemon_speaks_for_its_devices_and_layers(live: Live) -> None:
    def online() -> set[int]:
        with closing(sqlite3.connect(live.directory / "hotpath.db")) as hot:
            return {row[0] for row in hot.execute("SELECT * FROM device_status WHERE status = 'ONLINE';")}

    live.until(lambda: online() == EVERY_DAEMON, "device_status")
    with closing(sqlite3.connect(live.directory / "hotpath.db")) as hot:
        rows = dict(hot.execute("SELECT layer, active_devices FROM layer_state WHERE memory_used_gb > 0"))
    assert {layer: json.loads(active) for layer, active in rows.items() if layer in (0, 8, 9)} == {
        0: [5, 10, 11, 13, 14], 8: list(range(51, 59)), 9: [62],
    }  # fmt: skip
    assert set(rows) == {0, 3, 4, 8, 9} and 16 in json.loads(rows[3]) and 15 not in json.loads(rows[3])


@pytest.mark.live
def test_why_leads_from_an_alert_to_what_made_it(live: Live) -> None:
    with redis.Redis(unix_socket_path=live.said["redis"].removeprefix("unix://")) as client:
        client.xadd("L3_OUT", {"event": decided()})
    live.until(lambda: bool(live.json("events", "--stream", "L8_ALERTS")), "no alert came")
    alert = live.json("events", "--stream", "L8_ALERTS")[0]["event_id"]
    live.until(
        lambda: CliRunner().invoke(main, ["why", alert, "--dir", str(live.directory)]).exit_code == 0, "audit"
    )
    tree = live.json("why", alert)
    kinds = [tree["kind"], tree["refs"][0]["kind"], tree["refs"][0]["refs"][0]["kind"]]
    assert kinds == ["l8.alert", "soc", "decision"]
    assert "nowhere" in live("why", alert)
    live("why", "nowhere", code=1)


@pytest.mark.live
def test_pause_holds_daemons_and_resume_lets_them_go_on(live: Live) -> None:
    names = {"drainer", "soc-router", "l8", "l3", "net-parser"}

    def paused() -> set[str]:
        return {row["daemon"] for row in live.json("status")["daemons"] if row["stats"].get("paused")}

    for name in names:
        live("pause", name)
    live.until(lambda: paused() == names, "pausing")
    for name in names:
        live("resume", name)
    live.until(lambda: not paused(), "resuming")


@pytest.mark.live
def test_row_13_failures_are_not_exit_0(live: Live) -> None:
    live("devices", "-l", "99", code=2)
    live("events", "-s", "loud", code=2)
    live("dlq", "show", "1-1", code=1)
    for args in (["up"], ["run", "drainer"]):  # the directory is taken, and so is the daemon's lock
        command = [sys.executable, "-m", "dsmil.cli", *args, "--dir", str(live.directory)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 78 and "already running as pid" in done.stderr


def test_run_refuses_an_unknown_daemon() -> None:
    done = CliRunner().invoke(main, ["run", "l5"])
    assert done.exit_code == 2 and "soc-router" in done.stderr


def test_the_drainer_starts_first_and_stops_last() -> None:
    parts = groups(shipped())
    assert parts[0] == ["drainer"]
    assert set(parts[1]) == {"l3", "l4", "soc-router", "l8", "projector"}
    assert set(parts[2]) == {"rf-ingest", "ais-playback", "net-parser", "api"}


@pytest.mark.live
def test_up_serves_the_api_and_takes_a_free_port_where_its_own_is_busy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        command = [sys.executable, "-m", "dsmil.cli", "up", "--dir", str(tmp_path), "--port", str(port)]
        process = subprocess.Popen(
            command, env=os.environ | NO_PORTS, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout
            url = json.loads(process.stdout.readline())["api"]
            assert url.startswith("http://127.0.0.1:") and not url.endswith(f":{port}")
            token = (
                CliRunner().invoke(main, ["user", "token", "--role", "observer", "--dir", str(tmp_path)]).stdout
            )
            answer = requests.get(
                f"{url}/api/whoami", headers={"Authorization": f"Bearer {token.strip()}"}, timeout=20
            )
            assert answer.status_code == 200 and answer.json()["role"] == "observer"
        finally:
            process.send_signal(signal.SIGTERM)
            said = process.communicate(timeout=30)[1]
        assert process.returncode == 0 and re.search("port.taken", said)
