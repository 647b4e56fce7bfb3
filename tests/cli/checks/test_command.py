"""Another program is asked for a bounded time, and one that is missing says nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsmil.cli.checks.command import act, ask, first_line
from dsmil.errors import Unavailable


def test_a_program_is_asked_for_a_bounded_time() -> None:
    assert ask("/nowhere/systemctl") is None
    assert ask("sleep", "30", wait_s=0.05) is None
    reply = ask("sh", "-c", "echo out; echo first >&2; echo last >&2; exit 3")
    assert reply is not None and (reply.code, reply.out, reply.why) == (3, "out\n", "last")


def test_what_does_not_succeed_is_unavailable_with_the_reason() -> None:
    act("true")
    with pytest.raises(Unavailable, match="run sh -c echo no >&2; exit 1: no"):
        act("sh", "-c", "echo no >&2; exit 1")
    with pytest.raises(Unavailable, match="not there"):
        act("/nowhere/systemctl")


def test_the_first_line_of_a_hidden_file_is_empty(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1\n2\n")
    assert first_line(tmp_path / "a") == "1" and first_line(tmp_path / "b") == ""
