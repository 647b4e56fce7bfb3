"""Which suite a command speaks to: the configured one, or a private one by `--dir`.

A private suite is its directory: the same settings the daemons in it were started with are rebuilt from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dsmil import config
from dsmil.config import Settings
from dsmil.errors import DsmilError, Unavailable

if TYPE_CHECKING:
    from redis import Redis

F = TypeVar("F", bound=Callable[..., Any])


def dir_option(command: F) -> F:
    """`--dir DIR`, as parameter `directory`: a suite started by `dsmil up --dir DIR`."""
    return click.option(
        "--dir",
        "directory",
        type=click.Path(path_type=Path, file_okay=False),
        help="The private suite in DIR instead of the configured one.",
    )(command)


def settings_of(directory: Path | None) -> Settings:
    """The settings of the suite in `directory`, or the configured ones."""
    if directory is None:
        return config.load().settings
    if not directory.is_dir():
        raise DsmilError(f"open suite {directory}: no such directory", hint=f"dsmil up --dir {directory}")
    return config.load(environ=config.private_environment(directory)).settings


@contextmanager
def redis_of(settings: Settings) -> Iterator[Redis]:
    """A Redis client of that suite; whatever goes wrong with it becomes `Unavailable` with the mend."""
    import redis

    from dsmil.fabric.client import connect

    try:
        with connect(settings.redis, "cli") as client:
            yield client
    except (redis.RedisError, OSError) as error:
        raise Unavailable(
            f"reach Redis at {settings.redis.shown()}: {error}",
            hint="is it running? `dsmil up` starts a private one; REDIS_URL or --dir says which",
        ) from None
