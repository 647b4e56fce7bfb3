"""operators.db is its owner's alone, holds no token, and lets many write in turn."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from dsmil.clock import FakeClock
from dsmil.errors import ConfigError, DsmilError, Unavailable
from dsmil.operators.accounts import Accounts, NoSuch
from dsmil.operators.book import Book
from dsmil.operators.roles import Role
from dsmil.operators.tokens import Tokens

SHIPPED = Path(__file__).parent.parent / "store" / "shipped"


def test_the_file_and_those_beside_it_are_their_owners_alone(tmp_path: Path) -> None:
    with Book(tmp_path / "operators.db") as book:
        Tokens(book).make(Role.ADMIN)
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert {"operators.db", "operators.db-wal"} <= set(modes) and set(modes.values()) == {0o600}


def test_it_makes_a_directory_of_its_own_for_its_owner_alone(tmp_path: Path) -> None:
    with Book(tmp_path / "operators" / "operators.db"):
        assert (tmp_path / "operators").stat().st_mode & 0o777 == 0o700


def test_no_byte_of_a_token_is_in_any_file(tmp_path: Path) -> None:
    with Book(tmp_path / "operators.db") as book:
        text, made = Tokens(book).make(Role.ADMIN, label="probe")
        files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert text.encode() not in files and text[8:24].encode() not in files
    assert made.token_id.encode() in files


def test_operators_are_added_listed_and_removed(tmp_path: Path, clock: FakeClock) -> None:
    with Book(tmp_path / "operators.db") as book:
        accounts = Accounts(book, clock=clock)
        accounts.add("ada", Role.SUPERVISOR, email="ada@example.org", team="watch")
        accounts.add("bob", Role.OBSERVER, team="watch")
        Tokens(book, clock=clock).make(Role.OPERATOR)
        rows = {row.operator_id: row for row in accounts.all()}
        assert list(rows) == ["ada", "bob", "token:operator"]
        assert rows["ada"].email == "ada@example.org" and rows["ada"].team_id == rows["bob"].team_id == "watch"
        assert rows["token:operator"].service and rows["token:operator"].tokens == 1 and not rows["ada"].service
        accounts.remove("bob")
        with pytest.raises(NoSuch):
            accounts.remove("bob")
        assert [row.operator_id for row in accounts.all()] == ["ada", "token:operator"]


@pytest.mark.parametrize(
    ("name", "email", "team"),
    [("", None, None), ("Ada", None, None), ("token:admin", None, None), ("-x", None, None), ("a" * 65, None, None),
     ("a\n", None, None), ("ada", "nowhere", None), ("ada", "a@b\x1b", None), ("ada", None, "no team")],
)  # fmt: skip
def test_what_is_no_name_or_address_is_refused(
    tmp_path: Path, name: str, email: str | None, team: str | None
) -> None:
    with Book(tmp_path / "operators.db") as book:
        with pytest.raises(DsmilError):
            Accounts(book).add(name, Role.ADMIN, email=email, team=team)
        assert Accounts(book).all() == []


def test_a_name_is_given_once(tmp_path: Path) -> None:
    with Book(tmp_path / "operators.db") as book:
        Accounts(book).add("ada", Role.OBSERVER)
        with pytest.raises(DsmilError, match="of that name"):
            Accounts(book).add("ada", Role.ADMIN)
        assert Accounts(book).all()[0].role is Role.OBSERVER


def test_writers_wait_for_each_other(tmp_path: Path) -> None:
    def write(number: int) -> None:
        with Book(tmp_path / "operators.db") as mine:
            for each in range(10):
                Tokens(mine).make(Role.OBSERVER, label=f"{number}-{each}")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Book(tmp_path / "operators.db") as book:
        assert len({row.label for row in Tokens(book).all()}) == 40


def test_what_is_no_book_is_said(tmp_path: Path) -> None:
    (tmp_path / "operators.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(ConfigError):
        Book(tmp_path / "operators.db").open()
    with pytest.raises(Unavailable):
        Book(tmp_path / "nowhere" / "operators" / "operators.db").open()


@pytest.mark.parametrize("dump", sorted(SHIPPED.glob("operators_*.sql")), ids=lambda path: path.stem)
def test_a_book_of_any_schema_ever_shipped_opens_with_all_its_rows(dump: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "operators.db")) as database:
        database.executescript(dump.read_text("utf-8"))
    with Book(tmp_path / "operators.db") as book:
        assert [row.operator_id for row in Accounts(book).all()] == ["ada", "token:operator"]
        assert Accounts(book).all()[0].team_id == "watch"
        assert Tokens(book).shown("A" * 43).token_id == "0a1b2c3d4e5f"
