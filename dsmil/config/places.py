"""Where things are: directories, the log, and the Redis server.

A private suite (`dsmil up --dir DIR`, `demo`, tests) differs from the installed one in these three sections only.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote, unquote, urlsplit

from msgspec import Meta, Struct

from dsmil.errors import ConfigError

_QUERY_SECRET = re.compile(r"([?&][^=&#\s]*(?:password|secret|token|api_key)=)[^&#\s]*", re.IGNORECASE)

BLOCK_S_MAX = 2.0
"""Longest single wait for Redis. A longer `block_ms` is honoured in slices of this, so that a stop signal,
the watchdog and a clock jump are never more than two seconds away (reliability 1)."""


class Paths(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[paths]`: the three roots everything else lies under."""

    data: Path = Path("/var/lib/dsmil")
    """Durable stores: audit/, checkpoints/, drop/, graph/, ingest/ and operators/."""
    run: Path = Path("/run/dsmil")
    """Lock files and sockets; empty after a reboot."""
    hot: Path = Path("/mnt/dsmil-ram")
    """The tmpfs that holds hotpath.db."""

    @property
    def audit(self) -> Path:
        """Directory of the audit segments."""
        return self.data / "audit"

    @property
    def drop(self) -> Path:
        """Parent of the drop folders ais, nmap, ndpi and rf."""
        return self.data / "drop"

    @property
    def ingest_db(self) -> Path:
        """The ledger of ingested files."""
        return self.data / "ingest" / "ingest.db"

    @property
    def graph_db(self) -> Path:
        """The projector's snapshots, nodes and edges."""
        return self.data / "graph" / "graph.db"

    @property
    def operators_db(self) -> Path:
        """Accounts, teams and tokens."""
        return self.data / "operators" / "operators.db"

    @property
    def hot_db(self) -> Path:
        """The hot database."""
        return self.hot / "hotpath.db"

    def checkpoint(self, daemon: str) -> Path:
        """Where a daemon keeps its checkpoint."""
        return self.data / "checkpoints" / f"{daemon}.ckpt"

    def lock(self, daemon: str, number: int = 0) -> Path:
        """The lock file of consumer `<daemon>-<number>`."""
        return self.run / f"{daemon}-{number}.lock"


class Log(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[log]`: what daemons say, and where."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe line that is written."""
    format: Literal["auto", "json", "human", "journal"] = "auto"
    """auto is the journal's fields under systemd, human on a terminal, JSON lines elsewhere (files, pipes)."""
    file: Annotated[str, Meta(max_length=4096)] = ""
    """A file to which all daemons append JSON lines besides, for log watchers, e.g. /var/log/dsmil/dsmil.log, which
    logrotate rotates. Empty: none."""

    def __post_init__(self) -> None:
        if self.file and (not self.file.startswith("/") or "\0" in self.file):
            raise ValueError(f"file {self.file!r}: not an absolute path")


class Redis(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[redis]`: the server of the streams. `url` wins over `socket`, which wins over `host` and `port`."""

    url: Annotated[str, Meta(max_length=4096)] = ""
    """Whole address: unix:///run/redis.sock?db=0 or redis://user@host:6379/0. Empty: the keys below."""
    socket: Annotated[str, Meta(max_length=107)] = ""
    """Unix socket path, at most 107 bytes (the kernel's limit). Empty: host and port."""
    host: Annotated[str, Meta(min_length=1, max_length=255)] = "localhost"
    """Host name or address."""
    port: Annotated[int, Meta(ge=1, le=65535)] = 6379
    """TCP port."""
    db: Annotated[int, Meta(ge=0, le=15)] = 0
    """Database number."""
    username: Annotated[str, Meta(max_length=128)] = ""
    """ACL user; empty is the server's default user."""
    password_file: Annotated[str, Meta(max_length=4096)] = ""
    """File holding the password. The systemd credential redis-password is used where this is empty."""
    block_ms: Annotated[int, Meta(ge=1, le=600_000)] = 2000
    """Longest wait for new entries in ms; more than 2000 is waited in slices of 2000."""
    connect_timeout_s: Annotated[float, Meta(ge=0.1, le=60)] = 2.0
    """Seconds until a connection attempt is given up."""
    socket_timeout_s: Annotated[float, Meta(ge=3, le=60)] = 10.0
    """Seconds without a reply after which a connection is given up; always more than one wait slice."""

    def __post_init__(self) -> None:
        if self.url and not self.url.startswith(("unix://", "redis://")):
            raise ValueError("not understood: use unix:///path/redis.sock or redis://host:6379/0")

    @property
    def block_s(self) -> float:
        """One wait slice in seconds, at most `BLOCK_S_MAX`."""
        return min(self.block_ms / 1000, BLOCK_S_MAX)

    def password(self) -> str | None:
        """The password out of `password_file`, or None; ConfigError where it cannot be read."""
        if not self.password_file:
            return None
        try:
            return Path(self.password_file).read_text("utf-8").strip()
        except PermissionError as error:
            raise ConfigError(
                f"read redis.password_file {self.password_file}: {error.strerror}",
                hint="join group dsmil (sudo usermod -aG dsmil USER, then log in again), or run as root",
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"read redis.password_file {self._shown_file()}: {getattr(error, 'strerror', error)}",
                hint="let the daemon's user read it, or clear the key",
            ) from None

    def _shown_file(self) -> str:
        """A password written where its file belongs is not repeated."""
        return self.password_file if self.password_file.startswith("/") else "***"

    def address(self) -> str:
        """The address as one URL, password included: never log it, log `shown()`."""
        user, word = quote(self.username, safe=""), self.password()
        if self.url:
            bare = "@" not in self.url and (user or word) and self.url.startswith(("redis://", "rediss://"))
            return self.url.replace("://", f"://{_userinfo(user, word)}", 1) if bare else self.url
        if self.socket:
            return f"unix://{_userinfo(user, word)}{self.socket}?db={self.db}"
        return f"redis://{_userinfo(user, word)}{self.host}:{self.port}/{self.db}"

    def secrets(self) -> tuple[str, ...]:
        """What no log may show: the password, as it is and as a URL spells it."""
        found = [self.password() or ""]
        with suppress(ValueError):
            found.append(urlsplit(self.url).password or "")
        return tuple({form for word in found if word for form in (word, quote(word, safe=""), unquote(word))})

    def shown(self) -> str:
        """The address without secrets, for people and logs."""
        if self.url:
            return redact(self.url)
        return (
            f"unix://{self.socket}?db={self.db}" if self.socket else f"redis://{self.host}:{self.port}/{self.db}"
        )


def redact(url: str) -> str:
    """`url` with any password before the `@`, or in the query, replaced by `***`."""
    url = _QUERY_SECRET.sub(r"\1***", url)
    scheme, found, rest = url.partition("://")
    info, at, place = rest.rpartition("@")
    if not (found and at and ":" in info):
        return url
    return f"{scheme}://{info.partition(':')[0]}:***@{place}"


def _userinfo(user: str, word: str | None) -> str:
    if word is not None:
        return f"{user}:{quote(word, safe='')}@"
    return f"{user}@" if user else ""
