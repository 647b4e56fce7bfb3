"""Which files of a directory are recordings, found out by their content, and which are passed over and why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from dsmil.errors import DsmilError
from dsmil.sensors.files import Broken, head_of
from dsmil.sensors.formats import FAMILIES, sniff

PASSED_OVER = frozenset({"expected", "LICENSES"})
"""Directories that hold what is said of recordings, not recordings."""


class Inventory(Struct, frozen=True):
    """Recordings by family, in order of their paths; `skipped` names the rest with the reason."""

    files: dict[str, list[Path]]
    skipped: dict[str, str]


def take(directory: Path) -> Inventory:
    """Look through `directory`, recursively; DsmilError where it is none."""
    if not directory.is_dir():
        raise DsmilError(f"read {directory}: not a directory", hint="name a directory of recordings")
    files: dict[str, list[Path]] = {family: [] for family in FAMILIES}
    skipped: dict[str, str] = {}
    for path in _walk(directory, directory, skipped):
        try:
            found = sniff(head_of(path), path.name)
        except Broken as error:
            skipped[str(path.relative_to(directory))] = error.reason.value
            continue
        if found is None:
            skipped[str(path.relative_to(directory))] = "unknown format"
        else:
            files[found.family].append(path)
    return Inventory(files, skipped)


def _walk(directory: Path, top: Path, skipped: dict[str, str]) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        name = str(path.relative_to(top))
        if path.is_symlink():
            skipped[name] = "symbolic link"
        elif path.is_dir():
            if path.name in PASSED_OVER:
                skipped[name] = "passed over by name"
            else:
                yield from _walk(path, top, skipped)
        elif path.is_file():
            yield path
        else:
            skipped[name] = "not a regular file"
