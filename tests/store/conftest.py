"""A file system of a given, small size."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

DETACH = 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Callable[[int], AbstractContextManager[Path]]:
    """Mounts a tmpfs of so many bytes, over any that is mounted already; skips loudly where that is not allowed."""

    @contextmanager
    def mounted(size: int) -> Iterator[Path]:
        place = tmp_path / "disk"
        place.mkdir(exist_ok=True)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"tmpfs", os.fsencode(place), b"tmpfs", 0, f"size={size}".encode()) != 0:
            pytest.skip(f"mount a tmpfs: {os.strerror(ctypes.get_errno())}")
        try:
            yield place
        finally:
            libc.umount2(os.fsencode(place), DETACH)

    return mounted
