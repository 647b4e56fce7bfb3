#!/usr/bin/env python3
"""Tests the SOC router's surroundings: Redis streams, hot database, SHRINK, and the router itself.

Usage: test_soc_router.py [--verbose]. Exit 0 where all four pass, else 1. Uses the configured Redis (REDIS_URL, or
REDIS_HOST and REDIS_PORT); where none answers and redis-server is installed, a private one is started for the test.
SHRINK is optional: its absence is no failure. Nothing is written where a daemon would take it for a real signal.
"""

# ruff: noqa: E402 - which Python runs, and where dsmil lies, is settled before dsmil is imported
from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
OWN_PYTHON = (PROJECT / ".venv/bin/python", Path("/opt/dsmil/current/bin/python"))

sys.path.insert(0, str(PROJECT))
try:
    import msgspec  # noqa: F401
    import redis  # noqa: F401
except ImportError:  # the system's Python, where dsmil lives in its own environment
    for python in OWN_PYTHON:
        if python.exists() and Path(sys.prefix) != python.parent.parent:
            os.execv(python, [str(python), *sys.argv])  # noqa: S606
    sys.exit("test_soc_router: dsmil's packages are not installed (run it with the Python dsmil is installed in)")

from dsmil import EventCategory, HotPathDB, RedisStreamsClient, Severity, SOCRouter, StreamName, create_event
from dsmil.config import load
from dsmil.errors import DsmilError
from dsmil.fabric.private import PrivateRedis
from dsmil.runtime import logs
from dsmil.soc.facade import SHRINKClient, SOCRouterConfig

LINE = "=" * 50
TEST_STREAM = StreamName.L5_IN
"""No daemon reads it, so a test event raises no alarm; the audit log still keeps it."""


class Checks:
    """The four suites; each says what it found and answers whether it passed."""

    def __init__(self, *, verbose: bool, stack: contextlib.ExitStack) -> None:
        self._verbose = verbose
        self._stack = stack
        self._settings = load().settings
        self._redis_url = self._settings.redis.address()

    def redis(self) -> bool:
        """Reach Redis, make the streams, publish and read back one event."""
        print("\n🔴 Testing Redis Streams...")
        client = RedisStreamsClient()
        if not client.connect():
            self._detail(client.last_error)
            private = self._private_redis()
            if private is None:
                return _failed("No Redis answers, and redis-server is not installed")
            client = RedisStreamsClient(url=private)
            if not client.connect():
                return _failed(f"Private Redis does not answer: {client.last_error}")
        print("  ✅ Connected to Redis")
        streams = client.initialize_streams()
        made = sum(streams.values())
        if made < len(streams):
            return _failed(f"Initialized {made}/{len(streams)} streams: {client.last_error}")
        print(f"  ✅ Initialized {made}/{len(streams)} streams")
        event = create_event(52, 8, EventCategory.SYSTEM, Severity.LOW, {"test": "test_soc_router"}, kind="test")
        entry = client.publish(TEST_STREAM, event)
        if entry is None:
            return _failed(f"Publish: {client.last_error}")
        print("  ✅ Published test event")
        self._detail(f"{TEST_STREAM} {entry}, event {event.event_id}")
        for name, facts in client.get_all_streams_info().items():
            self._detail(f"{name}: {facts['length']} entries")
        client.disconnect()
        print("  ✅ Redis tests passed")
        return True

    def hotpath_db(self) -> bool:
        """Open the hot database, or one in a temporary file where the tmpfs is not set up."""
        print("\n💾 Testing Hot-Path Database...")
        place = self._settings.paths.hot_db
        if not _ours(place):
            print(f"  ⚠️  {place} is not set up: using a temporary file")
            place = Path(self._stack.enter_context(tempfile.TemporaryDirectory())) / "hotpath.db"
        database = HotPathDB(place)
        if not database.connect():
            return _failed(f"Connect to {place}: {database.message}")
        print("  ✅ Connected to hot-path DB")
        if not database.initialize_schema():
            return _failed(f"Schema: {database.message}")
        print("  ✅ Schema initialized")
        for name, value in database.get_stats().items():
            self._detail(f"{name}: {value}")
        database.disconnect()
        print("  ✅ Hot-path DB tests passed")
        return True

    def shrink(self) -> bool:
        """Ask SHRINK, which may be absent."""
        print("\n🧠 Testing SHRINK Integration...")
        client = SHRINKClient(self._settings.soc_router.shrink_url)
        if not client.check_availability():
            print("  ⚠️  SHRINK not available (optional)")
            return True
        print("  ✅ SHRINK available")
        for name, value in client.get_metrics().items():
            self._detail(f"{name}: {value}")
        print("  ✅ SHRINK tests passed")
        return True

    def soc_router(self) -> bool:
        """The router's identity and counts."""
        print("\n🔧 Testing SOC Router...")
        config = SOCRouterConfig(redis_url=self._redis_url, shrink_url=self._settings.soc_router.shrink_url)
        stats = SOCRouter(config).get_stats()
        print(f"  📊 Device ID: {stats['device_id']}")
        print(f"  📊 Token Base: {stats['token_base']}")
        for name, value in stats.items():
            self._detail(f"{name}: {value}")
        if (stats["device_id"], stats["token_base"]) != (52, "0x809C"):
            return _failed("Device 52 has token base 0x809C")
        print("  ✅ SOC Router instantiation passed")
        return True

    def _private_redis(self) -> str | None:
        directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="dsmil-")))
        try:
            server = self._stack.enter_context(PrivateRedis(directory))
        except DsmilError as error:
            self._detail(str(error))
            return None
        print(f"  ⚠️  No Redis at {self._settings.redis.shown()}: started a private one for this test")
        self._redis_url = server.url
        return server.url

    def _detail(self, text: str) -> None:
        if self._verbose and text:
            print(f"     {text}")


def _ours(place: Path) -> bool:
    """Whether the file may be opened: it is there, or making it gives it to the right owner, not to root."""
    if not os.access(place.parent, os.W_OK):
        return False
    return os.access(place, os.W_OK) if place.exists() else place.parent.stat().st_uid == os.geteuid()


def _failed(text: str) -> bool:
    print(f"  ❌ {text}")
    return False


def main() -> int:
    """Run the four suites and sum up."""
    parser = argparse.ArgumentParser(description="Test the SOC router's surroundings.")
    parser.add_argument("-v", "--verbose", action="store_true", help="show details")
    verbose = parser.parse_args().verbose
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr] # a real stream here
    logs.setup("test-soc-router", "WARNING")
    print(f"{LINE}\nDSMIL SOC Router Infrastructure Tests\n{LINE}")
    with contextlib.ExitStack() as stack:
        try:
            checks = Checks(verbose=verbose, stack=stack)
        except DsmilError as error:
            print(f"\n❌ Configuration: {error}")
            return 1
        suites = (checks.redis, checks.hotpath_db, checks.shrink, checks.soc_router)
        passed = {suite.__name__: suite() for suite in suites}
    print(f"\n{LINE}\nTest Summary\n{LINE}")
    for name, good in passed.items():
        print(f"  {name}: {'✅ PASSED' if good else '❌ FAILED'}")
    print(f"\nTotal: {sum(passed.values())}/{len(passed)} tests passed")
    print("🎉 All tests passed!" if all(passed.values()) else "❌ Some tests failed")
    return 0 if all(passed.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
