"""Reading the hot database back: rows as dicts, and what it holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

TABLES = (
    "raw_events_fast", "model_outputs_fast", "layer_state", "device_status", "soc_events_cache", "shrink_metrics",
)  # fmt: skip
STATUSES = "SELECT * FROM device_status ORDER BY device_id"
JSON_COLUMNS = frozenset(("payload", "signals", "shrink_metrics", "l8_enrichment", "metadata"))

Dict = dict[str, Any]


def dicts(connection: sqlite3.Connection, query: str, values: Sequence[Any]) -> list[Dict]:
    """All rows of a query by column name, the JSON columns decoded."""
    cursor = connection.execute(query, values)
    names = [column[0] for column in cursor.description]
    return [
        {name: _decoded(value) if name in JSON_COLUMNS else value for name, value in zip(names, row, strict=True)}
        for row in cursor.fetchall()
    ]


def counts(connection: sqlite3.Connection) -> Dict:
    """Rows of each table, and `db_size_bytes`."""
    found: Dict = {
        table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - our own names
        for table in TABLES
    }
    pages, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    return found | {"db_size_bytes": pages * size}


def _decoded(value: Any) -> Any:
    try:
        return msgspec.json.decode(value)
    except (msgspec.MsgspecError, TypeError):
        return value  # somebody else's row
