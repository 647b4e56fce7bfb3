"""What tests of the living graph share: a suite whose projector is stepped by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.graph.suite import Suite, running


@pytest.fixture
def suite(tmp_path: Path, redis_socket: str) -> Iterator[Suite]:
    yield from running(tmp_path, redis_socket)
