"""The hot database's directory may be replaced under running daemons: a tmpfs unmounted, and mounted anew."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

from dsmil.clock import FakeClock
from dsmil.store.hot import HotPathDB
from dsmil.store.hot_file import HotConfig

MIB = 1 << 20


def note(hot: HotPathDB, number: int) -> bool:
    return hot.insert_shrink_metrics({"risk_acute_stress": number}, ts=float(number))


def rows(path: Path) -> list[float]:
    with closing(sqlite3.connect(path)) as reader:
        assert reader.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [ts for (ts,) in reader.execute("SELECT ts FROM shrink_metrics ORDER BY ts")]


@contextmanager
def opened(place: Path, clock: FakeClock) -> Iterator[HotPathDB]:
    hot = HotPathDB(HotConfig(place / "hotpath.db"), clock=clock)
    assert hot.connect()
    yield hot
    hot.disconnect()


def test_a_replaced_directory_gets_the_rows_from_now_on(tmp_path: Path, clock: FakeClock) -> None:
    place = tmp_path / "ram"
    place.mkdir()
    with opened(place, clock) as hot, opened(place, clock) as other:
        assert note(hot, 1) and note(other, 2)
        place.rename(tmp_path / "away")
        assert not note(hot, 3) and hot.state == "absent", "nobody makes the directory"
        place.mkdir()
        clock.advance(2)
        assert note(hot, 4) and note(other, 5) and hot.state == other.state == "ok"
        assert rows(place / "hotpath.db") == [4, 5], "with its tables, without a restart"
        assert hot.generation == other.generation == 2, "refilled by whoever fills it"
    assert rows(tmp_path / "away" / "hotpath.db") == [1, 2], "what was written stays whole"


def test_a_tmpfs_mounted_anew_keeps_the_log_of_those_who_came_first(
    small_disk: Callable[[int], AbstractContextManager[Path]], clock: FakeClock
) -> None:
    with small_disk(32 * MIB) as place, opened(place, clock) as late:
        assert note(late, 1)
        before = (place / "hotpath.db").stat()
        with small_disk(32 * MIB), opened(place, clock) as first:
            assert note(first, 2)
            assert (place / "hotpath.db").stat().st_ino == before.st_ino, "the same number, another file"
            log = (place / "hotpath.db-wal").stat().st_ino
            assert note(late, 3) and late.generation == 2
            assert (place / "hotpath.db-wal").stat().st_ino == log
            assert note(first, 4) and note(late, 5)
            assert rows(place / "hotpath.db") == [2, 3, 4, 5]
            late.disconnect()


def test_one_that_never_noticed_leaves_no_damage_when_it_stops(
    small_disk: Callable[[int], AbstractContextManager[Path]], clock: FakeClock
) -> None:
    with small_disk(32 * MIB) as place, opened(place, clock) as idle:
        assert note(idle, 1)
        with small_disk(32 * MIB), opened(place, clock) as first:
            assert note(first, 2)
            idle.disconnect()
            assert note(first, 3)
            assert rows(place / "hotpath.db") == [2, 3]
