"""A drop folder takes each file once it is whole, puts it away without overwriting, and refuses what is no file."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dsmil.clock import SYSTEM, FakeClock
from dsmil.errors import Unavailable
from dsmil.sensors.drop import DONE, LOOK_EVERY_S, REJECTED, REST_S, DropFolder
from dsmil.sensors.ledger import Ledger
from dsmil.sensors.loop import Loop
from dsmil.sensors.rounds import Shelf
from dsmil.sensors.source import Kit
from dsmil.sensors.supply import DropSupply, FileSource


@pytest.fixture
def folder(tmp_path: Path, clock: FakeClock) -> Iterator[DropFolder]:
    # Real files carry real times.
    clock.advance(SYSTEM.now() - clock.now())
    opened = DropFolder(tmp_path / "drop", clock=clock)
    opened.open()
    yield opened
    opened.close()


def told(folder: DropFolder) -> str | None:
    """The next name inotify tells of, waited for at most 5 s."""
    for _ in range(50):
        name = folder.take()
        if name is not None:
            return name
        fd = folder.fileno()
        assert fd is not None
        select.select([fd], [], [], 0.1)
    return None


def test_a_file_is_taken_when_its_writer_closes_it(folder: DropFolder) -> None:
    folder.take()  # the look at the start
    with (folder.path / "a.nmea").open("wb") as file:
        file.write(b"half")
        file.flush()
        assert folder.take() is None
    assert told(folder) == "a.nmea"
    assert folder.take() is None


def test_a_file_renamed_or_moved_in_is_taken(folder: DropFolder, tmp_path: Path) -> None:
    folder.take()
    (folder.path / "x.part").write_bytes(b"1")
    (folder.path / "x.part").rename(folder.path / "x.nmea")
    assert told(folder) == "x.nmea"
    (tmp_path / "y.nmea").write_bytes(b"1")
    (tmp_path / "y.nmea").rename(folder.path / "y.nmea")
    assert told(folder) == "y.nmea"


def test_a_look_finds_what_was_there_once_it_rests(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "old").write_bytes(b"1")
    for name in (".hidden", "x.part", "y.tmp", "z.sigmf-data"):
        (tmp_path / "drop" / name).write_bytes(b"1")
    (tmp_path / "drop" / "directory").mkdir()
    clock.advance(SYSTEM.now() - clock.now())
    folder = DropFolder(tmp_path / "drop", clock=clock)
    folder.open()
    assert folder.take() is None  # somebody may still be writing it
    assert 0 < folder.due_s() <= REST_S
    clock.advance(REST_S + 0.1)
    assert folder.take() == "old"
    assert folder.take() is None
    assert 0 < folder.due_s() <= LOOK_EVERY_S
    folder.close()


def test_nothing_is_overwritten(folder: DropFolder) -> None:
    for number in range(3):
        (folder.path / "a").write_text(str(number))
        assert told(folder) == "a"
        folder.put_away("a", REJECTED, why="checksum=1")
    rejected = folder.path / REJECTED
    assert sorted(path.name for path in rejected.iterdir()) == ["a", "a.2", "a.2.why", "a.3", "a.3.why", "a.why"]
    assert (rejected / "a").read_text() == "0"
    assert (rejected / "a.3.why").read_text().endswith(" checksum=1\n")


def test_links_and_other_non_files_are_refused(folder: DropFolder, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    folder.take()
    (folder.path / "link").symlink_to(tmp_path / "secret")
    assert told(folder) == "link"
    os.mkfifo(folder.path / "fifo")
    assert told(folder) == "fifo"
    for name in ("link", "fifo"):
        with pytest.raises(Exception, match=r"symbolic link|not a regular file"):
            folder.open_file(name)
        assert (folder.path / REJECTED / f"{name}.why").read_text().count("\n") == 1
    assert (folder.path / REJECTED / "link").is_symlink()
    assert (tmp_path / "secret").read_text() == "secret"


def test_the_longest_names_are_put_away_too(folder: DropFolder) -> None:
    longest = "n" * 255
    for body in ("1", "2"):
        (folder.path / longest).write_text(body)
        assert folder.put_away(longest, REJECTED, why="bad_payload") is not None
    assert sorted(path.name for path in (folder.path / REJECTED).iterdir()) == [
        "n" * 249 + ".2", "n" * 249 + ".2.why", "n" * 251, "n" * 251 + ".why",
    ]  # fmt: skip


def test_a_file_that_went_away_is_no_fault(folder: DropFolder) -> None:
    (folder.path / "a").write_text("1")
    (folder.path / "a").unlink()
    assert folder.take() is None
    assert folder.put_away("a", DONE) is None


def test_samples_follow_their_meta(folder: DropFolder) -> None:
    (folder.path / "x.sigmf-data").write_bytes(b"\0")
    (folder.path / "x.sigmf-meta").write_bytes(b"{}")
    assert told(folder) == "x.sigmf-meta"
    folder.put_away("x.sigmf-meta", DONE)
    assert {path.name for path in (folder.path / DONE).iterdir()} == {"x.sigmf-meta", "x.sigmf-data"}


def test_a_place_that_cannot_be_watched_is_waited_for(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "drop").write_text("a file")
    with pytest.raises(Unavailable, match="watch"):
        DropFolder(tmp_path / "drop", clock=clock).open()


def turn(loop: Loop, enough: Callable[[], bool]) -> None:
    for _ in range(200):
        loop.step(0.05)
        if enough():
            return


def test_files_go_through_to_done_or_rejected(
    folder: DropFolder, nmea: Any, kit: Kit, ledger: Ledger, sink: Any, tmp_path: Path
) -> None:
    source = FileSource(DropSupply(folder), Shelf(family="ais", ledger=ledger), kit)
    loop = Loop([source], kit)
    nmea("good.nmea", 30).rename(folder.path / "good.nmea")
    (folder.path / "bad.nmea").write_bytes(b"!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*00\n" * 3)
    (folder.path / "link").symlink_to("/etc/hostname")
    turn(loop, lambda: source.files == 3)
    nmea("copy.nmea", 30).rename(folder.path / "z-copy.nmea")
    turn(loop, lambda: source.files == 4)
    done = {path.name for path in (folder.path / DONE).iterdir()}
    rejected = {path.name for path in (folder.path / REJECTED).iterdir()}
    assert done == {"good.nmea"}
    assert rejected == {"bad.nmea", "bad.nmea.why", "link", "link.why", "z-copy.nmea", "z-copy.nmea.why"}
    assert "checksum=3" in (folder.path / REJECTED / "bad.nmea.why").read_text()
    assert "duplicate" in (folder.path / REJECTED / "z-copy.nmea.why").read_text()
    assert len(sink.seen) == 30
    assert sink.seen[0].raw.path == str(folder.path / DONE / "good.nmea")
    totals = source.totals
    assert totals.received == totals.accepted + sum(totals.rejected.values())
    assert totals.rejected == {"checksum": 3, "unreadable": 1, "duplicate": 1}
