"""`dsmil up` ends with nothing left behind, however it ends, and goes on in its directory where it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dsmil.clock import SYSTEM
from dsmil.events import ids
from dsmil.scenarios import story
from dsmil.store.reader import AuditReader
from dsmil.store.verify import verify

pytestmark = pytest.mark.live
NO_PORTS = {
    "DSMIL_AIS_PLAYBACK_UDP": "",
    "DSMIL_RF_INGEST_SYSLOG": "",
    "DSMIL_NET_PARSER_NDPID": "",
    "DSMIL_API_LISTEN": "127.0.0.1:0",
}
GONE_S_MAX = 15.0
WAIT_S = 60.0


class Up:
    """`dsmil up --dir` as a process."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dsmil.cli", "up", "--dir", str(directory)],
            env=os.environ | NO_PORTS, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def said(self) -> dict[str, Any]:
        """Its one line, once it is ready."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"up ended with {self.process.wait()}"
        told: dict[str, Any] = json.loads(line)
        return told

    def family(self) -> set[int]:
        """All processes that belong to this suite, by its directory in their environment or command line."""
        found = set()
        for place in Path("/proc").glob("[0-9]*"):
            try:
                about = (place / "environ").read_bytes() + (place / "cmdline").read_bytes()
            except OSError:
                continue
            if str(self.directory).encode() in about and int(place.name) != self.process.pid:
                found.add(int(place.name))
        return found

    def drop(self, path: Path, family: str, name: str) -> None:
        beside = self.directory / "drop" / f".{name}"
        beside.write_bytes(path.read_bytes())
        beside.rename(self.directory / "drop" / family / name)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[[], Up]]:
    made: list[Up] = []

    def start() -> Up:
        made.append(Up(tmp_path / "up"))
        return made[-1]

    yield start
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def until(what: str, look: Callable[[], Any], *, within_s: float) -> None:
    deadline = SYSTEM.monotonic() + within_s
    while not look():
        assert SYSTEM.monotonic() < deadline, f"not within {within_s} s: {what}"
        SYSTEM.sleep(0.05)


def test_killed_it_leaves_nothing_and_goes_on(up: Callable[[], Up], tmp_path: Path) -> None:
    told = story.write(tmp_path / "story", seed=5, start_ts=SYSTEM.now() - story.DURATION_S)
    first = up()
    said = first.said()
    assert said["pid"] == first.process.pid and said["dir"] == str(first.directory)
    assert len(first.family()) >= 9, "eight daemons and Redis"
    first.drop(told.files["ais"][0], "ais", "harbour.nmea")
    audit = AuditReader(first.directory / "audit")
    until("it is at work", lambda: audit.count() > 1000, within_s=WAIT_S)
    first.process.kill()
    first.process.wait()
    until("all are gone", lambda: not first.family(), within_s=GONE_S_MAX)
    second = up()
    second.said()
    whole = ids.digest("stats", _sha256(told.files["ais"][0]), "0")
    until("the rest of the file is in", lambda: audit.find(whole), within_s=WAIT_S)
    second.process.send_signal(signal.SIGTERM)
    assert second.process.wait(30) == 0
    assert not second.family()
    counted = json.loads(audit.find(whole).data)["payload"]  # type: ignore[union-attr]
    rows = [
        row.event_id
        for row in audit.rows("L3_IN")
        if row.source.endswith("harbour.nmea") and row.kind != "source.stats"
    ]
    assert len(rows) == len(set(rows)) == counted["events"] > 9000
    assert verify(first.directory / "audit").ok


def _sha256(path: Path) -> str:
    from hashlib import sha256

    return sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_ended_while_it_starts(up: Callable[[], Up], number: int) -> None:
    one = up()
    until("it has begun", lambda: len(one.family()) > 3, within_s=WAIT_S)
    one.process.send_signal(number)
    assert one.process.wait(30) in (0, -number)
    until("all are gone", lambda: not one.family(), within_s=GONE_S_MAX)


def test_second_signal_ends_it_at_once(up: Callable[[], Up]) -> None:
    one = up()
    said = one.said()
    server = next(pid for pid in one.family() if b"redis-server" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(server, signal.SIGSTOP)  # nobody can drain now
    try:
        one.process.send_signal(signal.SIGTERM)
        until("the first is heard", lambda: said and _waits(one), within_s=WAIT_S)
        one.process.send_signal(signal.SIGTERM)
        assert one.process.wait(5) == 1
    finally:
        os.kill(server, signal.SIGCONT)
    until("all are gone", lambda: not one.family(), within_s=GONE_S_MAX)


def _waits(one: Up) -> bool:
    """Whether a daemon has been told to stop: it says so in its log."""
    return any("draining" in log.read_text() for log in (one.directory / "log").glob("*.log"))


def test_same_content_dropped_twice(suites: Any, golden: Path) -> None:
    suite = suites(("drainer", "ais-playback"))
    suite.ready()
    path = next(golden.rglob("*.nmea"), None) or next((golden / "ais").glob("*.log"))
    suite.drop("ais", "first.nmea", path.read_bytes())
    done = suite.settings.paths.drop / "ais" / "done" / "first.nmea"
    suite.until("it is through", lambda: done.exists() and suite.caught_up("L3_IN", "drainer"))
    before = suite.audit.count()
    suite.drop("ais", "second.nmea", path.read_bytes())
    refused = suite.settings.paths.drop / "ais" / "rejected" / "second.nmea.why"
    suite.until("it is refused", refused.exists)
    assert "duplicate" in refused.read_text()
    suite.until("the audit is level", lambda: suite.caught_up("L3_IN", "drainer"))
    assert suite.audit.count() == before
