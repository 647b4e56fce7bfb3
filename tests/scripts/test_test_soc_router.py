"""The documented test script prints its documented blocks and exits 0 with nothing but a Redis server installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "test_soc_router.py"
BLOCKS = """
DSMIL SOC Router Infrastructure Tests
Connected to Redis
Initialized 13/13 streams
Published test event
Connected to hot-path DB
Schema initialized
SHRINK not available (optional)
Device ID: 52
Token Base: 0x809C
SOC Router instantiation passed
redis: ✅ PASSED
hotpath_db: ✅ PASSED
shrink: ✅ PASSED
soc_router: ✅ PASSED
Total: 4/4 tests passed
""".strip().splitlines()


def run(tmp_path: Path, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("DSMIL_", "REDIS_", "SHRINK_"))}
    places = {"DSMIL_ETC": str(tmp_path), "DSMIL_PATHS_HOT": str(tmp_path), "SHRINK_URL": "http://127.0.0.1:9"}
    return subprocess.run(
        [sys.executable, str(SCRIPT), *options],
        env={**clean, **places, **environ},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def expect(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    assert [block for block in BLOCKS if block not in done.stdout] == []


@pytest.mark.live
def test_row_15_four_of_four_with_the_redis_given(tmp_path: Path, redis_socket: str) -> None:
    done = run(tmp_path, "--verbose", REDIS_URL=f"unix://{redis_socket}")
    expect(done)
    assert "private" not in done.stdout and "L3_OUT: 0 entries" in done.stdout


@pytest.mark.live
def test_row_15_four_of_four_on_a_clean_machine(tmp_path: Path) -> None:
    done = run(tmp_path, REDIS_HOST="127.0.0.1", REDIS_PORT="9")
    expect(done)
    assert "started a private one" in done.stdout


def test_without_any_redis_it_fails_with_1(tmp_path: Path) -> None:
    done = run(tmp_path, REDIS_HOST="127.0.0.1", REDIS_PORT="9", PATH=str(tmp_path))
    assert done.returncode == 1 and "redis: ❌ FAILED" in done.stdout and "Total: 3/4 tests passed" in done.stdout
