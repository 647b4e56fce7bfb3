"""Suppression rules: hold back what is known and accepted, until a date, for a stated reason.

A rule file is TOML, `[[suppress]]` tables of `where` (a predicate of the query language over the decision's
event), `until` (ISO 8601, UTC where no offset is given) and `reason`. A suppressed decision makes no SOC event,
but it is counted and reported. Whether a rule has expired goes by the event's `ingest_ts`, so that a replay of
the same entries decides the same.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta, Struct

from dsmil.errors import ConfigError, QueryError
from dsmil.events.envelope import Event

if TYPE_CHECKING:
    from dsmil.query.predicate import Predicate

RULES_MAX = 256
"""Rules in all files: each is asked for every decision, about 2 us apiece."""
FILE_BYTES_MAX = 1 << 20
"""A rule file larger than 1 MiB is some other file."""


class _Entry(Struct, frozen=True, forbid_unknown_fields=True):
    where: Annotated[str, Meta(min_length=1, max_length=4096)]
    until: str
    reason: Annotated[str, Meta(min_length=1, max_length=256)]


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    suppress: tuple[_Entry, ...] = ()


class Rule(Struct, frozen=True):
    """One rule; `until` is Unix seconds, from which on it no longer holds."""

    predicate: Predicate
    until: float
    reason: str
    path: str


class Suppression:
    """Asks the rules; without any it costs nothing."""

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self.rules = tuple(rules)
        self.held: dict[str, int] = {}

    def match(self, event: Event) -> str | None:
        """The reason for which a decision's event is held back, or None."""
        at = event.ingest_ts
        if not any(at < rule.until for rule in self.rules):
            return None
        item = _mapping(event)
        for rule in self.rules:
            if at < rule.until and rule.predicate.matches(item):
                self.held[rule.reason] = self.held.get(rule.reason, 0) + 1
                return rule.reason
        return None


def load(directory: Path) -> Suppression:
    """The rules of all `*.toml` files of a directory, by name; an absent one holds none. Raises ConfigError."""
    try:
        paths = sorted(path for path in directory.iterdir() if path.suffix == ".toml")
    except FileNotFoundError:
        return Suppression()
    except OSError as error:
        raise ConfigError(f"list {directory}: {error.strerror}", hint="let the daemon's user read it") from None
    rules = [rule for path in paths for rule in _read(path)]
    if len(rules) > RULES_MAX:
        raise ConfigError(f"read {directory}: {len(rules)} rules exceed {RULES_MAX}", hint="join some with OR")
    return Suppression(rules)


def _read(path: Path) -> list[Rule]:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise ConfigError(f"read {path}: larger than {FILE_BYTES_MAX} bytes", hint="split the file")
        table = msgspec.convert(_texts(tomllib.loads(data.decode("utf-8"))), _File)
    except OSError as error:
        raise ConfigError(f"read {path}: {error.strerror}", hint="let the daemon's user read it") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(
            f"read {path}: {error}", hint="a rule is [[suppress]] with where, until and reason"
        ) from None
    return [_rule(entry, path, number) for number, entry in enumerate(table.suppress, 1)]


def _rule(entry: _Entry, path: Path, number: int) -> Rule:
    # The query language is loaded with the first rule: most suites have none.
    from dsmil.query.predicate import compile_predicate  # noqa: PLC0415

    try:
        until = datetime.fromisoformat(entry.until)
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        return Rule(compile_predicate(entry.where), until.timestamp(), entry.reason, str(path))
    except QueryError as error:
        raise ConfigError(
            f"read {path}: where of rule {number}: line {error.line}, column {error.column}: {error}"
        ) from None
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"read {path}: rule {number}: {error}", hint='until = "2026-12-31T00:00:00Z"') from None


def _texts(value: Any) -> Any:
    """TOML's own dates as ISO text, so that a rule may write `until` with or without quotes."""
    if isinstance(value, dict):
        return {key: _texts(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_texts(item) for item in value]
    return value.isoformat() if isinstance(value, date | datetime) else value


def _mapping(event: Event) -> dict[str, Any]:
    """The event as rules see it: its fields, its payload's, and `entity`, the main one."""
    item = event.to_dict()
    payload = item.get("payload")
    if isinstance(payload, dict):
        entities = payload.get("entities")
        if isinstance(entities, list) and entities:
            payload.setdefault("entity", entities[0])
    return item
