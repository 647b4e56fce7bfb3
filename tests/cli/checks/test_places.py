"""Paths are held against the plan: whose they are, and who may read and write what."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path

import pytest

from dsmil.cli.checks.places import Wanted, judge, member, places, plan, unlocked
from dsmil.cli.checks.site import Site
from dsmil.config import Settings
from dsmil.config.places import Paths
from dsmil.config.places import Redis as RedisSettings

ME = pwd.getpwuid(os.geteuid()).pw_name
MINE = grp.getgrgid(os.getegid()).gr_name


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_path_as_wanted_is_not_spoken_of(tmp_path: Path) -> None:
    tmp_path.chmod(0o2770)
    assert judge(Wanted(tmp_path, ME, MINE, 0o2770)) is None


def test_a_secret_open_to_others_fails_and_is_closed(tmp_path: Path) -> None:
    key = tmp_path / "l3 key"
    key.write_text("secret")
    key.chmod(0o644)
    wanted = Wanted(key, ME, MINE, 0o400, True)
    finding = judge(wanted)
    assert finding is not None and finding.verdict == "fail"
    assert "0644" in finding.said and f"chmod 0400 '{key}'" in finding.mend
    fixed = judge(wanted, fix=True)
    assert fixed is not None and fixed.verdict == "fixed" and mode_of(key) == 0o400


def test_too_few_rights_warn(tmp_path: Path) -> None:
    tmp_path.chmod(0o2750)
    finding = judge(Wanted(tmp_path, ME, MINE, 0o2770, True))
    assert finding is not None and finding.verdict == "warn"


def test_an_owner_that_does_not_exist_is_not_mended_by_guessing(tmp_path: Path) -> None:
    finding = judge(Wanted(tmp_path, "nobody-of-that-name", MINE, 0o700), fix=True)
    assert finding is not None and finding.verdict == "fail" and "not fixed" in finding.said


def test_root_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("x")
    (tmp_path / "target").chmod(0o644)
    (tmp_path / "link").symlink_to("target")
    finding = judge(Wanted(tmp_path / "link", ME, MINE, 0o400, True), fix=True)
    assert finding is not None and "not fixed" in finding.said
    assert mode_of(tmp_path / "target") == 0o644


def test_an_absent_directory_is_made_by_systemd_tmpfiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = Wanted(tmp_path / "drop", ME, MINE, 0o2770)
    finding = judge(wanted)
    assert finding is not None and finding.mend == f"sudo systemd-tmpfiles --create --prefix={tmp_path}/drop"
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "systemd-tmpfiles"
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    for said, verdict in (("exit 0", "fail"), (f"mkdir {tmp_path}/drop", "fixed")):
        program.write_text(f"#!/bin/sh\n{said}\n")
        program.chmod(0o755)
        finding = judge(wanted, fix=True)
        assert finding is not None and finding.verdict == verdict, finding


def test_the_plan_is_that_of_set_up(tmp_path: Path) -> None:
    etc = tmp_path / "etc/dsmil"
    (etc / "credentials").mkdir(parents=True)
    for name in ("l3", "operator"):
        (etc / "credentials" / name).write_text("x")
    settings = Settings(redis=RedisSettings(password_file="/x"))
    wanted = {str(row.path): row for row in plan(Site(settings=settings, root=tmp_path, installed=True))}
    tmpfiles = Path(__file__).parents[3] / "systemd/tmpfiles.d/dsmil.conf"
    for line in tmpfiles.read_text().splitlines():
        if line.startswith("d "):
            _, path, mode, owner, group, _ = line.split()
            path = path if not path.startswith("/var/log") else f"{tmp_path}{path}"
            row = wanted[path]
            assert (row.mode, row.owner, row.group) == (int(mode, 8), owner, group), line
    assert wanted[f"{etc}/credentials/operator"].mode == 0o640
    assert wanted[f"{etc}/credentials/l3"].mode == 0o400
    foreign = plan(Site(settings=Settings(), root=tmp_path, installed=True))
    assert etc / "credentials" not in [row.path for row in foreign], "--no-redis keeps no passwords"


def test_audit_files_others_may_write_are_locked(tmp_path: Path) -> None:
    loose, well = tmp_path / "segment-1.db", tmp_path / "segment-2.db"
    for path, mode in ((loose, 0o660), (well, 0o640)):
        path.write_text("x")
        path.chmod(mode)
    (tmp_path / "link").symlink_to(well)
    (finding,) = unlocked(tmp_path, fix=False)
    assert finding.verdict == "fail" and "segment-1.db" in finding.said and "link" not in finding.said
    (finding,) = unlocked(tmp_path, fix=True)
    assert finding.verdict == "fixed" and mode_of(loose) == 0o640
    assert list(unlocked(tmp_path, fix=True)) == [] == list(unlocked(tmp_path / "absent", fix=True))


@pytest.mark.skipif(os.geteuid() == 0, reason="root sees everything")
def test_who_is_not_in_the_group_is_told_how_to_join() -> None:
    strangers = next(row.gr_name for row in grp.getgrall() if row.gr_gid not in (os.getegid(), *os.getgroups()))
    (finding,) = member(strangers)
    assert finding.verdict == "warn" and f"usermod -aG {strangers} {ME}" in finding.mend
    (finding,) = member(MINE)
    assert finding.verdict == "ok"


def test_a_private_suite_has_its_three_roots(tmp_path: Path) -> None:
    paths = Paths(data=tmp_path / "data", run=tmp_path / "run", hot=tmp_path / "hot")
    site = Site(settings=Settings(paths=paths))
    assert [row.verdict for row in places(site)] == ["fail", "fail", "warn"]
    for path in (paths.data, paths.run, paths.hot):
        path.mkdir(mode=0o750)
    paths.run.chmod(0o755)
    assert [row.verdict for row in places(site)] == ["ok", "warn", "ok"]
    assert [row.verdict for row in places(Site(settings=Settings(paths=paths), fix=True))] == [
        "ok",
        "fixed",
        "ok",
    ]
    assert mode_of(paths.run) == 0o750
