"""A recording played at its pace goes on where it was, whoever was killed: it does not wait again for what is out,
and what Redis has forgotten of the shared pointer is no operator's seek."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pyais.encode import encode_dict

from dsmil.clock import SYSTEM
from dsmil.scenarios.harbour import tagged

pytestmark = pytest.mark.live
START = 1_700_000_000.0
HOLE_S, AFTER_S = 5000.0, 2000.0
SPEED = "1000"
POINTER = "dsmil:ais:playback"


def lines() -> Iterator[str]:
    """A report, a hole, then a report each ten seconds."""
    for number, at in enumerate([0.0, *(HOLE_S + n * 10.0 for n in range(int(AFTER_S / 10)))]):
        data = {"type": 1, "mmsi": 245_000_001, "lat": 52.0, "lon": 4.0, "speed": 10.0, "course": 90.0}
        yield tagged("\n".join(encode_dict(data)), START + at, number)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "slow.nmea"
    path.write_text("\n".join(lines()) + "\n", "ascii")
    return path


def published(suite: Any) -> int:
    return sum(row.kind == "ais.position" for row in suite.audit.rows("L3_IN"))


def rounds(suite: Any) -> list[tuple[int, str]]:
    with closing(sqlite3.connect(suite.settings.paths.ingest_db)) as ledger:
        return list(ledger.execute("SELECT loop, state FROM files ORDER BY loop"))


def test_killed_in_the_middle(suites: Any, recording: Path) -> None:
    suite = suites(("drainer", "ais-playback"), args={"ais-playback": [str(recording), "--speed", SPEED]})
    suite.ready()
    suite.until("it is past the hole", lambda: published(suite) > 5)
    suite.supervisor.kill("ais-playback")
    suite.until(
        "it is back", lambda: suite.supervisor.restarts["ais-playback"] and suite.supervisor.wait_ready(0.1)
    )
    began = SYSTEM.monotonic()
    suite.until("it ends", lambda: rounds(suite) == [(0, "done")])
    assert SYSTEM.monotonic() - began < HOLE_S / float(SPEED), "the hole is not waited for again"
    suite.until("all is in, once", lambda: published(suite) == sum(1 for _ in lines()))


def test_redis_shows_an_older_place(suites: Any, recording: Path) -> None:
    suite = suites(("drainer", "ais-playback"), args={"ais-playback": [str(recording), "--speed", SPEED]})
    suite.ready()
    suite.until("it has written where it is", lambda: suite.redis.hget(POINTER, "position_ts"))
    older = suite.redis.hgetall(POINTER)
    suite.until("it is past the hole", lambda: published(suite) > 5)
    suite.redis.hset(POINTER, mapping=older)
    suite.until("it ends", lambda: rounds(suite) == [(0, "done")])
    suite.until("all is in, once", lambda: published(suite) == sum(1 for _ in lines()))
