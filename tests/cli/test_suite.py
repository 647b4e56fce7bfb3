"""`dsmil up` runs a whole suite in one directory, and every documented command works against it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import prometheus_client.parser
import pytest
import redis
from click.testing import CliRunner

from dsmil.cli import main
from dsmil.cli.stack import groups, shipped

NO_PORTS = {"DSMIL_AIS_PLAYBACK_UDP": "", "DSMIL_RF_INGEST_SYSLOG": "", "DSMIL_NET_PARSER_NDPID": ""}
"""Tests run beside each other: none of them listens where another would."""
SENTENCES = "!AIVDM,1,1,,B,15M67FC000G?ufbE`FepT@3n00Sa,0*5C\n!AIVDM,1,1,,A,13HOI:0P0000VOHLCnHQKwvL05Ip,0*23\n"
"""Two position reports of the AIVDM/AIVDO protocol description (E. Raymond)."""


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
    assert live.json("metrics") and live.json("top", "-n", "1")["streams"]
    assert live.json("dlq", "list") == []
    assert {row["verdict"] for row in live.json("doctor")} <= {"ok", "warn"}
    assert live.json("config", "show")["paths.data"] == str(live.directory)


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
    assert set(parts[1]) == {"l3", "l4", "soc-router", "l8"}
    assert set(parts[2]) == {"rf-ingest", "ais-playback", "net-parser"}
