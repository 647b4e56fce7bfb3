"""Which devices live: their rows in device_status, and what these come to per layer in layer_state.

A killed daemon writes nothing any more, so every daemon that still lives looks for rows that have grown old and
makes them OFFLINE: whoever asks with plain SQL is told the truth too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from dsmil.events.devices import DEVICES
from dsmil.events.enums import DeviceState
from dsmil.store.hot_rows import Row, json_text
from dsmil.store.sqlite import transaction

SILENT_AFTER_S = 60.0
"""Two missed rows of the slowest daemon. With the look each 10 to 30 s that follows, a killed daemon is OFFLINE
within 90 s."""

STATUS = """INSERT INTO device_status (device_id, layer, name, status, memory_mb, tops_allocated, last_heartbeat,
  metadata) VALUES (?,?,?,?,?,?,?,?) ON CONFLICT (device_id) DO UPDATE SET layer = excluded.layer,
  name = excluded.name, status = excluded.status, memory_mb = excluded.memory_mb, metadata = excluded.metadata,
  tops_allocated = excluded.tops_allocated, last_heartbeat = excluded.last_heartbeat"""
# A heartbeat from the future is a wrong clock's, and would never grow old.
_SILENT = "status <> 'OFFLINE' AND abs(?1 - last_heartbeat) > ?2"
# Several daemons speak for layers 0 and 8, so a layer's row is made from its devices' rows, whoever wrote them.
# All devices of a daemon carry the count of their one process, and one that holds no detector is not active.
_LAYER = """INSERT INTO layer_state (layer, active_devices, memory_used_gb, event_count, last_update)
  WITH mine AS (
    SELECT device_id, memory_mb, CASE WHEN json_valid(metadata) THEN metadata ELSE '{}' END AS told
    FROM device_status WHERE layer = ?1 AND status <> 'OFFLINE')
  SELECT ?1,
    (SELECT json_group_array(device_id) FROM
      (SELECT device_id FROM mine WHERE json_extract(told, '$.detectors') IS NOT '[]' ORDER BY device_id)),
    (SELECT coalesce(sum(memory_mb), 0) / 1024 FROM mine),
    (SELECT coalesce(sum(events), 0) FROM
      (SELECT max(json_extract(told, '$.events')) AS events FROM mine GROUP BY json_extract(told, '$.daemon'))),
    ?2
  WHERE true ON CONFLICT (layer) DO UPDATE SET active_devices = excluded.active_devices,
  memory_used_gb = excluded.memory_used_gb, event_count = excluded.event_count, last_update = excluded.last_update"""


class Standing(Struct, frozen=True):
    """How one device stands now. In `meta`, `daemon` and `events` say whose it is and what that one handled."""

    device: int
    state: DeviceState
    memory_mb: float = 0.0
    meta: Mapping[str, Any] = {}


def write(connection: sqlite3.Connection, standings: Sequence[Standing], now: float) -> None:
    """Store rows and what they come to, inside a transaction. TypeError where `meta` has no JSON form."""
    connection.executemany(STATUS, [_row(standing, now) for standing in standings])
    _sum_up(connection, {DEVICES[standing.device].layer for standing in standings}, now)


def sweep(connection: sqlite3.Connection, now: float) -> int:
    """Make every device OFFLINE whose heartbeat is too old at `now` (Unix seconds); returns how many."""
    asked = (now, SILENT_AFTER_S)
    query = f"SELECT DISTINCT layer FROM device_status WHERE {_SILENT}"  # noqa: S608 - our own words
    layers = [row[0] for row in connection.execute(query, asked)]
    if not layers:
        return 0
    with transaction(connection):
        update = f"UPDATE device_status SET status = 'OFFLINE' WHERE {_SILENT}"  # noqa: S608 - our own words
        gone = connection.execute(update, asked).rowcount
        _sum_up(connection, layers, now)
    return gone


def _sum_up(connection: sqlite3.Connection, layers: Iterable[int], now: float) -> None:
    connection.executemany(_LAYER, [(layer, now) for layer in sorted(layers)])


def _row(standing: Standing, now: float) -> Row:
    device = DEVICES[standing.device]
    return (
        device.id, device.layer, device.name, standing.state.value, standing.memory_mb, 0.0, now,
        json_text(standing.meta),
    )  # fmt: skip
