"""The audit log keeps every event once, in order, over days, crashes of its writer and a full disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from msgspec.structs import replace

from dsmil.clock import FakeClock
from dsmil.config.stores import Audit
from dsmil.errors import ConfigError, Unavailable
from dsmil.store import segments
from dsmil.store.audit import AuditLog
from dsmil.store.chain import AuditRow
from dsmil.store.reader import AuditReader

DAY_S = 86_400.0
MIB = 1 << 20
SmallDisk = Callable[[int], AbstractContextManager[Path]]


def row(number: int, stream: str = "L3_IN", event_id: str = "", data: bytes = b'{"n":1}') -> AuditRow:
    return AuditRow(
        stream,
        f"{1_700_000_000_000 + number}-0",
        event_id or f"event-{number}",
        1.5,
        2.5,
        "ais.position",
        "t",
        data,
    )


def rows(first: int, count: int, stream: str = "L3_IN") -> list[AuditRow]:
    return [row(number, stream) for number in range(first, first + count)]


@pytest.fixture
def audit(tmp_path: Path, clock: FakeClock) -> Iterator[AuditLog]:
    log = AuditLog(tmp_path / "audit", clock=clock)
    yield log
    log.close()


def test_every_event_is_kept_once_and_in_order(audit: AuditLog) -> None:
    assert audit.append(rows(0, 10)) == 10
    assert audit.append(rows(5, 10)) == 5
    assert audit.append([row(20), row(20), row(21)]) == 2
    assert audit.duplicates == 6
    assert list(audit.event_ids()) == [f"event-{n}" for n in (*range(15), 20, 21)]
    assert audit.count() == audit.reader().distinct() == 17
    report = audit.verify()
    assert report.ok
    assert (report.rows, report.last_seq) == (17, 17)


def test_a_row_comes_back_as_it_went_in(audit: AuditLog, clock: FakeClock) -> None:
    odd = AuditRow("L3_IN", "5-1", "ü\x00\x1f\"'", 1.0, 2.0, "k", "s", b"\xff\x00{", "no JSON")
    audit.append([odd])
    found = audit.find(odd.event_id)
    assert found is not None
    assert (found.data, found.fault, found.stream_id, found.recorded_ts) == (
        odd.data, odd.fault, "5-1", clock.now(),
    )  # fmt: skip
    assert audit.find("another") is None
    assert audit.verify().ok


def test_a_new_day_begins_a_segment_and_seals_the_old_one(audit: AuditLog, clock: FakeClock) -> None:
    for day in range(3):
        audit.append(rows(day * 10, 10))
        clock.advance(DAY_S)
    audit.append(rows(30, 1))
    audit.tick()
    paths = segments.listing(audit.directory)
    assert [segments.number_of(path) for path in paths] == [1, 2, 3, 4]
    assert [path.stat().st_mode & 0o777 for path in paths] == [0o440, 0o440, 0o440, 0o640]
    assert not list(audit.directory.glob("segment-00000[123]*-wal"))
    assert list(audit.event_ids()) == [f"event-{n}" for n in range(31)]
    assert audit.verify().ok


def test_an_event_of_a_sealed_segment_is_not_kept_again(audit: AuditLog, clock: FakeClock) -> None:
    for day in range(3):
        audit.append(rows(day * 100, 100))
        clock.advance(DAY_S)
    assert audit.append([*rows(50, 100), row(1000)]) == 1
    assert audit.append(rows(0, 300)) == 0
    assert audit.count() == audit.reader().distinct() == 301


@pytest.mark.parametrize("damage", ["remove", "flip", "keep"])
def test_the_array_of_seen_ids_is_made_again_when_damaged(tmp_path: Path, clock: FakeClock, damage: str) -> None:
    log = AuditLog(tmp_path, clock=clock)
    log.append(rows(0, 100))
    clock.advance(DAY_S)
    log.append(rows(100, 1))
    log.close()
    seen = tmp_path / "seen.u64"
    if damage == "remove":
        seen.unlink()
    elif damage == "flip":
        data = bytearray(seen.read_bytes())
        data[40] ^= 1
        seen.write_bytes(data)
    again = AuditLog(tmp_path, clock=clock)
    assert again.append(rows(0, 101)) == 0
    again.close()


def test_a_segment_is_sealed_at_its_size_too(tmp_path: Path, clock: FakeClock) -> None:
    log = AuditLog(tmp_path, clock=clock, settings=Audit(segment_bytes=MIB))
    for batch in range(8):
        log.append([row(batch * 100 + n, data=b"x" * 4096) for n in range(100)])
    assert len(segments.listing(tmp_path)) >= 3
    assert log.verify().ok
    assert log.count() == 800
    log.close()


def test_the_size_budget_removes_the_oldest_and_says_so(tmp_path: Path, clock: FakeClock) -> None:
    settings = Audit(segment_bytes=MIB, budget_bytes=8 * MIB)
    log = AuditLog(tmp_path, clock=clock, settings=settings)
    for batch in range(40):
        log.append([row(batch * 100 + n, data=b"x" * 4096) for n in range(100)])
        log.tick()
    paths = segments.listing(tmp_path)
    assert segments.number_of(paths[0]) > 1
    assert sum(map(segments.size_of, paths)) <= 8 * MIB
    told = [found for found in log.rows() if found.kind == "history_removed"]
    assert told
    assert log.verify().ok
    oldest = next(log.rows("L3_IN"))
    assert log.append([oldest]) == 0, "what is left is still known"
    assert log.append([row(0)]) == 1, "what was removed is new again"
    log.close()


def test_rows_of_a_stream_begin_after_an_id(audit: AuditLog, clock: FakeClock) -> None:
    for part in range(30):
        audit.append([*rows(part * 100, 100), row(part, "SOC_EVENTS", f"s{part}")])
        if part == 15:
            clock.advance(DAY_S)
    after = f"{1_700_000_000_000 + 2500}-0"
    found = [int(r.event_id.split("-")[1]) for r in audit.rows("L3_IN", after)]
    assert found == list(range(2501, 3000))
    assert len(list(audit.rows("SOC_EVENTS"))) == 30
    assert audit.reader().heads()["L3_IN"] == (f"{1_700_000_000_000 + 2999}-0", 3000)


def test_rows_are_looked_through_from_the_newest_on(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over several segments, whatever the size of a look."""
    log = AuditLog(tmp_path / "audit", clock=clock, settings=Audit(segment_bytes=MIB))
    for start in range(0, 600, 100):
        odd = [
            row(n, "L3_IN" if n % 5 else "L4_IN", data=b"x" * 8_000 + b"%d|" % (n % 7))
            for n in range(start, start + 100)
        ]
        log.append([replace(one, ingest_ts=float(one.stream_id[7:13])) for one in odd])
    assert len(segments.listing(log.directory)) > 2
    expected = [f"event-{n}" for n in range(599, -1, -1) if n % 7 == 3 and n % 5]
    for size in (7, 250, 20_000):
        monkeypatch.setattr("dsmil.store.reader.LOOK_ROWS", size)
        assert [one.event_id for one in log.reader().holding("L3_IN", b"x3|")] == expected
        assert list(log.reader().holding("L3_IN", b"nowhere")) == []
        found = log.reader().last_before("L4_IN", 204.0)
        assert found is not None and found.event_id == "event-200"
        assert log.reader().last_before("L4_IN", -1.0) is None
    log.close()


def test_late_entries_are_found_by_id_all_the_same(audit: AuditLog) -> None:
    late = rows(1000, 1000)
    audit.append(rows(0, 1000))
    audit.append(rows(2000, 1000))
    audit.append(late)
    audit.append(rows(3000, 1000))
    after = f"{1_700_000_000_000 + 1500}-0"
    found = sorted(int(r.event_id.split("-")[1]) for r in audit.rows("L3_IN", after))
    assert found == list(range(1501, 4000))


def test_anchors_come_by_rows_and_by_time(tmp_path: Path, clock: FakeClock) -> None:
    told: list[int] = []
    settings = Audit(anchor_rows=100, anchor_s=60)
    log = AuditLog(tmp_path, clock=clock, settings=settings, on_anchor=lambda anchor: told.append(anchor.seq))
    log.append(rows(0, 10))
    assert told == [0]
    log.append(rows(10, 100))
    assert told == [0, 110]
    log.append(rows(200, 1))
    clock.advance(61)
    log.tick()
    assert told == [0, 110, 111]
    log.tick()
    clock.advance(61)
    log.tick()
    assert told == [0, 110, 111], "an anchor says something new or nothing"
    log.close()


def test_a_second_writer_is_refused(audit: AuditLog, clock: FakeClock) -> None:
    with pytest.raises(ConfigError, match="another process"):
        AuditLog(audit.directory, clock=clock)


def test_it_is_read_while_it_is_written(audit: AuditLog) -> None:
    reader = AuditReader(audit.directory)
    audit.append(rows(0, 10))
    pages = reader.rows()
    next(pages)
    audit.append(rows(10, 2000))
    assert len(list(pages)) == 2009
    assert reader.find("event-11") is not None
    assert reader.last_seq() == 2010


def test_a_closed_log_is_read_and_opened_again(tmp_path: Path, clock: FakeClock) -> None:
    log = AuditLog(tmp_path, clock=clock)
    log.append(rows(0, 10))
    log.close()
    assert AuditReader(tmp_path).count() == 10
    again = AuditLog(tmp_path, clock=clock)
    assert again.append(rows(5, 10)) == 5
    assert again.verify().ok
    again.close()


@pytest.mark.parametrize("made", [b"", b"schema"])
def test_a_segment_whose_making_was_cut_short_is_finished(tmp_path: Path, clock: FakeClock, made: bytes) -> None:
    log = AuditLog(tmp_path, clock=clock)
    log.append(rows(0, 10))
    clock.advance(DAY_S)
    log.append(rows(10, 1))
    log.close()
    last = segments.listing(tmp_path)[-1]
    last.unlink()
    if made:
        with sqlite3.connect(last) as connection:
            connection.executescript((Path(__file__).parents[2] / "sql/audit/0001_init.sql").read_text())
        connection.close()
    else:
        last.touch()
    again = AuditLog(tmp_path, clock=clock)
    again.append(rows(10, 1))
    assert list(again.event_ids()) == [f"event-{n}" for n in range(11)]
    assert again.reader().heads()["L3_IN"][1] == 11
    again.close()


def test_a_full_disk_keeps_nothing_of_a_batch_and_heals(small_disk: SmallDisk, clock: FakeClock) -> None:
    with small_disk(2 * MIB) as place:
        (place / "ballast").write_bytes(b"x" * MIB)
        log = AuditLog(place / "audit", clock=clock)
        stored = 0
        with pytest.raises(Unavailable) as told:  # noqa: PT012 - which batch it is depends on the file system
            for batch in range(100):
                stored += log.append([row(batch * 100 + n, data=b"x" * 1000) for n in range(100)])
        assert told.value.hint
        assert 0 < stored == log.count()
        assert stored % 100 == 0
        (place / "ballast").unlink()
        assert log.append([row(stored + n, data=b"x" * 1000) for n in range(100)]) == 100
        assert log.verify().ok
        log.close()
