"""The documented `RedisStreamsClient` and `create_event`: what users of the earlier design already call.

They answer None, False or nothing instead of raising, because documented callers rely on it; `last_error` says
what went wrong. dsmil itself uses the raising verbs beneath.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import redis

from dsmil.clock import SYSTEM
from dsmil.config import load
from dsmil.errors import DsmilError, Unavailable
from dsmil.events import ids
from dsmil.events.enums import DOCUMENTED_STREAMS, Category, Compartment, Severity, StreamName
from dsmil.events.envelope import FIELD, Event, RawRecord, decode, encode, pack
from dsmil.fabric.address import Address
from dsmil.fabric.client import connect, ensure_topology, translated
from dsmil.fabric.topology import CREATED_BY_PROJECTOR

T = TypeVar("T")
READ_MAX = 1_000
"""Entries one documented read may give."""


def create_event(
    source_device: int,
    source_layer: int,
    category: Category | str,
    severity: Severity | str,
    payload: Mapping[str, Any],
    **more: Any,
) -> Event:
    """An event of now, with a fresh id. `more` sets other fields of the envelope (kind, source, compartment...).

    ValueError where a value is none of its vocabulary.
    """
    now = SYSTEM.now()
    fields: dict[str, Any] = {
        "event_id": ids.act(now),
        "ts": now,
        "ingest_ts": now,
        "source": f"device:{source_device}",
        "kind": "user.event",
        **more,
    }
    return Event(
        source_device=source_device,
        source_layer=source_layer,
        category=Category(category),
        severity=Severity.parse(severity),
        payload=pack(dict(payload)),
        **fields,
    )


class RedisStreamsClient:
    """Reads and writes the streams. Without arguments: the configured Redis (REDIS_URL, REDIS_HOST, REDIS_PORT,
    REDIS_DB, dsmil.toml)."""

    def __init__(
        self, host: str | None = None, port: int | None = None, db: int | None = None, *, url: str | None = None
    ) -> None:
        self._given = (host, port, db, url)
        self._redis: redis.Redis | None = None
        self.last_error = ""

    def connect(self) -> bool:
        """Reach Redis; true where it answers."""

        def reach() -> bool:
            self._redis = connect(self._address(), "client")
            return bool(self._redis.ping())

        return self._tried("connect", reach, otherwise=False)

    def disconnect(self) -> None:
        """Close the connection."""
        if self._redis is not None:
            self._redis.close()
            self._redis = None

    def initialize_streams(self) -> dict[str, bool]:
        """Make the streams and groups, any number of times; the thirteen documented streams, true where it
        stands."""
        nothing: dict[StreamName, bool] = {}
        made = self._tried("initialize streams", lambda: ensure_topology(self._client()), otherwise=nothing)
        return {stream.value: made.get(stream, False) for stream in DOCUMENTED_STREAMS}

    def publish(self, stream: StreamName | str, event: Event | Mapping[str, Any]) -> str | None:
        """Add an event, or a dict of its fields; the id of its entry."""

        def add() -> str:
            fields: Any = {FIELD: encode(_event(event))}
            if stream not in CREATED_BY_PROJECTOR:
                return cast(bytes, self._client().xadd(_name(stream), fields)).decode()
            # An id by the clock would make every later one of that stream impossible.
            added = self._client().xadd(_name(stream), fields, id="0-*", nomkstream=True)
            if added is None:
                raise Unavailable(f"publish to {stream}: the projector has not made it yet")
            return cast(bytes, added).decode()

        return self._tried(f"publish to {stream}", add, otherwise=None)

    def read(self, stream: StreamName | str, count: int = 10, last_id: str = "0-0") -> list[Event]:
        """Up to `count` events after `last_id`, oldest first; what is no event is left out."""

        def some() -> list[Event]:
            rows = self._client().xrange(_name(stream), f"({last_id}", "+", count=min(count, READ_MAX))
            return [event for _, event in _events(rows)]

        return self._tried(f"read {stream}", some, otherwise=[])

    def read_group(
        self, stream: StreamName | str, group: str, consumer: str, *, count: int = 10, block_ms: int | None = None
    ) -> list[tuple[str, Event]]:
        """New entries for a consumer of a group, with their ids; acknowledge each with `acknowledge`."""

        def some() -> list[tuple[str, Event]]:
            slice_ms = min(block_ms, 2000) if block_ms else None
            reply = self._client().xreadgroup(
                group, consumer, {_name(stream): ">"}, count=min(count, READ_MAX), block=slice_ms
            )
            return [pair for _, rows in cast(list[Any], reply or []) for pair in _events(rows)]

        return self._tried(f"read {stream} as {group}", some, otherwise=[])

    def acknowledge(self, stream: StreamName | str, group: str, message_id: str) -> bool:
        """Let go of an entry; true where the group held it."""

        def let_go() -> bool:
            return bool(self._client().xack(_name(stream), group, message_id))

        return self._tried(f"acknowledge {message_id}", let_go, otherwise=False)

    def get_stream_info(self, stream: StreamName | str) -> dict[str, Any] | None:
        """Length, groups and first and last id of a stream."""

        def facts() -> dict[str, Any]:
            info = self._client().xinfo_stream(_name(stream))
            ends = (info["first-entry"], info["last-entry"])
            first, last = (end[0].decode() if end else None for end in ends)
            return {"length": info["length"], "groups": info["groups"], "first_id": first, "last_id": last}

        return self._tried(f"look at {stream}", facts, otherwise=None)

    def get_all_streams_info(self) -> dict[str, dict[str, Any]]:
        """`get_stream_info` of each documented stream that exists."""
        found = {stream.value: self.get_stream_info(stream) for stream in DOCUMENTED_STREAMS}
        return {name: facts for name, facts in found.items() if facts is not None}

    def _address(self) -> Address:
        host, port, db, url = self._given
        if url:
            return Address.parse(url)
        if host is not None or port is not None or db is not None:
            return Address(host=host or "localhost", port=port or 6379, db=db or 0)
        return Address.parse(load().settings.redis.address())

    def _client(self) -> redis.Redis:
        if self._redis is None:
            self._redis = connect(self._address(), "client")
        return self._redis

    def _tried(self, doing: str, act: Callable[[], T], *, otherwise: T) -> T:
        """Do `act`; give `otherwise` where it fails, for any reason a caller could cause."""
        try:
            with translated(doing):
                return act()
        except (DsmilError, ValueError, TypeError) as error:
            self.last_error = str(error)
            return otherwise


def _name(stream: StreamName | str) -> str:
    return stream.value if isinstance(stream, StreamName) else stream


def _event(event: Event | Mapping[str, Any]) -> Event:
    if isinstance(event, Event):
        return event
    fields = dict(event)
    if isinstance(fields.get("raw"), Mapping):
        fields["raw"] = RawRecord(**fields["raw"])
    now = SYSTEM.now()
    made = create_event(
        int(fields.pop("source_device", 0)),
        int(fields.pop("source_layer", 0)),
        fields.pop("category", Category.APP),
        fields.pop("severity", Severity.LOW),
        payload=fields.pop("payload", {}),
        compartment=Compartment(fields.pop("compartment", Compartment.GENERAL)),
        ingest_ts=fields.pop("ingest_ts", now),
        refs=tuple(fields.pop("refs", ())),
        **fields,
    )
    return decode(encode(made))  # the strict read tells what does not fit, before anybody else meets it


def _events(rows: Any) -> list[tuple[str, Event]]:
    found = []
    for raw_id, fields in rows:
        try:
            found.append((raw_id.decode(), decode((fields or {}).get(FIELD, b""))))
        except DsmilError:
            continue
    return found
