"""What a parser makes of bytes: an observation, a reject with its reason, or something that is not ours.

`received = accepted + rejected`: every item says how many input records it settles, so the sums always close.
Parsers are push parsers: `feed` takes whatever bytes came, `close` settles what was left open.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from dsmil.events.enums import Category


class Reason(StrEnum):
    """Why a record was rejected: the closed set."""

    NOT_THIS_FORMAT = "not_this_format"
    CHECKSUM = "checksum"
    BAD_PAYLOAD = "bad_payload"
    INCOMPLETE_MULTIPART = "incomplete_multipart"
    UNSUPPORTED = "unsupported"
    TOO_LONG = "too_long"
    TOO_DEEP = "too_deep"
    TRUNCATED = "truncated"
    ENTITY_REFUSED = "entity_refused"
    INVALID_UTF8 = "invalid_utf8"
    OUT_OF_RANGE = "out_of_range"
    DUPLICATE = "duplicate"
    OVERSIZED = "oversized"
    UNREADABLE = "unreadable"


class Observation(Struct, frozen=True, kw_only=True):
    """One observation. `payload` is a Struct of `dsmil.events`; `ts` Unix seconds or null where the record has
    no time; `offset` is the byte where its (last) record begins, `line` its line from 1, `text` the raw record.
    `records` is how many input records it settles: 2 for a two-part AIS message, 0 for a second page."""

    kind: str
    payload: Struct
    ts: float | None = None
    since_ts: float | None = None
    offset: int = 0
    line: int = 0
    text: str = ""
    records: int = 1
    category: Category = Category.INTEL


class Reject(Struct, frozen=True, kw_only=True):
    """`records` input records that were refused, why, and where they stood."""

    reason: Reason
    detail: str = ""
    offset: int = 0
    line: int = 0
    text: str = ""
    records: int = 1


class Ignored(Struct, frozen=True, kw_only=True):
    """Something well formed that is not ours: a comment, another sentence, an event type we do not read."""

    records: int = 1


Item = Observation | Reject | Ignored


class Parser(Protocol):
    """Bytes in, items out. One parser serves one source from its beginning to its end."""

    def feed(self, data: bytes) -> Iterator[Item]:
        """Take more bytes (any cut) and give what they complete."""

    def close(self) -> Iterator[Item]:
        """The source has ended: settle what is still open."""


class Tally:
    """Counts items: `received == accepted + sum(rejected.values())` at every moment."""

    def __init__(self) -> None:
        self.accepted = 0
        self.ignored = 0
        self.events = 0
        self.rejected: dict[str, int] = {}

    @property
    def received(self) -> int:
        """Input records settled so far."""
        return self.accepted + sum(self.rejected.values())

    def add(self, item: Item) -> None:
        """Count one item."""
        if isinstance(item, Observation):
            self.accepted += item.records
            self.events += 1
        elif isinstance(item, Reject):
            self.rejected[item.reason.value] = self.rejected.get(item.reason.value, 0) + item.records
        else:
            self.ignored += item.records
