"""The machine is looked at with the kernel's own files, and touched only where dsmil is installed."""

from __future__ import annotations

import os
from pathlib import Path

from dsmil.cli.checks.machine import BUFFER_MAX, OVERCOMMIT, budget, buffers, disk, journal, machine, overcommit
from dsmil.cli.checks.machine import synchronised as ntp
from dsmil.cli.checks.site import Site
from dsmil.config import Settings
from dsmil.config.places import Paths

GIB = 1 << 30


def kernel(root: Path, name: str, value: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{value}\n")
    return path


def test_the_audit_log_must_fit_on_the_disk() -> None:
    assert budget(30 * GIB, 0, 20 * GIB).verdict == "ok"
    finding = budget(10 * GIB, 5 * GIB, 20 * GIB)
    assert finding.verdict == "warn" and f"audit.budget_bytes = {14 * GIB}" in finding.mend
    assert budget(2 * GIB, 20 * GIB, 20 * GIB).verdict == "ok", "it takes no more"


def test_room_is_measured_where_the_data_are(tmp_path: Path) -> None:
    free, _ = disk(Site(settings=Settings(paths=Paths(data=tmp_path, run=tmp_path, hot=tmp_path))))
    assert free.check == "disk" and str(tmp_path) in free.said


def test_overcommit_is_set_on_an_installed_machine_only(tmp_path: Path) -> None:
    path = kernel(tmp_path, OVERCOMMIT, "0")
    assert overcommit(Site(root=tmp_path, fix=True)).verdict == "warn", "not the suite's to change"
    finding = overcommit(Site(root=tmp_path, fix=True, installed=True))
    if os.geteuid() == 0:
        assert finding.verdict == "fixed" and path.read_text() == "1\n"
    path.write_text("1\n")
    assert overcommit(Site(root=tmp_path)).verdict == "ok"
    assert overcommit(Site(root=tmp_path / "hidden")).verdict == "ok"


def test_udp_sources_want_buffers_unless_systemd_opens_their_ports(tmp_path: Path) -> None:
    kernel(tmp_path, BUFFER_MAX, "212992")
    (finding,) = buffers(Site(root=tmp_path))
    assert finding.verdict == "warn" and "sysctl net.core.rmem_max=4194304" in finding.mend
    assert list(buffers(Site(root=tmp_path, installed=True))) == []
    kernel(tmp_path, BUFFER_MAX, "8388608")
    assert [row.verdict for row in buffers(Site(root=tmp_path))] == ["ok"]
    assert list(buffers(Site(root=tmp_path / "hidden"))) == []


def test_the_journal_is_kept_and_bounded(tmp_path: Path) -> None:
    site = Site(root=tmp_path, installed=True)
    assert [row.verdict for row in journal(site)] == ["warn"]
    kernel(tmp_path, "etc/systemd/journald.conf.d/60-dsmil.conf", "[Journal]")
    (finding,) = journal(site)
    assert "after a reboot" in finding.said
    (tmp_path / "var/log/journal").mkdir(parents=True)
    assert [row.verdict for row in journal(site)] == ["ok"]


def test_the_clock_is_asked_after(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    program = tmp_path / "timedatectl"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for said, verdicts in (("echo yes", ["ok"]), ("echo no", ["warn"]), ("exit 1", [])):
        program.write_text(f"#!/bin/sh\n{said}\n")
        program.chmod(0o755)
        assert [row.verdict for row in ntp()] == verdicts


def test_a_machine_without_anything_is_still_looked_at(tmp_path: Path) -> None:
    absent = Paths(data=tmp_path / "a", run=tmp_path / "b", hot=tmp_path / "c")
    assert [row.check for row in machine(Site(settings=Settings(paths=absent), root=tmp_path))] == ["overcommit"]
