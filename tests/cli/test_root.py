"""The root command loads what is asked for, tells errors in one line, and exits with the documented codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import dsmil
from dsmil.cli import EPILOG, main


def test_version_and_help_name_the_commands_and_exit_codes() -> None:
    assert CliRunner().invoke(main, ["--version"]).output == f"dsmil, version {dsmil.__version__}\n"
    page = CliRunner().invoke(main, ["-h"]).output
    for word in ("status", "config", "tap", "Exit codes", "78"):
        assert word in page
    assert EPILOG.count("\n") > 5


def test_every_listed_command_can_be_found_and_has_help() -> None:
    with main.make_context("dsmil", [], resilient_parsing=True) as ctx:
        for name in main.list_commands(ctx):
            command = main.get_command(ctx, name)
            assert command is not None and command.get_short_help_str(), name


def test_a_wrong_command_is_a_usage_error() -> None:
    assert CliRunner().invoke(main, ["stauts"]).exit_code == 2


@pytest.mark.parametrize(
    ("environ", "args", "code", "words"),
    [
        ({"REDIS_PORT": "x"}, ["config", "check"], 78, ["environment REDIS_PORT", "1..65535"]),
        ({"REDIS_URL": "unix:///nowhere/r.sock"}, ["status"], 69, ["reach Redis", "/nowhere/r.sock", "dsmil up"]),
        ({}, ["status", "--dir", "/nowhere"], 1, ["no such directory", "dsmil up --dir /nowhere"]),
    ],
)
def test_an_error_is_one_line_with_its_mend_and_code(
    environ: dict[str, str], args: list[str], code: int, words: list[str]
) -> None:
    done = CliRunner().invoke(main, args, env=environ)
    assert done.exit_code == code, done.output
    assert done.stdout == ""
    assert done.stderr.startswith("dsmil: ") and done.stderr.count("\n") == 1
    for word in words:
        assert word in done.stderr


def test_asking_for_one_command_does_not_load_the_others(tmp_path: Path) -> None:
    code = (
        "import sys; from dsmil.cli import main\n"
        "try: main(['config', 'check'])\n"
        "except SystemExit as end: assert not end.code\n"
        "print(sorted({'redis', 'pyais', 'numpy', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"DSMIL_ETC": str(tmp_path), "PYTHONPATH": str(Path(dsmil.__file__).parent.parent)},
    )
    assert done.stdout.splitlines()[-1] == "[]"
