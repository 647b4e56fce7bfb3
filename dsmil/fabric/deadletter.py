"""Entries that can never be handled: buried with their reason, listed, tried again or dropped by people.

A dead letter is an event like any other (kind `dead_letter` on DEAD_LETTER), so it is audited too. Entries are
never deleted from a stream; what a person has settled is remembered in a hash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec import Struct

from dsmil.errors import DsmilError
from dsmil.events import ids
from dsmil.events.enums import Category, Severity, StreamName
from dsmil.events.envelope import FIELD, Event, RawRecord, cut_text, decode, encode, pack, unpack
from dsmil.fabric.entry import ZERO, id_key
from dsmil.fabric.topology import BY_NAME

if TYPE_CHECKING:
    import redis

KIND = "dead_letter"
SETTLED_KEY = "dsmil:dlq:settled"
"""Hash: id of a dead letter -> `retried` or `dropped`."""
ERROR_BYTES_MAX = 512
REJECTS_PER_MINUTE = 100
"""Rejects per source and minute that become dead letters; all are counted, these can be looked at."""
PAGE = 500


class DeadLetter(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Payload of kind `dead_letter`: which entry, who gave it up, why, and what it held (`text`, at most 2 KiB
    of `size_bytes`). A sensor's reject has no stream, id and group, but a `reason`."""

    stream: str = ""
    id: str = ""
    group: str = ""
    deliveries: int = 0
    failures: int = 0
    reason: str = ""
    error: str = ""
    text: str = ""
    size_bytes: int = 0


def dead_letter_event(letter: DeadLetter, *, now: float) -> Event:
    """The event that buries an entry. Burying the same entry of the same group again gives the same id."""
    daemon = BY_NAME.get(letter.group)
    return Event(
        event_id=ids.digest(KIND, letter.stream, letter.id, letter.group),
        ts=now,
        ingest_ts=now,
        source_device=daemon.device if daemon else 0,
        source_layer=daemon.layer if daemon else 0,
        source=f"dead:{letter.group}",
        category=Category.SYSTEM,
        severity=Severity.MEDIUM,
        kind=KIND,
        payload=pack(letter),
    )


def with_data(letter: DeadLetter, data: bytes) -> DeadLetter:
    """A letter with what its entry held, both bounded."""
    return msgspec.structs.replace(
        letter,
        error=cut_text(letter.error, ERROR_BYTES_MAX),
        text=cut_text(data.decode("utf-8", "replace")),
        size_bytes=len(data),
    )


def reject_event(  # noqa: PLR0913 - all keywords
    *, event_id: str, source: str, source_device: int, reason: str, detail: str, raw: RawRecord, now: float
) -> Event:
    """The dead letter of a record that a sensor refused; `raw` says where it stood."""
    letter = DeadLetter(reason=reason, error=cut_text(detail, ERROR_BYTES_MAX), text=raw.text or "")
    return Event(
        event_id=event_id,
        ts=now,
        ingest_ts=now,
        source_device=source_device,
        source_layer=0,
        source=source,
        category=Category.SYSTEM,
        kind=KIND,
        raw=RawRecord(path=raw.path, peer=raw.peer, offset=raw.offset, line=raw.line),
        payload=pack(letter),
    )


class RejectQuota:
    """Lets the first 100 rejects of each source and minute through."""

    def __init__(self, per_minute: int = REJECTS_PER_MINUTE) -> None:
        self._per_minute = per_minute
        self._minute = -1
        self._seen: dict[str, int] = {}

    def allows(self, source: str, now: float) -> bool:
        """Whether one more reject of `source` at `now` (Unix seconds) becomes a dead letter."""
        if (minute := int(now // 60)) != self._minute:
            self._minute, self._seen = minute, {}
        self._seen[source] = self._seen.get(source, 0) + 1
        return self._seen[source] <= self._per_minute


class Letters:
    """The dead letters, for people: `list_`, `show`, `retry`, `drop`."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def list_(self, limit: int = 100, *, settled: bool = False) -> list[tuple[str, DeadLetter]]:
        """The newest dead letters with their ids, newest first; settled ones only on request."""
        done = {} if settled else cast(dict[bytes, bytes], self._redis.hgetall(SETTLED_KEY))
        found: list[tuple[str, DeadLetter]] = []
        end = "+"
        while len(found) < limit:
            rows = cast(list[Any], self._redis.xrevrange(StreamName.DEAD_LETTER.value, end, "-", count=PAGE))
            for raw_id, fields in rows:
                if raw_id not in done and (letter := _read(fields)) is not None:
                    found.append((raw_id.decode(), letter))
            if len(rows) < PAGE:
                break
            end = f"({rows[-1][0].decode()}"
        return found[:limit]

    def show(self, letter_id: str) -> tuple[Event, DeadLetter]:
        """One dead letter with its envelope; DsmilError where there is none."""
        rows = cast(list[Any], self._redis.xrange(StreamName.DEAD_LETTER.value, letter_id, letter_id))
        if not rows:
            raise DsmilError(f"show dead letter {letter_id}: no such id", hint="see `dsmil dlq list`")
        event = decode(rows[0][1].get(FIELD, b""))
        return event, unpack(event, DeadLetter)

    def retry(self, letter_id: str) -> str:
        """Add the buried entry to its stream again; gives its new id. DsmilError where it cannot be had."""
        letter = self.show(letter_id)[1]
        if not letter.stream:
            raise DsmilError(
                f"retry dead letter {letter_id}: it is a sensor's reject", hint="ingest its file again"
            )
        data = self._original(letter)
        if data is None:
            raise DsmilError(
                f"retry dead letter {letter_id}: its entry was trimmed", hint="ingest its source again"
            )
        with self._redis.pipeline(transaction=True) as move:
            move.xadd(letter.stream, {FIELD: data})
            move.hset(SETTLED_KEY, letter_id, "retried")
            new_id = move.execute()[0]
        self._forget()
        return cast(bytes, new_id).decode()

    def drop(self, letter_id: str) -> None:
        """Settle a dead letter: it is not listed any more (the audit keeps it)."""
        self.show(letter_id)
        self._redis.hset(SETTLED_KEY, letter_id, "dropped")
        self._forget()

    def _original(self, letter: DeadLetter) -> bytes | None:
        rows = cast(list[Any], self._redis.xrange(letter.stream, letter.id, letter.id))
        if rows:
            return cast(bytes | None, rows[0][1].get(FIELD))
        text = letter.text.encode()
        return text if len(text) == letter.size_bytes else None

    def _forget(self) -> None:
        """Drop what was remembered of letters that have been trimmed since."""
        rows = cast(list[Any], self._redis.xrange(StreamName.DEAD_LETTER.value, count=1))
        first = id_key(rows[0][0].decode() if rows else ZERO)
        old = [
            field for field in cast(list[bytes], self._redis.hkeys(SETTLED_KEY)) if id_key(field.decode()) < first
        ]
        if old:
            self._redis.hdel(SETTLED_KEY, *old)


def encode_letter(letter: DeadLetter, *, now: float) -> bytes:
    """A dead letter as the JSON of its event."""
    return encode(dead_letter_event(letter, now=now))


def _read(fields: dict[bytes, bytes]) -> DeadLetter | None:
    try:
        return unpack(decode(fields.get(FIELD, b"")), DeadLetter)
    except (DsmilError, msgspec.MsgspecError):
        return None
