"""A unit that is down for good is one critical line with the mend."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dsmil.runtime import alert, logs

UNIT = "dsmil-soc-router.service"


@pytest.fixture
def err(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[[], str]]:
    monkeypatch.setenv("DSMIL_ETC", str(tmp_path))
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    yield lambda: capsys.readouterr().err
    logs.setup("dsmil")


def told(unit: str = UNIT, result: str = "", status: str = "") -> dict[str, str]:
    return {
        "MONITOR_UNIT": unit, "MONITOR_SERVICE_RESULT": result, "MONITOR_EXIT_CODE": "exited",
        "MONITOR_EXIT_STATUS": status, "MONITOR_INVOCATION_ID": "ab12",
    }  # fmt: skip


def only_line(err: Callable[[], str]) -> dict[str, str]:
    (line,) = err().splitlines()
    found: dict[str, str] = json.loads(line)
    return found


@pytest.mark.parametrize(
    ("result", "status", "mend"),
    [
        ("exit-code", "78", "dsmil config check"),
        ("exit-code", "1", "ended with status 1"),
        ("exit-code", "243", "systemd-analyze exit-status 243"),
        ("signal", "KILL", "killed by KILL"),
        ("oom-kill", "KILL", "MemoryMax"),
        ("watchdog", "ABRT", "hung"),
        ("start-limit-hit", "1", f"systemctl reset-failed {UNIT}"),
        ("timeout", "TERM", "in time"),
        ("something new", "{unit.__class__}", "journalctl"),
        ("", "", "journalctl"),
    ],
)
def test_the_line_names_unit_end_and_mend(err: Callable[[], str], result: str, status: str, mend: str) -> None:
    assert alert.main([UNIT], told(result=result, status=status)) == 0
    line = only_line(err)
    assert (line["level"], line["event"], line["unit"]) == ("critical", "unit_failed", UNIT)
    assert (line["result"] or "", line["status"] or "") == (result, status)
    assert mend in line["mend"]
    assert line["mend"].endswith(f"then systemctl restart {UNIT}; what it said last: journalctl -u {UNIT} -n 50")


@pytest.mark.parametrize(
    ("unit", "environ"),
    [
        ("dsmil-api.socket", {}),
        ("dsmil-redis-admit.service", told("dsmil-redis-admit.service", "exit-code", "71")),
    ],
)
def test_a_port_that_is_taken_is_told_as_such(err: Callable[[], str], unit: str, environ: dict[str, str]) -> None:
    alert.main([unit], environ)
    mend, service = only_line(err)["mend"], unit.replace(".socket", ".service")
    assert mend.startswith("somebody else has its port: ss -lntup")
    assert mend.endswith(f"then systemctl restart {service}; what it said last: journalctl -u {unit} -n 50")


def test_an_older_systemd_tells_nothing_and_the_line_comes_all_the_same(err: Callable[[], str]) -> None:
    assert alert.main([UNIT], {}) == 0
    assert only_line(err)["mend"].startswith("see why it ended; then systemctl restart")


def test_the_end_of_another_unit_is_not_told_as_this_ones(err: Callable[[], str]) -> None:
    alert.main([UNIT], told("dsmil-l3.service", "exit-code", "78"))
    line = only_line(err)
    assert line["result"] is None and "config check" not in line["mend"]


@pytest.mark.parametrize(
    "unit", ["dsmil-ais-playback@north-1.service", r"mnt-dsmil\x2dram.mount", "dsmil-redis.service"]
)
def test_names_of_units_are_taken(err: Callable[[], str], unit: str) -> None:
    assert alert.main([unit], {}) == 0


@pytest.mark.parametrize(
    "args", [[], [UNIT, UNIT], ["x"], ["; rm -rf /.service"], ["\x1b[2J.service"], ["a" * 300]]
)
def test_anything_else_is_refused(err: Callable[[], str], args: list[str]) -> None:
    assert alert.main(args, told()) == 64
    said = err()
    assert json.loads(said)["event"] == "alert_refused"
    assert "\x1b" not in said


def test_the_line_goes_into_the_log_file_too_and_wrong_settings_do_not_stop_it(
    err: Callable[[], str], tmp_path: Path
) -> None:
    settings, file = tmp_path / "dsmil.toml", tmp_path / "dsmil.log"
    settings.write_text(f'[log]\nfile = "{file}"\n')
    assert alert.main([UNIT], {}) == 0
    assert json.loads(file.read_text())["event"] == "unit_failed"
    settings.write_text("[log]\nfile = 7\n")
    assert alert.main([UNIT], told(result="exit-code", status="78")) == 0
    assert len(err().splitlines()) == 2
