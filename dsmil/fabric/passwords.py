"""The passwords of Redis's users: one file each, made once, for root alone to read.

systemd hands each daemon its own as a credential; no other process can read it, and no environment holds it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from dsmil.errors import ConfigError

BYTES = 32
CHARS_MIN = 16
"""A password somebody chose himself must be at least this long: whoever has the socket may guess all day."""


def make(folder: Path, users: Iterable[str]) -> list[str]:
    """Make the files that are missing, readable by their owner alone; says for which users. One that is there is
    never touched, so it may be run again after anything."""
    return [user for user in users if _make(folder / user)]


def read(folder: Path, users: Iterable[str]) -> dict[str, str]:
    """The password of each user; ConfigError where one is missing or too short."""
    return {user: _read(folder / user) for user in users}


def _make(path: Path) -> bool:
    """Written beside and linked into place: the name is either absent or whole, and linking never overwrites."""
    if os.path.lexists(path):
        return False
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o400)
        try:
            os.write(handle, f"{secrets.token_urlsafe(BYTES)}\n".encode())
            os.fsync(handle)
        finally:
            os.close(handle)
        os.link(beside, path)
    except FileExistsError:  # another run was faster
        return False
    except OSError as error:
        raise ConfigError(
            f"make password {path}: {error.strerror}", hint=f"install -d -m 0750 {path.parent}, and run as root"
        ) from None
    finally:
        with suppress(OSError):
            beside.unlink()
    return True


def _read(path: Path) -> str:
    try:
        word = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not text"
        hint = "--make makes missing ones" if isinstance(error, FileNotFoundError) else "run as root"
        raise ConfigError(f"read password {path}: {why}", hint=hint) from None
    if len(word) < CHARS_MIN or not word.isprintable():
        raise ConfigError(
            f"read password {path}: not one line of {CHARS_MIN} characters or more",
            hint="remove the file and run again with --make",
        )
    return word
