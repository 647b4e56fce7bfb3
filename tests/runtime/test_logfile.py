"""The flat log file: whole lines of many writers, found again after a rotation, and never in anybody's way."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dsmil.clock import FakeClock
from dsmil.runtime import logfile
from dsmil.runtime.logfile import LOOK_EVERY_S, RETRY_S, LogFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dsmil.log"


def test_lines_are_appended_and_others_may_not_read_them(path: Path, clock: FakeClock) -> None:
    path.write_text("old\n")
    path.chmod(0o640)
    for file in (LogFile(str(path), clock=clock), LogFile(str(path), clock=clock)):
        assert file.put("new ö") is None
        file.close()
    assert path.read_text("utf-8") == "old\nnew ö\nnew ö\n"
    path.unlink()
    LogFile(str(path), clock=clock).put("made")
    assert stat.S_IMODE(path.stat().st_mode) & 0o137 == 0


def test_a_rotated_file_is_left_within_a_second(path: Path, clock: FakeClock) -> None:
    file = LogFile(str(path), clock=clock)
    file.put("one")
    path.rename(path.with_suffix(".1"))
    file.put("two")
    clock.advance(LOOK_EVERY_S)
    file.put("three")
    assert path.with_suffix(".1").read_text() == "one\ntwo\n"
    assert path.read_text() == "three\n"
    path.unlink()
    path.write_text("made by logrotate\n")
    clock.advance(LOOK_EVERY_S)
    assert file.put("four") is None
    assert path.read_text() == "made by logrotate\nfour\n"


def test_a_missing_directory_is_told_once_and_its_return_too(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "away" / "dsmil.log"
    file = LogFile(str(path), clock=clock)
    assert file.put("1") == ("log_file_lost", {"path": str(path), "error": "No such file or directory"})
    assert [file.put(str(number)) for number in range(100)] == [None] * 100
    path.parent.mkdir()
    assert file.put("soon") is None, "not tried with every line"
    clock.advance(RETRY_S)
    assert file.put("back") == ("log_file_back", {"path": str(path), "missed": 102})
    assert file.put("on") is None
    assert path.read_text() == "back\non\n"


def test_a_full_disk_is_told_once(clock: FakeClock, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    with open("/dev/full", "wb") as full:
        monkeypatch.setattr(logfile, "_opened", lambda path: os.dup(full.fileno()))
        file = LogFile(str(path), clock=clock)
        assert file.put("1") == ("log_file_lost", {"path": str(path), "error": "No space left on device"})
        for _ in range(5):
            clock.advance(RETRY_S)
            assert file.put("again") is None
    monkeypatch.undo()
    clock.advance(RETRY_S)
    assert file.put("room") == ("log_file_back", {"path": str(path), "missed": 6})


def test_half_a_line_is_ended_before_the_next(path: Path) -> None:
    """A real bound: a file that may grow to 8 bytes takes half of the second line."""
    code = (
        "import resource, signal, sys\n"
        "from dsmil.clock import FakeClock\n"
        "from dsmil.runtime.logfile import LogFile, RETRY_S\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "clock = FakeClock(); file = LogFile(sys.argv[1], clock=clock)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (8, resource.RLIM_INFINITY))\n"
        "file.put('whole'); print(file.put('halved'))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)\n"
        "clock.advance(RETRY_S); print(file.put('next'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert [line.split("'")[1] for line in done.stdout.splitlines()] == ["log_file_lost", "log_file_back"]
    assert path.read_text() == "whole\nha\nnext\n"


@pytest.mark.parametrize("kind", ["directory", "pipe", "link", "device"])
def test_only_a_regular_file_is_written(kind: str, path: Path, clock: FakeClock) -> None:
    match kind:
        case "directory":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "link":
            path.with_suffix(".aim").write_text("")
            path.symlink_to(path.with_suffix(".aim"))
        case "device":
            path = Path("/dev/null")
    news = LogFile(str(path), clock=clock).put("line")
    assert news is not None and news[0] == "log_file_lost"


def test_logrotate_renames_and_leaves_the_rest_to_us() -> None:
    """A copy would lose lines, a file of logrotate's would race with ours, gzip with the last second's lines."""
    shipped = (Path(__file__).parents[2] / "etc" / "logrotate.d" / "dsmil").read_text()
    rules = {line.strip() for line in shipped.split("{")[1].split("}")[0].splitlines() if line.strip()}
    assert rules == {
        "daily", "rotate 30", "compress", "delaycompress", "missingok", "notifempty", "nocreate", "su dsmil dsmil",
    }  # fmt: skip


def test_writers_do_not_tear_each_others_lines(path: Path) -> None:
    def write(name: str) -> None:
        file = LogFile(str(path))
        for _ in range(200):
            file.put(name * 300)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = path.read_text().splitlines()
    assert len(lines) == 800 and all(len(line) == 300 and len(set(line)) == 1 for line in lines)
