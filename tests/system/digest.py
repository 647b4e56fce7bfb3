"""What a tree holds, entry by entry, so that two moments can be compared: path, kind, mode, owner, size, content."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path

CHATTER = (
    "proc", "sys", "dev", "run", "tmp", "var/tmp", "var/log/journal", "var/log/wtmp", "var/log/btmp",
    "var/log/lastlog", "var/log/faillog", "var/lib/systemd", "etc/.pwd.lock", "etc/.updated", "var/.updated",
    "var/cache/ldconfig", "root/.cache",
)  # fmt: skip
"""What a running system writes by itself."""

State = dict[str, tuple[object, ...]]


def state(root: Path, *, without: Sequence[str] = ()) -> State:
    """Every entry below `root` but those at or below `without` and CHATTER (paths relative to it)."""
    left_out = {*CHATTER, *(path.strip("/") for path in without)}
    found: State = {}
    todo = [root]
    while todo:
        with os.scandir(todo.pop()) as entries:
            for entry in entries:
                name = os.path.relpath(entry.path, root)
                if name in left_out:
                    continue
                try:
                    about = entry.stat(follow_symlinks=False)
                    found[name] = _facts(entry.path, about)
                except FileNotFoundError:
                    continue  # gone while we looked
                if entry.is_dir(follow_symlinks=False):
                    todo.append(Path(entry.path))
    return found


def _facts(path: str, about: os.stat_result) -> tuple[object, ...]:
    known: tuple[object, ...] = (oct(about.st_mode), about.st_uid, about.st_gid)
    if stat.S_ISREG(about.st_mode):
        with open(path, "rb") as file:
            return (*known, about.st_size, hashlib.file_digest(file, "sha256").hexdigest()[:16])
    if stat.S_ISLNK(about.st_mode):
        return (*known, os.readlink(path))
    return known


def changes(before: State, after: State) -> list[str]:
    """What differs, a line an entry: + appeared, - went, ~ changed."""
    names = sorted(before.keys() | after.keys())
    lines = []
    for name in names:
        old, new = before.get(name), after.get(name)
        if old != new:
            sign = "+" if old is None else "-" if new is None else "~"
            lines.append(f"{sign} {name} {old or ''} {new or ''}")
    return lines
