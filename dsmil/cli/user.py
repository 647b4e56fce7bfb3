"""`dsmil user`: operators, and the bearer tokens programs use instead of a password.

Works on operators.db itself, so it needs neither the API nor Redis; a running API sees every change at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from dsmil.cli.place import dir_option, settings_of
from dsmil.cli.show import age, emit, json_option, table
from dsmil.clock import SYSTEM
from dsmil.errors import Unavailable
from dsmil.operators.accounts import Accounts
from dsmil.operators.book import Book
from dsmil.operators.roles import Role
from dsmil.operators.tokens import Token, Tokens

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
LIFE_S_MAX = 10 * 366 * 86_400
"""Longer than ten years is no expiry."""

_SPAN = re.compile(r"([0-9]{1,9})([smhdw])")

role_option = click.option(
    "--role", type=click.Choice([role.value for role in Role]), required=True, help="What it may do."
)


@click.group("user")
def user() -> None:
    """Operators, and bearer tokens for programs."""


@user.command("add")
@click.argument("name")
@role_option
@click.option("--email", help="Where to reach them.")
@click.option("--team", help="Their team; made where it is new.")
@dir_option
@json_option
def add(  # noqa: PLR0913 - one parameter an option
    *, name: str, role: str, email: str | None, team: str | None, directory: Path | None, as_json: bool
) -> None:
    """Add the operator NAME."""
    with _book(directory) as book:
        made = Accounts(book).add(name, Role(role), email=email, team=team)
    if as_json:
        emit(made)
    else:
        click.echo(f"{made.operator_id}: {made.role}")


@user.command("list")
@dir_option
@json_option
def list_(directory: Path | None, as_json: bool) -> None:
    """List operators; those called token:ROLE are programs."""
    with _book(directory) as book:
        rows = Accounts(book).all()
    if as_json:
        emit(rows)
        return
    table(
        ("operator", "role", "team", "email", "tokens", "since"),
        [(row.operator_id, row.role, row.team_id, row.email, row.tokens, _day(row.created_at)) for row in rows],
    )


@user.command("rm")
@click.argument("name")
@dir_option
@json_option
def rm(name: str, directory: Path | None, as_json: bool) -> None:
    """Remove the operator NAME, with all tokens of theirs."""
    with _book(directory) as book:
        Accounts(book).remove(name)
    _done({"removed": name}, as_json)


@user.command("token")
@role_option
@click.option("--expires", metavar="SPAN", help="How long it opens anything: 12h, 30d, 4w. Without it: for ever.")
@click.option("--label", default="", help="What it is for, for `dsmil user tokens`.")
@dir_option
@json_option
def token(*, role: str, expires: str | None, label: str, directory: Path | None, as_json: bool) -> None:
    """Make a bearer token and print it. It is shown this once: kept is its SHA-256 alone."""
    lives_s = None if expires is None else _span(expires)
    with _book(directory) as book:
        text, made = Tokens(book).make(Role(role), label=label, lives_s=lives_s)
    if as_json:
        emit({"token": text, **_told(made)})
    else:
        click.echo(text)


@user.command("tokens")
@dir_option
@json_option
def tokens(directory: Path | None, as_json: bool) -> None:
    """List tokens, the newest first: whose, what for, and whether they still open anything."""
    with _book(directory) as book:
        rows = Tokens(book).all()
    if as_json:
        emit([_told(row) for row in rows])
        return
    now = SYSTEM.now()
    table(
        ("id", "operator", "label", "made", "last used", "state"),
        [
            (row.token_id, row.operator_id, row.label, _day(row.created_at), _ago(row.last_used_at, now), state)
            for row, state in ((row, _state(row, now)) for row in rows)
        ],
    )


@user.command("revoke")
@click.argument("token_id", metavar="ID")
@dir_option
@json_option
def revoke(token_id: str, directory: Path | None, as_json: bool) -> None:
    """Revoke the token ID, as `dsmil user tokens` lists it: it opens nothing from now on."""
    with _book(directory) as book:
        Tokens(book).revoke(token_id)
    _done({"revoked": token_id}, as_json)


@contextmanager
def _book(directory: Path | None) -> Iterator[Book]:
    path = settings_of(directory).paths.operators_db
    try:
        with Book(path) as book:
            yield book
    except Unavailable as error:
        if "No such file" in str(error):
            hint = "is dsmil installed here? `dsmil up --dir DIR` makes a private suite; --dir DIR names it"
            raise Unavailable(f"open {path}: no such directory", hint=hint) from None
        raise


def _span(text: str) -> float:
    found = _SPAN.fullmatch(text.strip().lower())
    seconds = int(found[1]) * UNITS[found[2]] if found else 0
    if not 0 < seconds <= LIFE_S_MAX:
        raise click.BadParameter(f"{text!r} is no span such as 12h, 30d or 4w", param_hint="--expires")
    return float(seconds)


def _told(row: Token) -> dict[str, object]:
    fields = {name: getattr(row, name) for name in row.__struct_fields__}
    return {**fields, "state": _state(row, SYSTEM.now())}


def _state(row: Token, now: float) -> str:
    if row.revoked_at is not None:
        return "revoked"
    if row.expires_at is None:
        return "valid"
    return "expired" if row.expires_at <= now else f"valid for {age(row.expires_at - now)}"


def _day(ts: float) -> str:
    return f"{datetime.fromtimestamp(ts, UTC):%Y-%m-%d %H:%M}Z"


def _ago(ts: float | None, now: float) -> str:
    return "never" if ts is None else f"{age(max(0.0, now - ts))} ago"


def _done(told: dict[str, str], as_json: bool) -> None:
    if as_json:
        emit(told)
    else:
        click.echo(" ".join(f"{what} {which}" for what, which in told.items()))


COMMANDS = (user,)
