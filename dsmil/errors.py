"""Errors, named for what the catcher does with them.

A foreign error (socket, SQLite, JSON) is translated into one of these where it is met; it is settled -
retried, buried or raised - in one place only. Wording: "verb object: cause", and a hint that mends it.
"""

from __future__ import annotations


class DsmilError(Exception):
    """Any error dsmil raises on purpose; `hint` says how to mend it."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text} ({self.hint})" if self.hint else text


class Unavailable(DsmilError):
    """Something we need is away for now: wait and try again; the attempt is not counted against the event."""


class BadEvent(DsmilError):
    """This entry can never be handled: dead-letter it now."""


class ConfigError(DsmilError):
    """The configuration is wrong: exit 78 and stay down until it is mended."""


class QueryError(DsmilError):
    """A query text is wrong. `line` and `column` count from 1; `expected` lists what would have fitted."""

    def __init__(
        self, message: str, *, line: int = 1, column: int = 1, expected: tuple[str, ...] = (), hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.line = line
        self.column = column
        self.expected = expected


class Corrupt(DsmilError):
    """Stored bytes are not what was written: stop using them and say where."""
