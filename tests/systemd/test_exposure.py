"""What systemd itself says of the units: they are valid, and how much each is exposed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.systemd.reading import FOLDER, MOUNT, SERVICES, SOCKETS, Unit

OLDEST = 250
"""systemd-analyze security --offline came with it."""
CLOSED_MAX, TALKING_MAX = 0.3, 1.5
"""Exposure of a unit without a network, and of one with."""
PROGRAMS = ("opt/dsmil/current/bin/python", "usr/bin/redis-server", "bin/kill")


def version() -> int:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        return 0
    done = subprocess.run([analyze, "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"systemd (\d+)", done.stdout)
    return int(found[1]) if found else 0


pytestmark = pytest.mark.skipif(
    version() < OLDEST,
    reason=f"NOT CHECKED: systemd-analyze {OLDEST} or newer is not installed (apt-get install systemd)",
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with our units, systemd's own, and something at the place of each program."""
    root = tmp_path_factory.mktemp("root")
    ours = root / "etc" / "systemd" / "system"
    ours.mkdir(parents=True)
    for path in FOLDER.iterdir():
        if path.is_file():
            shutil.copy(path, ours)
    shutil.copytree(FOLDER / "dsmil-.service.d", ours / "dsmil-.service.d")
    theirs = next(
        path for path in (Path("/usr/lib/systemd/system"), Path("/lib/systemd/system")) if path.is_dir()
    )
    shutil.copytree(theirs, root / "usr" / "lib" / "systemd" / "system", symlinks=True)
    for program in PROGRAMS:
        place = root / program
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("#!/bin/true\n")
        place.chmod(0o755)
    return root


def analyze(tree: Path, *words: str) -> str:
    command = ["systemd-analyze", f"--root={tree}", "--no-pager", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr


def given(name: str) -> str:
    return name.replace("@.", "@harbour.")


@pytest.mark.parametrize("name", [*SERVICES, *SOCKETS, MOUNT, "dsmil.target"])
def test_systemd_finds_nothing_wrong_with_a_unit(tree: Path, name: str) -> None:
    said = analyze(tree, "verify", "--man=no", given(name))
    ours = [line for line in said.splitlines() if "dsmil" in line]
    assert ours == []


@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_is_exposed_no_more_than_it_must_be(tree: Path, name: str) -> None:
    said = analyze(tree, "security", "--offline=true", given(name))
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d)", said)
    assert found, said[-2000:]
    limit = CLOSED_MAX if Unit(name).one("PrivateNetwork") == "yes" else TALKING_MAX
    assert float(found[1]) <= limit
