"""The demo plays the story through the whole suite and exits 0 only when every record is accounted for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dsmil.cli import sums
from dsmil.clock import SYSTEM
from dsmil.store.audit import AuditLog
from dsmil.store.reader import AuditReader

pytestmark = pytest.mark.live
NMEA = b"!AIVDM,1,1,,B,15NG6V0P01G?cFhE`R2IU?wn28R>,0*05\n"


def demo(*arguments: str, timeout: float = 170) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dsmil.cli", "demo", "--exit", "--json", *arguments]
    env = os.environ | {"DSMIL_API_LISTEN": "127.0.0.1:0"}  # tests run beside each other
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout, check=False)


@pytest.mark.slow
def test_the_story_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    done = demo("--dir", str(tmp_path / "suite"), "--speed", "900")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["lost"] == 0
    assert report["audit"]["chain_ok"] is True
    assert report["audit"]["rows"] == report["audit"]["distinct"]
    for name, one in report["inputs"].items():
        assert one["received"] == one["accepted"] + sum(one["rejected"].values()), name
    for decision in ("ais.gone_dark", "rf.new_emitter", "link.emitter_vessel", "net.new_host", "net.flow_risk"):
        assert report["decisions"].get(decision), decision
    assert report["soc_events"]["CRITICAL"] >= 1, "the crisis raises at least one event"
    assert all(row["pending"] == 0 for row in report["streams"].values())
    assert report["graph"]["nodes"]["vessel"] > 40
    assert report["graph"]["edges"]["link.emitter_vessel"] >= 1
    # The streams are read first, and a source may still tell its counts in between.
    assert report["graph"]["sequence_id"] >= report["streams"]["GRAPH_EVENTS"]["added"] > 0


def test_recordings_of_a_directory_are_played_and_the_rest_named(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "log.nmea").write_bytes(NMEA * 5 + b"!AIVDM,1,1,,B,15NG6V0P01G?cFhE`R2IU?wn28R>,0*06\n")
    (data / "notes.md").write_text("nothing")
    done = demo("--data", str(data), "--speed", "max")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["inputs"]["ais"] == {
        "files": 1, "received": 6, "accepted": 5, "rejected": {"checksum": 1}, "ignored": 0,
    }  # fmt: skip
    assert report["skipped"] == {"notes.md": "unknown format"}
    assert report["graph"]["nodes"]["vessel"] == 1


def test_a_graph_that_is_not_what_the_files_name_is_told() -> None:
    named = {"vessel": {"1", "2"}, "host": {"a"}}
    assert sums.compare({"vessel": 2, "host": 1, "svc": 9}, named) == []
    assert sums.compare({"vessel": 2}, named) == ["the graph has 0 nodes of kind host, the files name 1"]


def test_a_directory_without_recordings_is_refused(tmp_path: Path) -> None:
    done = demo("--data", str(tmp_path))
    assert done.returncode == 1
    assert "no recording in it" in done.stderr


def test_a_missing_event_is_told_as_lost(tmp_path: Path) -> None:
    path = tmp_path / "log.nmea"
    path.write_bytes(NMEA * 2)
    log = AuditLog(tmp_path / "audit", clock=SYSTEM)
    log.close()
    found = sums.reckon({"ais": [path]}, AuditReader(tmp_path / "audit"), {}, {"ais": "ais-playback"})
    assert found.lost == 2
    assert len(found.lost_ids) == 2
    assert found.disagree == [f"{path}: no daemon has told its sums"]
