"""What a reply of Redis means to whoever asked: an answer, wait, or no.

An error reply is a value until somebody settles it, so one refused command of a pipeline hides no other's answer.
"""

from __future__ import annotations

from dsmil.errors import ConfigError, DsmilError, Unavailable

AWAY = frozenset(
    {"LOADING", "MISCONF", "OOM", "BUSY", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "NOREPLICAS", "TRYAGAIN"}
)
"""Answers that mean: not now. Nothing was carried out."""
OOM = "OOM"
"""Redis takes nothing new; reading and acknowledging still work."""
_REFUSED = frozenset({"WRONGPASS", "NOAUTH", "NOPERM"})


class WireError(DsmilError):
    """Redis answered with an error. `code` is its first word, for example NOGROUP."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.code = message.partition(" ")[0]

    @property
    def away(self) -> bool:
        """Whether it means: wait and try again."""
        return self.code in AWAY


def checked(reply: object) -> object:
    """The reply, unless it is an error: Unavailable where it means wait, ConfigError where it means no."""
    if not isinstance(reply, WireError):
        return reply
    if reply.away:
        raise Unavailable(f"use Redis: {reply}")
    if reply.code in _REFUSED:
        raise ConfigError(f"use Redis: {reply}", hint="check the user's rights in the ACL file")
    raise reply


def outcome(replies: list[object]) -> list[object]:
    """What EXEC answered, given every reply from MULTI on.

    Where a command was refused while queued, nothing was carried out and that refusal is raised.
    """
    last = replies[-1]
    if isinstance(last, list):
        return last
    for reply in replies:
        checked(reply)
    raise WireError("EXECABORT the transaction was not carried out")
