"""Puts the parts of multi-sentence AIS messages together again, in bounded memory.

Sequence ids run only from 0 to 9, so in a busy feed two half messages may look like one whole. Parts therefore
wait for a number of later sentences, not for seconds: a file replayed at any speed gives the same messages.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from dsmil.sensors.tagblock import Heard

WAIT_MAX = 100
"""Later sentences an unfinished message waits for. In 85,000 sentences of a world feed parts follow each other
within 3; this bounds the open messages too, because every sentence opens one at most."""
DISORDER_MAX = 8
"""Later sentences within which a part may come before its predecessor. A lone later part is kept no longer than a
packet could overtake another, so that it never completes the next message of the same id."""

Key = tuple[bytes, bytes, bytes, bytes, str | None]
"""(talker and VDM or VDO, number of parts, sequence id, channel, TAG block group)."""


class Part(Struct, frozen=True):
    """One sentence of a message and where it stood."""

    number: int
    payload: bytes
    fill_bits: int
    heard: Heard
    text: str
    offset: int
    line: int


class _Open(Struct):
    """A message that still lacks parts; `seen` is the sentence count when its latest part came."""

    total: int
    parts: dict[int, Part]
    seen: int


class Assembler:
    """Keeps unfinished messages. `sentences` is the count of all sentences so far, the caller's clock."""

    def __init__(self) -> None:
        self._open: dict[Key, _Open] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, key: Key, total: int, part: Part, sentences: int) -> tuple[list[Part] | None, list[Part]]:
        """(the parts in order where this one completes a message, the parts it proves to be lost)."""
        lost: list[Part] = []
        waiting = self._open.get(key)
        if waiting is not None and part.number in waiting.parts:
            lost = list(self._open.pop(key).parts.values())  # the same number again: another message has begun
            waiting = None
        if waiting is None:
            waiting = self._open[key] = _Open(total, {}, sentences)
        waiting.parts[part.number] = part
        waiting.seen = sentences
        if len(waiting.parts) < total:
            return None, lost
        del self._open[key]
        return [waiting.parts[number] for number in range(1, total + 1)], lost

    def expire(self, sentences: int) -> Iterator[list[Part]]:
        """Give up the messages that have waited long enough."""
        gone = [
            key
            for key, waiting in self._open.items()
            if sentences - waiting.seen > (WAIT_MAX if _in_order(waiting.parts) else DISORDER_MAX)
        ]
        for key in gone:
            yield list(self._open.pop(key).parts.values())

    def drain(self) -> Iterator[list[Part]]:
        """Give up everything: the source has ended."""
        while self._open:
            yield list(self._open.pop(next(iter(self._open))).parts.values())


def _in_order(parts: dict[int, Part]) -> bool:
    """Whether the parts so far are 1, 2, ... without a gap."""
    return all(number in parts for number in range(1, len(parts) + 1))
