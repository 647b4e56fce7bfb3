"""How devices and stores stand: the hot database's rows of devices and layers, and what the files take up.

The hot database is a cache that may be away; then nothing is said, and the heartbeats in Redis have to do.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from dsmil.cli.readings import DaemonReading
from dsmil.config import Settings
from dsmil.errors import DsmilError
from dsmil.fabric.topology import BY_NAME
from dsmil.runtime.health import State
from dsmil.store import loss, segments
from dsmil.store.presence import SILENT_AFTER_S
from dsmil.store.sqlite import connect_readonly

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
    return known | {BY_NAME[row.daemon].device: WORDS.get(row.state, "OFFLINE") for row in daemons}


def layers(settings: Settings) -> list[LayerRow]:
    """Every layer that has a row."""
    query = """SELECT layer, CASE WHEN json_valid(active_devices) THEN json_array_length(active_devices) ELSE 0 END,
      memory_used_gb, tops_used, tops_available FROM layer_state ORDER BY layer"""
    return [
        LayerRow(layer, active, memory_gb * GIB, used, available)
        for layer, active, memory_gb, used, available in _rows(settings.paths.hot_db, query)
    ]


def sizes(settings: Settings) -> dict[str, int]:
    """Bytes of each database that exists, write-ahead log included."""
    paths = settings.paths
    files: Mapping[str, list[Path]] = {
        "hot": [paths.hot_db],
        "audit": segments.listing(paths.audit),
        "loss": [paths.audit / loss.FILE],
        "ingest": [paths.ingest_db],
    }
    try:
        found = {name: sum(map(segments.size_of, each)) for name, each in files.items()}
    except OSError:  # not for us to read, or just removed
        return {}
    return {name: size for name, size in found.items() if size}


def _rows(path: Path, query: str) -> list[tuple]:  # type: ignore[type-arg]
    try:
        with closing(connect_readonly(path)) as hot:
            return hot.execute(query).fetchall()
    except (sqlite3.Error, DsmilError, OSError):  # it is a cache: it may be away
        return []
