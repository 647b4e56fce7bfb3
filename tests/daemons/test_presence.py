"""A device is ONLINE while its daemon works, ERROR while that cannot, and OFFLINE once it stopped or was killed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dsmil.clock import FakeClock
from dsmil.daemons.presence import Present
from dsmil.errors import Unavailable
from dsmil.store.hot import HotPathDB

ONLINE = "SELECT * FROM device_status WHERE status = 'ONLINE';"
"""The documented query."""
CLEANUP_S = 10.0
SLOWEST_S = 30.0
"""As rarely as a daemon may write its rows."""


class Chores:
    """Stands where a daemon's work does."""

    def __init__(self) -> None:
        self.away = False
        self.handled = 0

    def step(self, timeout_s: float) -> int:
        if self.away:
            raise Unavailable("reach Redis: gone")
        self.handled += 1
        return 1

    def drain(self) -> None:
        self.step(0)

    def stats(self) -> dict[str, float | int | str | bool]:
        return {"processed": self.handled, "lag_s": 0.5}


Make = Callable[..., Present]


@pytest.fixture
def make(tmp_path: Path, clock: FakeClock) -> Make:
    def one(daemon: str, *devices: int, work: Chores | None = None, **more: Any) -> Present:
        hot = HotPathDB(tmp_path / "hotpath.db", clock=clock)
        made = Present(
            work or Chores(), hot, daemon=daemon, devices=devices, every_s=SLOWEST_S, clock=clock, **more
        )
        made.open()
        return made

    return one


def online(place: Path) -> set[int]:
    with closing(sqlite3.connect(place / "hotpath.db")) as connection:
        return {row[0] for row in connection.execute(ONLINE)}


def row(place: Path, number: int) -> tuple[Any, ...]:
    with closing(sqlite3.connect(place / "hotpath.db")) as connection:
        found: tuple[Any, ...] = connection.execute(
            "SELECT layer, name, status, memory_mb, last_heartbeat, metadata FROM device_status WHERE device_id = ?",
            (number,),
        ).fetchone()
        return found


def layer(place: Path, number: int) -> tuple[list[int], int, float]:
    with closing(sqlite3.connect(place / "hotpath.db")) as connection:
        active, count, memory = connection.execute(
            "SELECT active_devices, event_count, memory_used_gb FROM layer_state WHERE layer = ?", (number,)
        ).fetchone()
        return json.loads(active), count, memory


def test_row_10_a_killed_router_turns_offline_in_the_database_itself(
    make: Make, tmp_path: Path, clock: FakeClock
) -> None:
    """Within 90 s of the kill, by the documented SELECT, whoever else is alive and however slow he is."""
    router, drainer = make("soc-router", 52), make("drainer", 14)
    for _ in range(40):
        router.step(0)
        drainer.step(0)
        clock.advance(2.5)
        assert online(tmp_path) == {52, 14}
    router.step(0)  # its last word may be as fresh as can be
    killed, waited = clock.monotonic(), 0.0
    while 52 in online(tmp_path):
        drainer.step(0)
        clock.advance(2.5)
        waited = clock.monotonic() - killed
        assert waited <= 90.0
    assert online(tmp_path) == {14} and waited > 2 * SLOWEST_S - CLEANUP_S
    assert layer(tmp_path, 8)[0] == [] and layer(tmp_path, 0)[0] == [14]
    router.step(0)  # it was only stopped, and goes on
    assert online(tmp_path) == {52, 14} and layer(tmp_path, 8)[0] == [52]


def test_a_stopped_daemon_says_so_itself_even_where_draining_fails(
    make: Make, tmp_path: Path, clock: FakeClock
) -> None:
    work = Chores()
    present = make("soc-router", 52, work=work)
    present.step(0)
    work.away = True
    with pytest.raises(Unavailable):
        present.drain()
    assert row(tmp_path, 52)[:4] == (8, "Security Analytics/SOC Router", "OFFLINE", 0.0)
    assert layer(tmp_path, 8) == ([], 0, 0.0)


def test_a_new_file_has_the_rows_within_two_seconds_of_an_idle_daemon(
    make: Make, tmp_path: Path, clock: FakeClock
) -> None:
    """As after an unmounted tmpfs: nobody has anything to write, and still the database fills itself again."""
    idle = make("drainer", 14)
    idle.step(0)
    for path in tmp_path.glob("hotpath.db*"):
        path.unlink()
    clock.advance(1.5)
    idle.step(0)
    assert online(tmp_path) == {14}


def test_rows_are_written_now_and_then_and_at_once_when_the_state_changes(
    make: Make, tmp_path: Path, clock: FakeClock
) -> None:
    work = Chores()
    present = make("l3", 16, work=work)
    present.step(0)
    clock.advance(SLOWEST_S - 1)
    present.step(0)
    assert clock.now() - row(tmp_path, 16)[4] == SLOWEST_S - 1
    work.away = True
    with pytest.raises(Unavailable):
        present.step(0)
    assert row(tmp_path, 16)[2] == "ERROR" and "gone" in row(tmp_path, 16)[5]
    work.away = False
    present.step(0)
    assert row(tmp_path, 16)[2] == "ONLINE"


def test_a_layer_is_the_sum_of_its_daemons(make: Make, tmp_path: Path) -> None:
    router = make("soc-router", 52)
    workers = make("l8", 51, 53, 54)
    for _ in range(3):
        workers.step(0)
    router.step(0)
    active, count, memory = layer(tmp_path, 8)
    assert active == [51, 52, 53, 54] and count == 1 + 1, "rows stand as last written"
    assert 2 * row(tmp_path, 52)[3] / 1024 == pytest.approx(memory, rel=0.2), "both daemons are this process"
    idle = make("l4", 23, 25, about=lambda device: {"detectors": ["ais.cpa"] if device == 25 else []})
    idle.step(0)
    assert layer(tmp_path, 4)[0] == [25] and 23 in online(tmp_path)


def test_a_row_of_somebody_else_disturbs_nothing(make: Make, tmp_path: Path, clock: FakeClock) -> None:
    present = make("soc-router", 52)
    present.step(0)
    with closing(sqlite3.connect(tmp_path / "hotpath.db")) as connection:
        values = (57, 8, "x", "ONLINE", clock.now() + 1e6, "no json")
        columns = "device_id, layer, name, status, last_heartbeat, metadata"
        connection.execute(f"INSERT INTO device_status ({columns}) VALUES (?,?,?,?,?,?)", values)
        connection.commit()
    clock.advance(SLOWEST_S)
    present.step(0)
    assert online(tmp_path) == {52}, "a heartbeat from the future is no heartbeat"


def test_an_absent_hot_database_is_tried_again(make: Make, tmp_path: Path, clock: FakeClock) -> None:
    place = tmp_path / "gone"
    hot = HotPathDB(place / "hotpath.db", clock=clock)
    present = Present(Chores(), hot, daemon="soc-router", devices=(52,), every_s=SLOWEST_S, clock=clock)
    present.open()
    assert present.step(0) == 1
    place.mkdir()
    clock.advance(2)
    present.step(0)
    assert online(place) == {52}
    present.close()
