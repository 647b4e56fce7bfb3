"""`dsmil config` says whether the settings are right, what they are and where each comes from, but no secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dsmil.cli import main


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "dsmil.toml").write_text('[redis]\nurl = "redis://u:s3cret@h:1/0"\n[hot]\nretention_s = 120\n')
    return tmp_path


def dsmil(etc: Path, *args: str) -> Result:
    return CliRunner().invoke(main, args, env={"DSMIL_ETC": str(etc)})


def test_check_is_silent_about_nothing(etc: Path) -> None:
    done = dsmil(etc, "config", "check")
    assert done.exit_code == 0 and "2 of them not at their default" in done.output
    assert json.loads(dsmil(etc, "config", "check", "--json").output)["changed"] == 2


def test_check_exits_78_naming_file_key_and_mend(etc: Path) -> None:
    (etc / "conf.d").mkdir()
    (etc / "conf.d" / "x.toml").write_text("[hot]\nretention = 1\n")
    done = dsmil(etc, "config", "check")
    assert done.exit_code == 78
    assert "x.toml:2" in done.stderr and "did you mean retention_s?" in done.stderr


def test_show_names_the_origin_and_hides_secrets(etc: Path) -> None:
    done = dsmil(etc, "config", "show", "--origin", "--changed")
    lines = [line.split() for line in done.output.splitlines()]
    assert lines[1:] == [
        ["redis.url", '"redis://u:***@h:1/0"', f"{etc}/dsmil.toml:2"],
        ["hot.retention_s", "120.0", f"{etc}/dsmil.toml:4"],
    ]
    rows = json.loads(dsmil(etc, "config", "show", "--origin", "--json").output)
    assert rows["redis.port"] == {"value": 6379, "origin": "default"}
    assert json.loads(dsmil(etc, "config", "show", "--json").output)["redis.port"] == 6379
    assert "s3cret" not in dsmil(etc, "config", "show", "--json").output


def test_show_of_a_private_suite_is_its_own(etc: Path, tmp_path: Path) -> None:
    rows = json.loads(dsmil(etc, "config", "show", "--dir", str(tmp_path), "--json").output)
    assert rows["paths.data"] == str(tmp_path)
    assert rows["redis.url"] == f"unix://{tmp_path}/run/redis.sock"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_are_printed(shell: str, tmp_path: Path) -> None:
    done = dsmil(tmp_path, "completion", shell)
    assert done.exit_code == 0 and "_DSMIL_COMPLETE" in done.output
