"""Recordings are found by content; what is passed over is named with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsmil.cli import inventory
from dsmil.errors import DsmilError

NMEA = b"!AIVDM,1,1,,B,15NG6V0P01G?cFhE`R2IU?wn28R>,0*05\n"


def test_content_decides_and_the_rest_is_named(tmp_path: Path) -> None:
    (tmp_path / "a" / "expected").mkdir(parents=True)
    (tmp_path / "a" / "expected" / "truth.nmea").write_bytes(NMEA)
    (tmp_path / "a" / "log.bin").write_bytes(NMEA * 3)
    (tmp_path / "notes.md").write_text("# notes\n")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "a" / "log.bin")
    found = inventory.take(tmp_path)
    assert found.files["ais"] == [tmp_path / "a" / "log.bin"]
    assert found.skipped == {
        "a/expected": "passed over by name",
        "empty": "unknown format",
        "link": "symbolic link",
        "notes.md": "unknown format",
    }


def test_no_directory_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(DsmilError, match="not a directory"):
        inventory.take(tmp_path / "absent")
