"""How devices and stores stand: the hot database's rows of devices and layers, what the files take up, what is left.

The hot database is a cache that may be away; then nothing is said, and the heartbeats in Redis have to do.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path

from msgspec import Struct

from dsmil.config import Settings
from dsmil.errors import DsmilError
from dsmil.fabric.topology import BY_NAME
from dsmil.runtime.health import State
from dsmil.store import graphdb, loss, segments
from dsmil.store.presence import SILENT_AFTER_S
from dsmil.store.sqlite import connect_readonly
from dsmil.watch.readings import DaemonReading

WORDS = {State.READY: "ONLINE", State.DRAINING: "BUSY", State.STARTING: "BUSY", State.DEGRADED: "ERROR"}
GIB = 1 << 30


class LayerRow(Struct, frozen=True):
    """One layer of layer_state."""

    layer: int
    devices_active: int
    memory_bytes: float
    tops_used: float
    tops_available: float


def states(settings: Settings, daemons: Iterable[DaemonReading], now: float) -> dict[int, str]:
    """ONLINE, BUSY, ERROR or OFFLINE: a daemon's own device by its heartbeat, others by the hot database."""
    rows = _rows(settings.paths.hot_db, "SELECT device_id, status, last_heartbeat FROM device_status")
    known = {
        int(device): str(state) if now - (seen or 0.0) <= SILENT_AFTER_S else "OFFLINE"
        for device, state, seen in rows
    }
    mine = [row for row in daemons if row.daemon in BY_NAME]  # instances speak for no device
    return known | {BY_NAME[row.daemon].device: WORDS.get(row.state, "OFFLINE") for row in mine}


def layers(settings: Settings) -> list[LayerRow]:
    """Every layer that has a row."""
    query = """SELECT layer, CASE WHEN json_valid(active_devices) THEN json_array_length(active_devices) ELSE 0 END,
      memory_used_gb, tops_used, tops_available FROM layer_state ORDER BY layer"""
    return [
        LayerRow(layer, active, memory_gb * GIB, used, available)
        for layer, active, memory_gb, used, available in _rows(settings.paths.hot_db, query)
    ]


def sizes(settings: Settings) -> dict[str, int]:
    """Bytes of each database that exists and may be looked at, write-ahead log included."""
    paths = settings.paths
    found = {
        "hot": _size([paths.hot_db]),
        "audit": _size(segments.listing(paths.audit)),
        "loss": _size([paths.audit / loss.FILE]),
        "ingest": _size([paths.ingest_db]),
        "graph": _size([paths.graph_db]),
        "operators": _size([paths.operators_db]),
    }
    return {name: size for name, size in found.items() if size}


def snapshots(settings: Settings) -> list[graphdb.About] | None:
    """The snapshots of the graph that are kept, newest first; null where graph.db cannot be read, or is not there."""
    try:
        there = settings.paths.graph_db.exists()
        return graphdb.snapshots(settings.paths.graph_db) if there else None
    except (DsmilError, OSError):
        return None


def disks(settings: Settings) -> dict[str, tuple[int, int]]:
    """Bytes free for us and in all of the file systems that hold the durable stores and the hot database."""
    found = {}
    for name, path in (("data", settings.paths.data), ("hot", settings.paths.hot)):
        with suppress(OSError):
            about = os.statvfs(path)
            found[name] = about.f_bavail * about.f_frsize, about.f_blocks * about.f_frsize
    return found


def _size(files: Iterable[Path]) -> int:
    try:
        return sum(map(segments.size_of, files))
    except OSError:  # not for us to read, or just removed
        return 0


def _rows(path: Path, query: str) -> list[tuple]:  # type: ignore[type-arg]
    try:
        with closing(connect_readonly(path)) as hot:
            return hot.execute(query).fetchall()
    except (sqlite3.Error, DsmilError, OSError):  # it is a cache: it may be away
        return []
