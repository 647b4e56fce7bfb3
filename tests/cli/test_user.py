"""`dsmil user` adds operators, prints a token once, and takes either back."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dsmil.cli import main
from dsmil.cli.place import settings_of
from dsmil.operators.book import Book
from dsmil.operators.roles import Role
from dsmil.operators.tokens import Refused, Tokens


def user(place: Path, *args: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["user", *args, "--dir", str(place)])
    assert done.exit_code == code, done.stdout + done.stderr
    return done.stdout or done.stderr


def told(place: Path, *args: str) -> Any:
    return json.loads(user(place, *args, "--json"))


def test_token_prints_the_token_alone(tmp_path: Path) -> None:
    said = user(tmp_path, "token", "--role", "admin")
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}\n", said)
    with Book(settings_of(tmp_path).paths.operators_db) as book:
        assert Tokens(book).shown(said.strip()).role is Role.ADMIN


def test_token_tells_a_program_more(tmp_path: Path) -> None:
    made = told(tmp_path, "token", "--role", "operator", "--expires", "30d", "--label", "feed")
    assert made["operator_id"] == "token:operator" and made["label"] == "feed" and len(made["token"]) == 43
    assert made["expires_at"] - made["created_at"] == 30 * 86_400 and made["state"].startswith("valid for 30 d")
    assert "token" not in told(tmp_path, "tokens")[0]
    assert made["token"] not in user(tmp_path, "tokens")


def test_a_revoked_token_opens_nothing(tmp_path: Path) -> None:
    made = told(tmp_path, "token", "--role", "observer")
    user(tmp_path, "revoke", made["token_id"])
    with Book(settings_of(tmp_path).paths.operators_db) as book, pytest.raises(Refused, match="revoked"):
        Tokens(book).shown(made["token"])
    assert "revoked" in user(tmp_path, "tokens") and told(tmp_path, "tokens")[0]["state"] == "revoked"
    assert "none of that id" in user(tmp_path, "revoke", "nobody", code=1)


def test_operators_come_and_go(tmp_path: Path) -> None:
    user(tmp_path, "add", "ada", "--role", "supervisor", "--email", "ada@example.org", "--team", "watch")
    assert told(tmp_path, "list")[0] == {
        "operator_id": "ada", "role": "supervisor", "email": "ada@example.org", "team_id": "watch",
        "created_at": told(tmp_path, "list")[0]["created_at"], "service": False, "tokens": 0,
    }  # fmt: skip
    assert "supervisor" in user(tmp_path, "list")
    assert "of that name" in user(tmp_path, "add", "ada", "--role", "admin", code=1)
    assert told(tmp_path, "rm", "ada") == {"removed": "ada"}
    assert told(tmp_path, "list") == []
    user(tmp_path, "rm", "ada", code=1)


@pytest.mark.parametrize("span", ["", "0d", "30", "-1d", "1y", "99999w", "1d2h", "٣d"])
def test_what_is_no_span_is_wrong_usage(tmp_path: Path, span: str) -> None:
    assert "span" in user(tmp_path, "token", "--role", "admin", "--expires", span, code=2)
    assert told(tmp_path, "tokens") == []


def test_a_role_that_is_none_is_wrong_usage(tmp_path: Path) -> None:
    user(tmp_path, "token", "--role", "root", code=2)
    user(tmp_path, "add", "ada", code=2)


def test_a_place_without_a_suite_is_said(tmp_path: Path) -> None:
    assert "no such directory" in user(tmp_path / "nowhere", "list", code=1)
