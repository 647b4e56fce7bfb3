"""Whatever is done to the audit log behind its back, `verify` finds it and names the first bad row."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from dsmil.clock import FakeClock
from dsmil.config.stores import Audit
from dsmil.store import anchors, segments
from dsmil.store.audit import AuditLog
from dsmil.store.chain import COLUMNS, AuditRow, link
from dsmil.store.verify import Report, verify

DAY_S = 86_400.0


@pytest.fixture
def place(tmp_path: Path, clock: FakeClock) -> Path:
    """Three segments of 100 rows, closed."""
    log = AuditLog(tmp_path, clock=clock, settings=Audit(anchor_rows=40))
    for part in range(3):
        clock.advance(DAY_S)
        for batch in range(5):
            first = part * 100 + batch * 20
            log.append(
                [AuditRow("L3_IN", f"{n}-0", f"event-{n}", 1.0, 2.0, "k", "s", b"data %d" % n)
                 for n in range(first, first + 20)]
            )  # fmt: skip
    log.tick()
    log.close()
    assert verify(tmp_path).ok
    return tmp_path


def act(path: Path, *statements: str) -> None:
    path.chmod(0o640)
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def nth(place: Path, number: int) -> Path:
    return segments.listing(place)[number - 1]


def first_fault(report: Report) -> tuple[str, int | None]:
    assert not report.ok
    return report.faults[0].segment.split("-")[1], report.faults[0].seq


@pytest.mark.parametrize(
    "change",
    [
        "data = x'00'", "data = CAST(data AS TEXT)", "event_id = 'event-x'", "stream = 'L3_OUT'", "stream_id = '0-1'",
        "ts = 1.5", "ingest_ts = 7", "kind = 'x'", "source = ''", "recorded_ts = 1", "fault = 'x'", "hash = x'00'",
        "hash = zeroblob(32)",
    ],
)  # fmt: skip
@pytest.mark.parametrize(("segment", "seq"), [(1, 1), (1, 57), (2, 200), (3, 300)])
def test_a_changed_row_is_named(place: Path, change: str, segment: int, seq: int) -> None:
    act(nth(place, segment), f"UPDATE entity_audit_log SET {change} WHERE seq = {seq}")
    assert first_fault(verify(place)) == (f"00000{segment}", seq)


def test_a_flipped_bit_anywhere_in_the_rows_is_found(place: Path) -> None:
    path = nth(place, 2)
    path.chmod(0o640)
    whole = path.read_bytes()
    spot = whole.index(b"data 150")
    for bit in range(64):
        damaged = bytearray(whole)
        damaged[spot + bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        assert first_fault(verify(place)) == ("000002", 151)
    path.write_bytes(whole)
    assert verify(place).ok


@pytest.mark.parametrize(("segment", "seq"), [(1, 1), (1, 40), (2, 101), (2, 150), (3, 250)])
def test_a_removed_row_is_named(place: Path, segment: int, seq: int) -> None:
    act(nth(place, segment), f"DELETE FROM entity_audit_log WHERE seq = {seq}")
    assert first_fault(verify(place)) == (f"00000{segment}", seq)


def test_reordered_rows_are_found(place: Path) -> None:
    swap = "UPDATE entity_audit_log SET seq = {} WHERE seq = {}"
    act(nth(place, 1), swap.format(-1, 10), swap.format(10, 11), swap.format(11, -1))
    assert first_fault(verify(place)) == ("000001", 10)


def test_rows_removed_and_renumbered_are_found(place: Path) -> None:
    act(
        nth(place, 3),
        "DELETE FROM entity_audit_log WHERE seq = 250",
        "UPDATE entity_audit_log SET seq = -seq + 1 WHERE seq > 250",
        "UPDATE entity_audit_log SET seq = -seq WHERE seq < 0",
    )
    assert first_fault(verify(place)) == ("000003", 250)


def test_a_cut_tail_is_found(place: Path) -> None:
    act(nth(place, 3), "DELETE FROM entity_audit_log WHERE seq > 290")
    report = verify(place)
    assert first_fault(report) == ("000003", 291)
    assert "tail" in report.faults[0].what


def test_a_tail_cut_within_a_sealed_segment_is_found(place: Path) -> None:
    act(nth(place, 2), "DELETE FROM entity_audit_log WHERE seq > 190")
    assert first_fault(verify(place)) == ("000002", 191)


@pytest.mark.parametrize(("gone", "named"), [(1, "000002"), (2, "000003"), (3, "000003")])
def test_a_missing_segment_is_found(place: Path, gone: int, named: str) -> None:
    nth(place, gone).unlink()
    report = verify(place)
    assert not report.ok
    assert named in report.faults[0].segment or report.faults[0].segment == f"segment {gone}"


def test_a_missing_newest_segment_is_found_by_its_anchors(place: Path) -> None:
    nth(place, 3).unlink()
    assert "row 200" in verify(place).faults[0].what


def forge(path: Path, from_seq: int, previous: bytes) -> bytes:
    """Change one row and chain everything after it anew, as somebody would who knows how."""
    path.chmod(0o640)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE entity_audit_log SET data = x'01' WHERE seq = ?", (from_seq,))
        query = f"SELECT {COLUMNS} FROM entity_audit_log WHERE seq >= ? ORDER BY seq"
        for row in connection.execute(query, (from_seq,)).fetchall():
            previous = link(previous, row)
            connection.execute("UPDATE entity_audit_log SET hash = ? WHERE seq = ?", (previous, row[0]))
        connection.execute("UPDATE segment SET last_hash = ? WHERE last_hash IS NOT NULL", (previous,))
    connection.close()
    return previous


def hash_at(path: Path, seq: int) -> bytes:
    with sqlite3.connect(path) as connection:
        found = connection.execute("SELECT hash FROM entity_audit_log WHERE seq = ?", (seq,)).fetchone()[0]
    connection.close()
    return bytes(found)


def test_a_chain_forged_to_its_end_is_found_by_the_anchors(place: Path) -> None:
    forge(nth(place, 3), 250, hash_at(nth(place, 3), 249))
    report = verify(place)
    assert not report.ok
    fault = report.faults[0]
    assert fault.seq is not None
    assert fault.seq >= 250
    assert "written anew" in fault.what


def test_a_whole_forged_log_is_found_by_the_anchors(place: Path) -> None:
    previous = bytes(32)
    for number in (1, 2, 3):
        act(nth(place, number), f"UPDATE segment SET prev_hash = x'{previous.hex()}'")
        previous = forge(nth(place, number), (number - 1) * 100 + 1, previous)
    report = verify(place)
    assert [fault.what for fault in report.faults] == ["the chain was written anew between rows 1 and 40"]


def test_missing_or_spoilt_anchors_are_found(place: Path) -> None:
    path = place / anchors.FILE
    whole = path.read_bytes()
    path.unlink()
    assert "missing" in verify(place).faults[0].what
    path.write_bytes(whole.replace(b'"seq":40', b'"seq":41'))
    assert not verify(place).ok
    path.write_bytes(whole + b"rubbish\n")
    assert verify(place).faults[0].segment == anchors.FILE
    path.write_bytes(whole + b'{"seq":3')
    assert verify(place).ok, "a line torn by a power cut is no fault"


def test_a_segment_that_is_no_database_is_named(place: Path) -> None:
    path = nth(place, 2)
    path.chmod(0o640)
    path.write_bytes(b"\x00" * path.stat().st_size)
    assert first_fault(verify(place))[0] == "000002"


@pytest.mark.parametrize("how", ["forget", "lie"])
def test_a_removed_oldest_segment_needs_a_row_that_says_so(place: Path, clock: FakeClock, how: str) -> None:
    log = AuditLog(place, clock=clock, settings=Audit(budget_bytes=8 << 20))
    head = log.head
    nth(place, 1).unlink()
    if how == "lie":
        told = {"segment": 1, "day": "", "first_seq": 1, "last_seq": 100, "last_hash": "00" * 32, "bytes": 1}
        log.append([AuditRow("", "", "x", 1.0, 1.0, "history_removed", "audit", json.dumps(told).encode())])
    log.close()
    assert head.seq == 300
    assert first_fault(verify(place))[0] == "000002"


def test_a_forged_removal_row_cannot_crash_it(place: Path, clock: FakeClock) -> None:
    log = AuditLog(place, clock=clock)
    log.append([AuditRow("", "", "x", 1.0, 1.0, "history_removed", "audit", b"\xff[")])
    log.close()
    assert verify(place).ok


def test_it_runs_beside_the_writer(place: Path, clock: FakeClock) -> None:
    log = AuditLog(place, clock=clock)
    log.append([AuditRow("L3_IN", "9-9", "new", 1.0, 1.0, "k", "s", b"")])
    report = verify(place)
    assert report.ok
    assert (report.rows, report.rows_after_anchor) == (301, 1)
    log.close()


def test_nothing_is_no_fault(tmp_path: Path) -> None:
    assert verify(tmp_path).ok
