"""The installed program is whole, is what the daemons run, and new defaults beside edited files are named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dsmil.cli.checks.installation import forgotten_restart, installed_version, placed, program, waiting
from dsmil.cli.checks.site import Site
from dsmil.runtime.health import Heartbeat, State
from dsmil.watch.readings import DaemonReading

NOW = 1_700_000_000.0


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A machine with dsmil 1.2.3, put there at NOW."""
    release = tmp_path / "opt/dsmil/releases/abc"
    (release / "bin").mkdir(parents=True)
    (release / "bin/python").write_text("")
    (release / "lib/python3.11/site-packages/dsmil-1.2.3.dist-info").mkdir(parents=True)
    current = tmp_path / "opt/dsmil/current"
    current.symlink_to("releases/abc")
    os.utime(current, (NOW, NOW), follow_symlinks=False)
    etc = tmp_path / "etc/dsmil"
    (etc / "conf.d").mkdir(parents=True)
    (etc / "dsmil.toml").write_text("")
    os.utime(etc / "dsmil.toml", (NOW, NOW))
    (tmp_path / "opt/dsmil/manifest").write_text(f"{'0' * 64}  /etc/dsmil/dsmil.toml\n")
    return Site(installed=True, root=tmp_path)


def reading(name: str, since: float, version: str = "1.2.3") -> DaemonReading:
    beat = Heartbeat(
        daemon=name, pid=1, state=State.READY, since=since, state_since=since, now=NOW, version=version
    )
    return DaemonReading(daemon=name, state=State.READY, beat=beat)


def test_a_whole_program_is_named_with_its_version(site: Site) -> None:
    (finding,) = program(site)
    assert finding.verdict == "ok" and "1.2.3" in finding.said
    assert installed_version(site.root / "nowhere") == ""


def test_a_program_that_is_gone_is_set_up_again(site: Site) -> None:
    (site.root / "opt/dsmil/current/bin/python").unlink()
    (finding,) = program(site)
    assert finding.verdict == "fail" and "setup_data_fabric.sh" in finding.mend


def test_files_set_up_placed_are_missed(site: Site) -> None:
    lines = [f"{'0' * 64}  /etc/systemd/system/{name}" for name in ("mnt-dsmil\\x2dram.mount", "a.service.dist")]
    (site.root / "opt/dsmil/manifest").write_text("\n".join([*lines, "noise", ""]))
    assert [path.name for path in placed(site)] == ["mnt-dsmil\\x2dram.mount", "a.service.dist"]
    _, finding = program(site)
    assert finding.verdict == "fail" and "mnt-dsmil\\x2dram.mount" in finding.said
    assert ".dist" not in finding.said, "who took the new default, removed it"


def test_new_defaults_wait_beside_what_was_edited(site: Site) -> None:
    assert list(waiting(site)) == []
    (site.etc / "dsmil.toml.dist").write_text("")
    (finding,) = waiting(site)
    assert finding.verdict == "warn"
    assert f"diff -u {site.etc}/dsmil.toml {site.etc}/dsmil.toml.dist" in finding.mend


def test_a_daemon_older_than_its_program_wants_a_restart(site: Site) -> None:
    assert list(forgotten_restart(site, [reading("l3", NOW + 5)])) == []
    rows = [reading("l3", NOW + 5), reading("l4", NOW - 60), reading("l8", NOW + 5, "1.2.2")]
    (finding,) = forgotten_restart(site, rows)
    assert finding.mend == "sudo systemctl restart dsmil-l4 dsmil-l8"
    absent = DaemonReading(daemon="l3", state=State.ABSENT)
    assert list(forgotten_restart(site, [absent])) == []


def test_a_daemon_older_than_its_settings_wants_a_restart(site: Site) -> None:
    path = site.etc / "conf.d/50-mine.toml"
    path.write_text("")
    os.utime(path, (NOW + 100, NOW + 100))
    rows = [reading("l3", NOW + 5), reading("l4", NOW + 200)]
    (finding,) = forgotten_restart(site, rows)
    assert "l3 started before the configuration" in finding.said
    assert finding.mend == "dsmil config check && sudo systemctl restart dsmil-l3"


def test_a_private_suite_is_not_installed(tmp_path: Path) -> None:
    assert list(program(Site(directory=tmp_path))) == []
    (finding,) = program(Site(root=tmp_path))
    assert finding.verdict == "ok"
    assert list(forgotten_restart(Site(root=tmp_path), [reading("l3", 0)])) == []
