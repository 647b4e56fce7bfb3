"""A moment is read as the API reads it, and progress is shown on a terminal only, for what takes long."""

from __future__ import annotations

import click
import pytest

from dsmil.cli import picture
from dsmil.cli.picture import MomentType, Progress


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("0", 0),
        ("1200", 1200),
        ("999999999", 999_999_999),
        ("1000000000", 1e9),
        ("12.0", 12.0),
        ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01T01:00+01:00", 0.0),
        ("1970-01-02", 86_400.0),
    ],
)
def test_a_small_whole_number_is_a_sequence_and_all_else_a_time(text: str, moment: float) -> None:
    found = MomentType().convert(text, None, None)
    assert found == moment and type(found) is type(moment)


@pytest.mark.parametrize("text", ["", "-1", "yesterday", "nan", "inf", "1e300", "٣", "2024-13-01"])
def test_what_is_no_moment_is_wrong_usage(text: str) -> None:
    with pytest.raises(click.BadParameter, match="no sequence"):
        MomentType().convert(text, None, None)


def test_progress_is_for_terminals_and_for_what_takes_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(picture, "PROGRESS_EVERY_S", 0.0)
    for after_s, terminal, shown in ((0.0, True, "\rexport: 1 MB \n"), (9.0, True, ""), (0.0, False, "")):
        monkeypatch.setattr(picture, "PROGRESS_AFTER_S", after_s)
        progress = Progress("export")
        monkeypatch.setattr("sys.stderr.isatty", lambda terminal=terminal: terminal)
        progress.say("1 MB")
        progress.end()
        assert capsys.readouterr().err == shown
