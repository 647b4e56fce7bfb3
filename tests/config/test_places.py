"""The log's file is a place like any other, and no address is shown with its password."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsmil.config import load, private_environment
from dsmil.config.places import Log, Redis, redact
from dsmil.errors import ConfigError


@pytest.mark.parametrize("file", ["dsmil.log", "./x", "~/x", "/a\0b"])
def test_a_log_file_is_an_absolute_path(file: str) -> None:
    with pytest.raises(ValueError, match="absolute"):
        Log(file=file)
    assert Log(file="/var/log/dsmil/dsmil.log").file and not Log().file


def test_a_private_suite_does_not_write_into_the_installed_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSMIL_LOG_FILE", "/var/log/dsmil/dsmil.log")
    assert load(environ=private_environment(tmp_path)).settings.log.file == ""


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://me:a@b:c@host:6379/0", "redis://me:***@host:6379/0"),
        ("redis://:word@host", "redis://:***@host"),
        ("unix:///x?db=1&password=a%20b&y=1", "unix:///x?db=1&password=***&y=1"),
        ("redis://h?API_KEY=abc", "redis://h?API_KEY=***"),
        ("redis://host:6379/0", "redis://host:6379/0"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert redact(url) == shown


def test_what_no_log_may_show_is_known_in_both_spellings(tmp_path: Path) -> None:
    assert set(Redis(url="redis://me:a%20b@host/0").secrets()) == {"a b", "a%20b", "a%2520b"}
    (tmp_path / "word").write_text("x/y\n")
    assert set(Redis(password_file=str(tmp_path / "word")).secrets()) == {"x/y", "x%2Fy"}
    assert Redis(url="redis://[broken").secrets() == () == Redis().secrets()


def test_a_password_written_where_its_file_belongs_is_not_repeated() -> None:
    with pytest.raises(ConfigError, match=r"password_file \*\*\*: No such file") as caught:
        Redis(password_file="hunter2").password()
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError, match="/no/such/file"):
        Redis(password_file="/no/such/file").password()
