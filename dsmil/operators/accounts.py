"""Operators and their teams: adding, listing, taking away.

An operator is a name and a role. Passwords and sessions come with the console; until then a name is what acts are
signed with, and `token:<role>` is who a program acts as.
"""

from __future__ import annotations

import re

from msgspec import Struct

from dsmil.clock import SYSTEM, Clock
from dsmil.errors import DsmilError
from dsmil.operators.book import Book
from dsmil.operators.roles import SERVICE, Role

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_EMAIL = re.compile(r"[^\s@\x00-\x1f\x7f]{1,64}@[^\s@\x00-\x1f\x7f]{1,190}")
_SELECT = """SELECT operator_id, role, email, team_id, created_at,
  (SELECT count(*) FROM tokens WHERE tokens.operator_id = operators.operator_id) FROM operators"""


class Operator(Struct, frozen=True, kw_only=True):
    """One account. `service`: a program's; `tokens` counts those it was ever given and has not lost."""

    operator_id: str
    role: Role
    email: str | None = None
    team_id: str | None = None
    created_at: float
    service: bool = False
    tokens: int = 0


class NoSuch(DsmilError):
    """What is named is not there."""


class Accounts:
    """The operators in a book."""

    def __init__(self, book: Book, *, clock: Clock = SYSTEM) -> None:
        self._book = book
        self._clock = clock

    def add(self, name: str, role: Role, *, email: str | None = None, team: str | None = None) -> Operator:
        """A new operator, and the team where it is new too. DsmilError: the name is taken, or is none."""
        _check(name, email, team)
        now = self._clock.now()
        with self._book.writing() as db:
            if team is not None:
                db.execute("INSERT INTO teams VALUES (?, ?) ON CONFLICT DO NOTHING", (team, now))
            made = db.execute(
                "INSERT INTO operators VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (name, role, email, team, now),
            ).rowcount
            if not made:
                raise DsmilError(f"add operator {name}: there is one of that name", hint="dsmil user list")
        return Operator(operator_id=name, role=role, email=email, team_id=team, created_at=now)

    def ensure(self, operator_id: str, role: Role) -> None:
        """A service operator, made where it is absent."""
        with self._book.writing() as db:
            db.execute(
                "INSERT INTO operators VALUES (?, ?, NULL, NULL, ?) ON CONFLICT DO NOTHING",
                (operator_id, role, self._clock.now()),
            )

    def all(self) -> list[Operator]:
        """Every operator, by name."""
        with self._book.reading() as db:
            rows = db.execute(f"{_SELECT} ORDER BY operator_id").fetchall()
        return [
            Operator(
                operator_id=name, role=Role(role), email=email, team_id=team, created_at=made,
                service=name.startswith(SERVICE), tokens=tokens,
            )
            for name, role, email, team, made, tokens in rows
        ]  # fmt: skip

    def remove(self, name: str) -> None:
        """Take an operator away, with all its tokens. NoSuch where there is none."""
        with self._book.writing() as db:
            if not db.execute("DELETE FROM operators WHERE operator_id = ?", (name,)).rowcount:
                raise NoSuch(f"remove operator {name}: there is none of that name", hint="dsmil user list")


def _check(name: str, email: str | None, team: str | None) -> None:
    for what, text in (("operator", name), ("team", team)):
        if text is not None and not _NAME.fullmatch(text):
            raise DsmilError(
                f"add {what} {text!r}: not a name", hint="1 to 64 of a-z 0-9 _ . - and no sign first"
            )
    if email is not None and not _EMAIL.fullmatch(email):
        raise DsmilError(f"add operator {name}: {email!r} is no address", hint="somebody@example.org")
