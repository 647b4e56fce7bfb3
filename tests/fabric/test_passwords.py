"""Passwords of Redis's users are made once, whole, and for their owner alone."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from dsmil.errors import ConfigError
from dsmil.fabric import passwords

USERS = ("l3", "l4", "admin")


def test_passwords_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    assert passwords.make(tmp_path, USERS) == list(USERS)
    first = passwords.read(tmp_path, USERS)
    assert len(set(first.values())) == len(first)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", word) for word in first.values())
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in first} == {0o400}
    (tmp_path / "l3").unlink()
    assert passwords.make(tmp_path, USERS) == ["l3"]
    again = passwords.read(tmp_path, USERS)
    assert {name for name in first if first[name] != again[name]} == {"l3"}
    assert sorted(os.listdir(tmp_path)) == sorted(USERS)


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "l3").symlink_to(tmp_path / "elsewhere")
    assert "l3" not in passwords.make(tmp_path, USERS)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("content", [b"", b"short\n", b"two lines of some\nlength and more\n", b"\xff" * 40])
def test_what_is_no_password_is_refused_and_not_shown(tmp_path: Path, content: bytes) -> None:
    passwords.make(tmp_path, USERS)
    (tmp_path / "l4").unlink()
    (tmp_path / "l4").write_bytes(content)
    with pytest.raises(ConfigError, match="l4") as caught:
        passwords.read(tmp_path, USERS)
    assert "length and more" not in str(caught.value)


def test_a_chosen_password_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "l4").write_text("correct horse battery\n")
    assert passwords.make(tmp_path, USERS) == ["l3", "admin"]
    assert passwords.read(tmp_path, USERS)["l4"] == "correct horse battery"
