"""The golden network recordings are the published bytes, each under a licence that lets us carry it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

FREE = ("MIT", "BSD", "Apache-2.0", "ours (CC0)")
BYTES_MAX = 300_000


@pytest.mark.parametrize("family", ["nmap", "ndpi"])
def test_every_recording_is_attributed_and_unchanged(golden: Path, family: str) -> None:
    rows = [line.strip("|\n").split("|") for line in (golden / "ATTRIBUTION.md").read_text().splitlines()]
    known = {row[0]: row for row in rows if row[0].startswith(f"{family}/")}
    found = {f"{family}/{path.name}": path for path in (golden / family).iterdir()}
    assert found.keys() == known.keys()
    for name, path in found.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == known[name][3], name
        assert known[name][2].startswith(FREE), name
    assert sum(path.stat().st_size for path in found.values()) <= BYTES_MAX
