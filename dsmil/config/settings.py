"""All settings: one frozen struct of section structs, each section in the file of its owner.

A section is a table of dsmil.toml; `Settings` alone decides which sections exist.
"""

from __future__ import annotations

from msgspec import Struct, field

from dsmil.config.places import Log, Paths, Redis


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every section, read once at start."""

    paths: Paths = field(default_factory=Paths)
    log: Log = field(default_factory=Log)
    redis: Redis = field(default_factory=Redis)


ALIASES: dict[str, tuple[str, str]] = {
    "REDIS_HOST": ("redis", "host"),
    "REDIS_PORT": ("redis", "port"),
    "REDIS_DB": ("redis", "db"),
    "REDIS_URL": ("redis", "url"),
    "POLL_TIMEOUT": ("redis", "block_ms"),
    "LOG_LEVEL": ("log", "level"),
}
"""The documented variables of the original design, and the keys they set (surface)."""
