"""A token opens what its role may until it expires or is revoked, at once and for every process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dsmil.clock import FakeClock
from dsmil.errors import DsmilError
from dsmil.operators.accounts import Accounts
from dsmil.operators.book import Book
from dsmil.operators.roles import Role, service_of
from dsmil.operators.tokens import USED_EVERY_S, Refused, Tokens, digest_of


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    with Book(tmp_path / "operators.db") as opened:
        yield opened


@pytest.fixture
def other(book: Book) -> Iterator[Book]:
    """The same file as another process has it."""
    with Book(book.path) as opened:
        yield opened


@pytest.mark.parametrize("role", list(Role))
def test_a_token_acts_as_the_service_operator_of_its_role(book: Book, role: Role, clock: FakeClock) -> None:
    tokens = Tokens(book, clock=clock)
    text, made = tokens.make(role, label="ci")
    assert tokens.shown(text) == made
    assert (made.operator_id, made.role, made.label) == (service_of(role), role, "ci")
    assert len(text) == 43 and made.expires_at is None


def test_roles_include_those_below() -> None:
    assert [role for role in Role if Role.SUPERVISOR.covers(role)] == [
        Role.OBSERVER, Role.OPERATOR, Role.SUPERVISOR,
    ]  # fmt: skip
    assert not Role.OBSERVER.covers(Role.OPERATOR) and Role.ADMIN.covers(Role.ADMIN)


def test_it_expires_to_the_second(book: Book, clock: FakeClock) -> None:
    tokens = Tokens(book, clock=clock)
    text, _ = tokens.make(Role.ADMIN, lives_s=60.0)
    clock.advance(59.9)
    tokens.shown(text)
    clock.advance(0.1)
    with pytest.raises(Refused, match="expired"):
        tokens.shown(text)


def test_a_revoked_token_is_refused_at_once_by_those_who_know_it(
    book: Book, other: Book, clock: FakeClock
) -> None:
    tokens = Tokens(book, clock=clock)
    text, made = tokens.make(Role.ADMIN)
    tokens.shown(text)
    Tokens(other, clock=clock).revoke(made.token_id)
    with pytest.raises(Refused, match="revoked"):
        tokens.shown(text)
    Tokens(other, clock=clock).revoke(made.token_id)  # again: nothing
    with pytest.raises(DsmilError, match="none of that id"):
        tokens.revoke("nobody")


def test_a_token_goes_with_its_operator(book: Book, other: Book, clock: FakeClock) -> None:
    tokens = Tokens(book, clock=clock)
    text, _ = tokens.make(Role.OPERATOR)
    tokens.shown(text)
    Accounts(other, clock=clock).remove(service_of(Role.OPERATOR))
    with pytest.raises(Refused):
        tokens.shown(text)
    assert tokens.all() == []


def test_what_one_process_removes_itself_is_refused_too(book: Book, clock: FakeClock) -> None:
    tokens = Tokens(book, clock=clock)
    text, made = tokens.make(Role.OPERATOR)
    tokens.shown(text)
    tokens.revoke(made.token_id)
    with pytest.raises(Refused, match="revoked"):
        tokens.shown(text)


@pytest.mark.parametrize("change", [lambda t: t[:-1], lambda t: t + "A",
                                    lambda t: ("B" if t[0] == "A" else "A") + t[1:],
                                    lambda _: "", lambda _: "\ud800" * 43, lambda t: t.upper()])  # fmt: skip
def test_a_tampered_token_opens_nothing(book: Book, change: object) -> None:
    tokens = Tokens(book)
    text, _ = tokens.make(Role.ADMIN)
    with pytest.raises(Refused):
        tokens.shown(change(text))  # type: ignore[operator]


def test_the_digest_is_no_token(book: Book) -> None:
    tokens = Tokens(book)
    text, _ = tokens.make(Role.ADMIN)
    with pytest.raises(Refused):
        tokens.shown(digest_of(text).hex())


def test_its_last_use_is_noted_to_the_minute(book: Book, clock: FakeClock) -> None:
    tokens = Tokens(book, clock=clock)
    text, _ = tokens.make(Role.OBSERVER)
    for expected in (clock.now(), clock.now(), clock.now() + USED_EVERY_S):
        clock.advance(expected - clock.now())
        tokens.shown(text)
        tokens.note_uses()
        assert tokens.all()[0].last_used_at == expected
        clock.advance(1.0)
        tokens.shown(text)
        tokens.note_uses()
        assert tokens.all()[0].last_used_at == expected
