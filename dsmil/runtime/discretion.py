"""Keeps secrets out of everything a daemon says: logs, status line, heartbeat.

Our own texts name no secret; but an error of somebody else's may quote what it was given, password and all
(`ERR unknown command 'AUTH', with args beginning with: ...`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from dsmil.config.places import redact

HIDDEN = "***"
CHARS_MIN = 4
"""A shorter word stands in too many others; nobody who sets such a password has a secret."""

_URL = re.compile(r"[^\s'\"]+://[^\s'\"]+")


class _Hidden:
    words: tuple[str, ...] = ()


def hide(words: Iterable[str]) -> None:
    """From now on none of `words` is shown; replaces those of an earlier call."""
    # Longest first: a word may be part of another.
    _Hidden.words = tuple(sorted({word for word in words if len(word) >= CHARS_MIN}, key=len, reverse=True))


def discreet(text: str) -> str:
    """`text` without hidden words and without passwords in URLs."""
    for word in _Hidden.words:
        text = text.replace(word, HIDDEN)
    return _URL.sub(lambda found: redact(found[0]), text) if "://" in text else text
