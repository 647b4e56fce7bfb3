"""What users of the earlier designs type works against a running `dsmil up`, and files ingested twice count once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dsmil.store.reader import AuditReader

pytestmark = pytest.mark.live

PROJECT = Path(__file__).resolve().parents[2]
NO_PORTS = {
    "DSMIL_AIS_PLAYBACK_UDP": "",
    "DSMIL_RF_INGEST_SYSLOG": "",
    "DSMIL_NET_PARSER_NDPID": "",
    "DSMIL_API_LISTEN": "127.0.0.1:0",
}
SELECTS = (
    "SELECT layer, severity, COUNT(*) FROM raw_events_fast GROUP BY layer, severity;",
    "SELECT * FROM soc_events_cache ORDER BY ts DESC LIMIT 10;",
    "SELECT * FROM device_status WHERE status = 'ONLINE';",
    "SELECT * FROM shrink_metrics ORDER BY ts DESC LIMIT 5;",
)
STREAMS_SNIPPET = """
from dsmil import RedisStreamsClient, StreamName, create_event, Severity, EventCategory

client = RedisStreamsClient()
assert client.connect()
assert len(client.initialize_streams()) == 13 and all(client.initialize_streams().values())
event = create_event(
    source_device=15,
    source_layer=3,
    category=EventCategory.SECURITY,
    severity=Severity.HIGH,
    payload={"alert": "Anomaly detected"}
)
assert client.publish(StreamName.L3_OUT, event)
"""
HOT_SNIPPET = """
from dsmil import HotPathDB

db = HotPathDB()
assert db.connect()
assert db.initialize_schema()
assert db.insert_event(
    event_id="uuid",
    device_id=52,
    layer=8,
    source="soc-router",
    compartment="GENERAL",
    category="SECURITY",
    severity="HIGH",
    payload={"alert": "data"}
)
events = db.get_recent_events(layer=8, severity="HIGH", limit=10)
assert [event["event_id"] for event in events] == ["uuid"], events
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory of a suite started by `dsmil up`."""
    directory = tmp_path_factory.mktemp("up")
    process = subprocess.Popen(
        [sys.executable, "-m", "dsmil.cli", "up", "--dir", str(directory)],
        env=os.environ | NO_PORTS, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    assert set(told) == {"dir", "redis", "api", "pid"}
    yield directory
    threads = Path(f"/proc/{process.pid}/task").glob("*/children")
    children = [pid for thread in threads for pid in thread.read_text("ascii").split()]
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert len(children) >= 8, "the daemons"
    left = [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert not left, "nothing is left behind"


def env_of(suite: Path) -> dict[str, str]:
    from dsmil.config.private import private_environment

    return private_environment(suite)


def dsmil(suite: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dsmil.cli", *words, "--dir", str(suite)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_redis_cli_answers(suite: Path) -> None:
    for words in (["XINFO", "STREAM", "SOC_EVENTS"], ["XINFO", "GROUPS", "L3_OUT"], ["XLEN", "L3_OUT"]):
        command = ["redis-cli", "-s", str(suite / "run" / "redis.sock"), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        assert done.returncode == 0
        assert "ERR" not in done.stdout, done.stdout
    groups = subprocess.run(
        ["redis-cli", "-s", str(suite / "run" / "redis.sock"), "XINFO", "GROUPS", "L3_OUT"],
        capture_output=True, text=True, timeout=10, check=True,
    ).stdout  # fmt: skip
    assert {"dsmil", "drainer", "l4", "soc-router"} <= set(groups.split())


def test_the_four_documented_selects_answer(suite: Path) -> None:
    with closing(sqlite3.connect(f"file:{suite}/hotpath.db?mode=ro", uri=True)) as hot:
        for select in SELECTS:
            hot.execute(select).fetchall()
        assert hot.execute(SELECTS[2]).fetchall(), "daemons are ONLINE"
    if shutil.which("sqlite3"):
        for select in SELECTS:
            subprocess.run(["sqlite3", str(suite / "hotpath.db"), select], check=True, capture_output=True)


@pytest.mark.parametrize("snippet", [STREAMS_SNIPPET, HOT_SNIPPET], ids=["streams", "hotpath"])
def test_the_documented_snippets_run(suite: Path, snippet: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", snippet],
        env=env_of(suite),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_documented_test_script_passes(suite: Path) -> None:
    script = PROJECT / "scripts" / "test_soc_router.py"
    done = subprocess.run(
        [sys.executable, str(script)], env=env_of(suite), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Total: 4/4 tests passed" in done.stdout


def level(suite: Path) -> int:
    """Rows of the audit once two looks in a row agree and every group is level."""
    before, until = -1, time.monotonic() + 20
    while time.monotonic() < until:
        told = json.loads(dsmil(suite, "streams", "--json").stdout)
        rows = AuditReader(suite / "audit").count()
        if rows == before and not any(row["pending"] for row in told):
            return rows
        before = rows
    raise AssertionError("the audit does not come to rest")


def test_a_second_ingest_adds_no_audit_row(suite: Path, golden: Path) -> None:
    for family, name in (("ais", "gpsd-ais-18-27.log"), ("nmap", "libnmap-2_hosts.xml")):
        path = next(iter(golden.rglob(name)), None)
        assert path is not None, name
        first = dsmil(suite, "ingest", family, str(path), "--json")
        assert first.returncode in (0, 1), first.stderr
        assert json.loads(first.stdout)["accepted"] > 0
        before = level(suite)
        again = dsmil(suite, "ingest", family, str(path), "--json")
        assert json.loads(again.stdout)["rejected"] == {"duplicate": 1}
        assert level(suite) == before


def test_a_second_suite_in_the_same_directory_is_refused(suite: Path) -> None:
    done = dsmil(suite, "up")
    assert done.returncode == 78
    assert str(suite) in done.stderr
