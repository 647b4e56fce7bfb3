"""A consumer name belongs to one process at a time, and the second is told whose it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dsmil.errors import ConfigError
from dsmil.runtime.lock import Lock


def test_the_second_holder_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "run" / "l3-0.lock"
    first = Lock(path, "l3")
    first.open()
    with pytest.raises(ConfigError, match=f"start l3: already running as pid {os.getpid()}"):
        Lock(path, "l3").open()
    first.close()
    first.close()
    second = Lock(path, "l3")
    second.open()
    second.close()


def test_a_place_that_cannot_be_written_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="paths.run"):
        Lock(tmp_path / "file" / "l3.lock", "l3").open()


def test_what_somebody_put_in_its_place_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "l3.lock")
    with pytest.raises(ConfigError, match="no regular file"):
        Lock(tmp_path / "l3.lock", "l3").open()
