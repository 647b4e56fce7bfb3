"""redis-py for everything off the hot path, with every default that bites set on purpose.

Its own retries would add an entry twice when a reply is lost, and RESP3 changes the shape of replies, so both are
off. Whoever must retry does it himself, with the same event id.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from dsmil.config.places import Redis as RedisSettings
from dsmil.config.places import redact
from dsmil.errors import ConfigError, Unavailable
from dsmil.events.enums import StreamName
from dsmil.fabric.address import Address
from dsmil.fabric.feed import epoch_key, fresh_epoch
from dsmil.fabric.topology import CREATED_BY_PROJECTOR, USER_GROUP, USER_GROUP_STREAMS, groups_of

TIMEOUT_S = 10.0
"""Without a reply for so long a connection is given up: even a clock that jumps back cannot hang us."""
CONNECT_S = 2.0
HEALTH_S = 15
"""A connection idle for longer is tried before it is used."""


def address_of(where: Address | str | RedisSettings) -> Address:
    """The address in settings, in a URL, or as it is; ConfigError where it cannot be read."""
    if isinstance(where, RedisSettings):
        written = where.address()  # what is wrong with the password file, it says itself
        try:
            return Address.parse(written)
        except ConfigError as error:
            raise ConfigError(f"read [redis] {redact(where.shown())}: not understood", hint=error.hint) from None
    return Address.parse(where) if isinstance(where, str) else where


def connect(where: Address | str | RedisSettings, name: str, *, timeout_s: float = TIMEOUT_S) -> redis.Redis:
    """A client named `dsmil-<name>`; it connects when first used. Replies are bytes, each waited for at most
    `timeout_s`."""
    address = address_of(where)
    if address.path:
        place: dict[str, Any] = {"unix_socket_path": address.path}
    else:
        place = {"host": address.host, "port": address.port}
    return redis.Redis(
        **place,
        db=address.db,
        username=address.username or None,
        password=address.password or None,
        socket_timeout=timeout_s,
        socket_connect_timeout=CONNECT_S,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=HEALTH_S,
        client_name=f"dsmil-{name}",
        protocol=2,
        decode_responses=False,
    )


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turns what redis-py raises into our errors: ConfigError for refused rights, else Unavailable."""
    try:
        yield
    except (redis.AuthenticationError, redis.exceptions.NoPermissionError) as error:
        raise ConfigError(f"{doing}: {error}", hint="check [redis] in dsmil.toml and the ACL file") from None
    except (redis.RedisError, OSError) as error:
        raise Unavailable(f"{doing}: {error or type(error).__name__}") from None


def ensure_topology(client: redis.Redis) -> dict[StreamName, bool]:
    """Make every stream with its identity, the groups of shipped daemons from id 0 and the group for users.

    Any number of times. Says which streams exist now: those only the projector may create may be missing.
    Unavailable where Redis is away.
    """
    made: dict[StreamName, bool] = {}
    with translated("make streams and groups"):
        for stream in StreamName:
            if stream in CREATED_BY_PROJECTOR and not client.exists(stream.value):
                made[stream] = False
                continue
            client.set(epoch_key(stream), fresh_epoch(), nx=True)
            users = (USER_GROUP,) if stream in USER_GROUP_STREAMS else ()
            for group in (*groups_of(stream), *users):
                _make_group(client, stream, group)
            made[stream] = True
    return made


def _make_group(client: redis.Redis, stream: StreamName, group: str) -> None:
    try:
        client.xgroup_create(stream.value, group, id="0", mkstream=True)
    except redis.ResponseError as error:
        if not str(error).startswith("BUSYGROUP"):
            raise
