"""Reads events off the streams for people: the newest ones, or all that come from now on.

Plain XREAD and XREVRANGE, never a group: looking takes nothing from anybody and leaves no trace.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from dsmil.clock import Clock
from dsmil.config.places import Redis as RedisSettings
from dsmil.events.enums import Severity
from dsmil.events.envelope import FIELD, TS_MAX
from dsmil.watch.readings import text

if TYPE_CHECKING:
    from redis import Redis

PAGE = 500
BACK_MAX = 20_000
"""Entries of a stream searched for the newest fitting ones."""
BLOCK_MS = 1000
RETRY_S = 0.5
"""Pause between two attempts to reach Redis again."""


class Row(Struct):
    """One entry: where it stands, and its event as plain values."""

    stream: str
    id: str
    event: dict[str, Any]


def newest(
    client: Redis, streams: Iterable[str], limit: int, *, severities: Collection[str] = tuple(Severity)
) -> list[Row]:
    """The newest `limit` events of all the streams together that are of these severities, in order of id."""
    rows: list[Row] = []
    for stream in streams:
        found = 0
        for row in _backwards(client, stream):
            if row.event.get("severity", Severity.LOW) in severities:
                rows.append(row)
                found += 1
                if found == limit:
                    break
    return sorted(rows, key=_order)[-limit:]


def follow(
    settings: RedisSettings,
    streams: Sequence[str],
    *,
    from_start: bool,
    clock: Clock,
    say: Callable[[str], None],
) -> Iterator[Row]:
    """Every event added from now on, for ever. An outage is told to `say` and waited out."""
    import redis

    from dsmil.fabric.client import connect

    places: dict[str, str] = dict.fromkeys(streams, "0-0") if from_start else {}
    away = False
    while True:
        try:
            with connect(settings, "tap") as client:
                _settle(client, streams, places)
                if away:
                    say("Redis is back")
                    away = False
                while True:
                    yield from _read(client, places)
        except (redis.RedisError, OSError) as error:
            if not away:
                say(f"waiting for Redis at {settings.shown()}: {error}")
            away = True
            clock.sleep(RETRY_S)


def _settle(client: Redis, streams: Sequence[str], places: dict[str, str]) -> None:
    """Give each stream a place to read on from; one that went back behind its place begins anew."""
    for stream in streams:
        last = _last_id(client, stream)
        if stream not in places:
            places[stream] = last
        elif _key(last) < _key(places[stream]):
            places[stream] = "0-0"


def _last_id(client: Redis, stream: str) -> str:
    import redis

    try:
        about: Any = client.xinfo_stream(stream)
    except redis.ResponseError:  # not there yet
        return "0-0"
    return text(about["last-generated-id"])


def _read(client: Redis, places: dict[str, str]) -> list[Row]:
    replies: Any = client.xread(dict(places), count=PAGE, block=BLOCK_MS)  # type: ignore[arg-type]
    rows: list[Row] = []
    for name, entries in replies or []:
        stream = text(name)
        for entry_id, fields in entries:
            places[stream] = text(entry_id)
            if row := _row(stream, entry_id, fields):
                rows.append(row)
    return sorted(rows, key=_order)


def _backwards(client: Redis, stream: str) -> Iterator[Row]:
    end = "+"
    for _ in range(BACK_MAX // PAGE):
        entries: Any = client.xrevrange(stream, max=end, count=PAGE)
        for entry_id, fields in entries:
            if row := _row(stream, entry_id, fields):
                yield row
        if len(entries) < PAGE:
            return
        end = f"({text(entries[-1][0])}"


def _row(stream: str, entry_id: bytes, fields: dict[bytes, bytes] | None) -> Row | None:
    """An entry as a row; None for what is no event of ours (a person may have added anything)."""
    try:
        event = msgspec.json.decode((fields or {}).get(FIELD, b""))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    return Row(stream, text(entry_id), event) if isinstance(event, dict) and _readable(event) else None


def _readable(event: dict[str, Any]) -> bool:
    """Whether what a line shows of it is of the right type; the daemons bury what is not."""
    ts, words = event.get("ts"), (event.get("kind"), event.get("source"), event.get("severity", Severity.LOW))
    return (
        isinstance(ts, int | float)
        and 0 <= ts <= TS_MAX
        and all(isinstance(word, str) for word in words)
        and isinstance(event.get("source_device"), int)
        and isinstance(event.get("payload") or {}, dict)
    )


def _order(row: Row) -> tuple[tuple[int, int], str]:
    return _key(row.id), row.stream


def _key(entry_id: str) -> tuple[int, int]:
    high, _, low = entry_id.partition("-")
    return int(high), int(low or 0)
