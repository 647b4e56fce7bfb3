"""Where a Redis is, out of the URL that people and the configuration write.

A password inside it never reaches a log: `str()` names the place only.
"""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

from msgspec import Struct

from dsmil.errors import ConfigError


class Address(Struct, frozen=True):
    """Where a Redis is: a unix socket `path`, else `host` and `port`."""

    path: str = ""
    host: str = "localhost"
    port: int = 6379
    db: int = 0
    username: str = ""
    password: str = ""

    @staticmethod
    def parse(url: str) -> Address:
        """Read `unix://[user:pw@]/path?db=0` or `redis://[user:pw@]host:port/db`; ConfigError otherwise."""
        try:
            parts = urlsplit(url)
            user, word = unquote(parts.username or ""), unquote(parts.password or "")
            if parts.scheme == "unix" and parts.path:
                db = int(parse_qs(parts.query).get("db", ["0"])[0])
                return Address(path=unquote(parts.path), db=db, username=user, password=word)
            if parts.scheme == "redis":
                db = int(parts.path.strip("/") or 0)
                host, port = parts.hostname or "localhost", parts.port or 6379
                return Address(host=host, port=port, db=db, username=user, password=word)
        except ValueError:
            pass
        raise ConfigError(
            "read Redis address: not understood", hint="use unix:///path/redis.sock or redis://host:6379/0"
        )

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"
