"""The hot database deleted, its tmpfs full or absent, the audit's disk full: a cache is dropped, the audit waits."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from dsmil.store.reader import AuditReader
from dsmil.store.verify import verify

pytestmark = pytest.mark.live
CHAIN = ("drainer", "l3", "soc-router")
MANY = 40
OFTEN = {"DSMIL_L3_STATUS_S": "1", "DSMIL_SOC_ROUTER_HEARTBEAT_S": "1"}
"""An idle daemon meets the file when it writes its status; the default is ten and thirty seconds."""


def rows(path: Path, table: str) -> int:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1.0)) as hot:
        return int(hot.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def has(path: Path, table: str, many: int) -> bool:
    with suppress(sqlite3.Error):
        return rows(path, table) >= many
    return False


def fill(place: Path) -> None:
    """Write until the file system takes no more. Its free space is not computed: the daemons write meanwhile."""
    with (place / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
        while ballast.write(bytes(4096)):
            pass


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four mebibytes."""
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], check=False, capture_output=True
    )
    if os.geteuid() or done.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {done.stderr.decode().strip() or 'not root'}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_hot_database_deleted(suites: Any, jumps: Any) -> None:
    suite = suites(CHAIN, env=OFTEN)
    suite.ready()
    hot = suite.settings.paths.hot_db
    events = jumps(MANY)
    suite.add("L3_IN", events)
    suite.until(
        "it is filled", lambda: has(hot, "raw_events_fast", len(events)) and has(hot, "soc_events_cache", MANY)
    )
    for name in ("", "-wal", "-shm"):
        Path(f"{hot}{name}").unlink(missing_ok=True)
    suite.until("raw events are filled in again", lambda: has(hot, "raw_events_fast", len(events)))
    suite.until("so are SOC events", lambda: has(hot, "soc_events_cache", MANY))
    more = jumps(MANY, first=1000)
    suite.add("L3_IN", more)
    suite.until("and new ones", lambda: has(hot, "raw_events_fast", len(events) + len(more)))
    assert not any(suite.supervisor.restarts.values())


def test_tmpfs_full(suites: Any, jumps: Any, small_disk: Path) -> None:
    suite = suites(CHAIN, env={**OFTEN, "DSMIL_PATHS_HOT": str(small_disk)})
    suite.ready()
    hot = small_disk / "hotpath.db"
    events = jumps(MANY)
    suite.add("L3_IN", events)
    suite.until("it is filled", lambda: has(hot, "raw_events_fast", len(events)))
    fill(small_disk)
    for turn in range(1, 6):
        suite.add("L3_IN", more := jumps(500, first=1000 * turn))
        events += more
    suite.until("nothing waits for it", lambda: suite.caught_up("L3_IN", "l3"))
    suite.until("it says so", lambda: "hot_db_full" in suite.log("l3"))
    suite.until("all audited", lambda: suite.all_in_audit(events))
    suite.until("all decided", lambda: len(suite.events("L3_OUT")) == MANY + 2500)
    (small_disk / "ballast").unlink()
    suite.add("L3_IN", jumps(MANY, first=9000))
    suite.until("it is used again", lambda: suite.stat("l3", "hot") == "ok", within_s=15.0)
    assert not any(suite.supervisor.restarts.values())


def test_tmpfs_absent(suites: Any, jumps: Any, tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    suite = suites(CHAIN, env={**OFTEN, "DSMIL_PATHS_HOT": str(absent)})
    suite.ready()
    events = jumps(MANY)
    suite.add("L3_IN", events)
    fallback = suite.directory / "hotpath-fallback.db"
    suite.until("the fallback is used", lambda: has(fallback, "raw_events_fast", len(events)))
    assert "mount the tmpfs there" in suite.log("l3")
    absent.mkdir()
    suite.add("L3_IN", jumps(MANY, first=1000))
    suite.until("the right place is used", lambda: has(absent / "hotpath.db", "raw_events_fast", len(events)))
    assert not any(suite.supervisor.restarts.values())


def test_audit_disk_full(suites: Any, jumps: Any, small_disk: Path) -> None:
    """The audit on a file system of its own, which fills up: its entries wait in the stream until there is room."""
    data = small_disk / "data"
    for folder in ("run", "checkpoints"):
        (data / folder).mkdir(parents=True)
    suite = suites(("drainer",), env={"DSMIL_PATHS_DATA": str(data)})
    suite.ready()
    events = jumps(MANY)
    suite.add("L3_IN", events)
    suite.until("audited", lambda: suite.caught_up("L3_IN", "drainer"))
    fill(small_disk)
    suite.add("L3_IN", more := jumps(100, first=1000))
    suite.until("it waits", lambda: suite.state("drainer") == "degraded")
    assert "free space" in suite.log("drainer") or "full" in suite.log("drainer")
    (small_disk / "ballast").unlink()
    suite.until("it goes on by itself", lambda: suite.caught_up("L3_IN", "drainer"))
    audit = AuditReader(data / "audit")
    assert audit.count() == audit.distinct() == len(events) + len(more)
    assert verify(data / "audit").ok
    assert not any(suite.supervisor.restarts.values())
