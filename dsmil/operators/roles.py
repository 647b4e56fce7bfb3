"""What somebody may do: four roles, each including those below it."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """In rising order: looks, writes, leads, runs the place."""

    OBSERVER = "observer"
    OPERATOR = "operator"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """0 for the least."""
        return _RANKS[self]

    def covers(self, needed: Role) -> bool:
        """Whether this role may do what `needed` may."""
        return self.rank >= needed.rank


_RANKS = {role: rank for rank, role in enumerate(Role)}
SERVICE = "token:"
"""How the ids of service operators begin: the programs that hold bearer tokens, one operator a role."""


def service_of(role: Role) -> str:
    """The service operator that tokens of a role belong to."""
    return f"{SERVICE}{role}"
