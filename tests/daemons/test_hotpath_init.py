"""The hot database stands before anybody fills it; a tmpfs that is away is said so and tried again later."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsmil import config
from dsmil.daemons import hotpath_init
from dsmil.runtime import logs


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, value in config.private_settings(tmp_path).items():
        monkeypatch.setenv(name, value)
    hot = tmp_path / "ram"
    hot.mkdir()
    monkeypatch.setenv("DSMIL_PATHS_HOT", str(hot))
    yield hot
    logs.setup("dsmil")  # the log is the process's, and other tests read it


def test_it_makes_the_file_and_its_tables_any_number_of_times(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = place / "hotpath.db"
    assert hotpath_init.main([]) == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    with sqlite3.connect(path) as reader:
        names = {name for (name,) in reader.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        reader.execute("INSERT INTO shrink_metrics (id, ts) VALUES (1, 1.0)")
    reader.close()
    assert {"raw_events_fast", "device_status", "soc_events_cache"} <= names
    inode = path.stat().st_ino
    assert hotpath_init.main([]) == 0
    assert path.stat().st_ino == inode, "what stands is left alone"
    said = capsys.readouterr()
    assert said.out.count("\n") == 2 and said.out.startswith(f"{path}: stands, ") and said.err == ""


def test_a_tmpfs_that_is_away_is_tried_again_and_nothing_else_is_filled(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place.rmdir()
    assert hotpath_init.main([]) == 69
    assert "mount the tmpfs there" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.db")), "no fallback either"


def test_a_place_that_cannot_be_written_has_its_mend(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "hotpath.db").mkdir()
    assert hotpath_init.main([]) == 69
    assert "no regular file" in capsys.readouterr().err


def test_wrong_settings_are_not_tried_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSMIL_HOT_CLEANUP_S", "never")
    assert hotpath_init.main([]) == 78


def test_as_a_process(place: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dsmil.daemons.hotpath_init"], capture_output=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, b""), done.stderr
    assert (place / "hotpath.db").exists()
