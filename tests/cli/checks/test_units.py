"""Units are judged by what `systemctl show` says of them (texts as systemd 252 prints them)."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsmil.cli.checks.site import Site
from dsmil.cli.checks.units import Unit, belongs, expected, judge, mount_unit, parse, startable, units

TEXT = """\
Result=exit-code
NRestarts=0
ExecMainStatus=78
Id=dsmil-l8.service
LoadState=loaded
ActiveState=failed
SubState=failed
UnitFileState=enabled
NeedDaemonReload=no

Result=success
Id=dsmil-ais-playback.socket
LoadState=loaded
ActiveState=active
SubState=listening
UnitFileState=static
NeedDaemonReload=yes

Id=mnt-dsmil\\x2dram.mount
LoadState=not-found
ActiveState=inactive
SubState=dead
UnitFileState=
NeedDaemonReload=no
"""


def failed(result: str, status: int = 0) -> Unit:
    return Unit(name="a.service", active="failed", result=result, status=status)


def test_blocks_become_units() -> None:
    refused, socket, mount = parse(TEXT)
    assert refused == Unit(
        name="dsmil-l8.service", enabled="enabled", active="failed", sub="failed", result="exit-code", status=78
    )
    assert socket.stale and judge(socket) is None
    finding = judge(mount)
    assert finding is not None and finding.verdict == "fail" and "set-up" in finding.mend
    assert parse("") == [] and parse("noise\n\n=\n") == []


@pytest.mark.parametrize(
    ("unit", "verdict", "said", "mend"),
    [
        (failed("exit-code", 78), "fail", "configuration", "config check"),
        (failed("exit-code", 243), "fail", "password", "set-up"),
        (failed("exit-code", 1), "fail", "exit code 1", "journalctl"),
        (failed("watchdog"), "fail", "hung", "journalctl -u a.service"),
        (failed("oom-kill"), "fail", "memory", "systemctl edit a.service"),
        (failed("trigger-limit-hit"), "fail", "cannot start", "restart a.service"),
        (Unit(name="a.service", active="activating", sub="auto-restart", result="signal", restarts=9), "fail",
         "restart 9", "journalctl"),
        (Unit(name="a.service", active="activating", sub="start"), "warn", "activating", "journalctl"),
        (Unit(name="a.service", active="inactive", enabled="enabled"), "fail", "does not run", "systemctl start"),
        (Unit(name="a.service", active="inactive", enabled="disabled"), "warn", "disabled", "enable --now"),
        (Unit(name="a.service", load="masked", active="inactive"), "warn", "masked", "unmask"),
        (Unit(name="a.service", load="bad-setting", active="inactive"), "fail", "bad-setting", "analyze verify"),
        (Unit(name="a.service", restarts=5), "warn", "restarted it 5 times", "reset-failed"),
        (Unit(name="dsmil.target", enabled="disabled"), "warn", "at boot", "systemctl enable"),
        (Unit(name="dsmil-alert@b.service", active="failed", result="exit-code"), "warn", "alert", "journalctl"),
        (Unit(name="m\\x2dn.mount", active="inactive"), "fail", "does not run", "start 'm\\x2dn.mount'"),
    ],
)  # fmt: skip
def test_each_fault_has_its_words_and_its_mend(unit: Unit, verdict: str, said: str, mend: str) -> None:
    finding = judge(unit)
    assert finding is not None and finding.verdict == verdict
    assert said in finding.said and mend in finding.mend and "{" not in finding.mend


def test_what_is_well_is_not_spoken_of() -> None:
    for unit in (
        Unit(name="a.service", restarts=4),
        Unit(name="dsmil-hotpath-init.service", sub="exited"),
        Unit(name="dsmil-ais-playback@harbour.service", active="inactive"),
        Unit(name="dsmil.target", enabled="enabled"),
    ):
        assert judge(unit) is None


def test_only_what_nobody_turned_off_is_started() -> None:
    assert startable(Unit(name="a.service", active="inactive", enabled="enabled"))
    assert startable(Unit(name="a.service", active="failed", result="signal", status=9))
    for unit in (
        Unit(name="a.service", active="failed", result="exit-code", status=78),
        Unit(name="a.service", active="inactive", enabled="disabled"),
        Unit(name="a.service", load="masked", active="inactive"),
        Unit(name="dsmil-alert@a.service", active="failed"),
        Unit(name="a.service"),
    ):
        assert not startable(unit)


def test_a_mount_is_named_as_systemd_names_it() -> None:
    assert mount_unit(Path("/mnt/dsmil-ram")) == r"mnt-dsmil\x2dram.mount"


def test_what_set_up_left_out_is_not_missed(tmp_path: Path) -> None:
    site = Site(installed=True, root=tmp_path)
    assert (
        "dsmil-l3.service" in expected(site) and "dsmil-redis.service" in expected(site) and belongs(site, "l3")
    )
    (tmp_path / "opt/dsmil").mkdir(parents=True)
    (tmp_path / "opt/dsmil/manifest").write_text(
        f"{'0' * 64}  /etc/systemd/system/dsmil-drainer.service\n{'1' * 64}  /etc/systemd/system/dsmil.target\n"
    )
    assert expected(site) == ["dsmil-drainer.service", "dsmil.target"]
    assert belongs(site, "drainer") and not belongs(site, "l3") and belongs(site, "ais-playback@harbour")
    assert belongs(Site(root=tmp_path), "l3"), "a private suite has all of them"


def test_a_machine_without_systemd_has_no_units(tmp_path: Path) -> None:
    (finding,) = units(Site(installed=True, root=tmp_path))
    assert finding.verdict == "skip"
    assert list(units(Site(root=tmp_path))) == []


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose systemctl says what stands in the file `said`, and notes what it is told to do."""
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "systemctl"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/told\n[ "$1" = show ] && cat {tmp_path}/said\nexit 0\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return tmp_path


def test_it_is_asked_once_and_what_is_well_is_one_line(systemctl: Path) -> None:
    (systemctl / "said").write_text(TEXT)
    found = list(units(Site(installed=True, root=systemctl)))
    assert [row.verdict for row in found] == ["warn", "fail", "fail", "ok"]
    assert len((systemctl / "told").read_text().splitlines()) == 1


def test_fix_reloads_and_starts_but_never_what_refused_its_settings(systemctl: Path) -> None:
    down = "Id=dsmil-l4.service\nLoadState=loaded\nActiveState=inactive\nUnitFileState=enabled\n"
    (systemctl / "said").write_text(f"{TEXT}\n{down}")
    found = list(units(Site(installed=True, root=systemctl, fix=True)))
    told = (systemctl / "told").read_text().splitlines()[1:]
    if Site(installed=True, fix=True).fixes_machine:  # root
        assert told == ["daemon-reload", "start dsmil-l4.service"]
        assert [row.check for row in found if row.verdict == "fixed"] == ["units", "unit dsmil-l4.service"]
    else:
        assert told == []


def test_a_socket_goes_with_its_service(systemctl: Path) -> None:
    shape = "Id={}\nLoadState=loaded\nActiveState={}\nUnitFileState=enabled\n"
    socket = shape.format("dsmil-api.socket", "inactive")
    (systemctl / "said").write_text(f"{shape.format('dsmil-api.service', 'inactive')}\n{socket}")
    (finding,) = units(Site(installed=True, root=systemctl))
    assert finding.check == "unit dsmil-api.service"
    (systemctl / "said").write_text(f"{shape.format('dsmil-api.service', 'active')}\n{socket}")
    finding, _ = units(Site(installed=True, root=systemctl))
    assert finding.check == "unit dsmil-api.socket"


def test_a_systemctl_that_does_not_answer_is_no_fault_of_the_machine(systemctl: Path) -> None:
    (systemctl / "bin/systemctl").write_text("#!/bin/sh\necho Failed to connect to bus >&2\nexit 1\n")
    (finding,) = units(Site(installed=True, root=systemctl))
    assert finding.verdict == "skip" and "connect to bus" in finding.said
