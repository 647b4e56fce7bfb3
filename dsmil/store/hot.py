"""The hot database: the last day of events on a tmpfs, for quick answers and for people with sqlite3.

It is a cache. No method raises: each answers whether it worked, and `state`, `message` and the counters of
`get_stats` say what is wrong. What it holds can be filled in again from the retained streams.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from dsmil import config
from dsmil.clock import SYSTEM, Clock
from dsmil.config import Settings
from dsmil.events.devices import DEVICES_MAX
from dsmil.events.enums import Category, Compartment, DeviceState, Severity
from dsmil.events.envelope import Event
from dsmil.store import hot_read, hot_rows, presence
from dsmil.store.hot_file import HotConfig, HotFile, State
from dsmil.store.presence import Standing
from dsmil.store.retention import Ages

FALLBACK = "hotpath-fallback.db"
ROWS_MAX = 10_000
"""Most rows a read returns."""

Dict = dict[str, Any]


def config_of(settings: Settings) -> HotConfig:
    """What the settings say about the hot database."""
    hot, paths = settings.hot, settings.paths
    fallback = Path(hot.fallback) if hot.fallback else paths.data / FALLBACK
    return HotConfig(
        paths.hot_db,
        hot.budget_bytes,
        # In a private suite both are one directory: where it is gone, nothing is left to fall back on.
        fallback if fallback.parent != paths.hot else None,
        Ages(hot.retention_s, hot.retention_s, hot.retention_s, hot.soc_retention_s),
        hot.cleanup_s,
    )


class HotPathDB:
    """One daemon's, or one script's, hold on the hot database. Times are Unix seconds."""

    def __init__(
        self,
        place: HotConfig | Path | str | None = None,
        *,
        clock: Clock = SYSTEM,
        observe: Callable[[str, str, float], None] = lambda *_: None,
    ) -> None:
        """`place`: a file, a `HotConfig`, or nothing for the configured one (ConfigError where that is wrong).
        `observe` is told of every write: operation, table, seconds."""
        if place is None:
            place = config_of(config.load().settings)
        self._file = HotFile(place if isinstance(place, HotConfig) else HotConfig(Path(place)), clock)
        self._clock = clock
        self._observe = observe

    # The documented verbs

    def connect(self) -> bool:
        """Open it, schema included; whether that worked."""
        return self._file.open()

    def disconnect(self) -> None:
        """Close it."""
        self._file.close()

    def initialize_schema(self) -> bool:
        """Whether the six tables stand; any number of times."""
        return self._file.open()

    def insert_event(  # noqa: PLR0913, PLR0917 - the documented call
        self,
        event_id: str,
        device_id: int,
        layer: int,
        source: str,
        compartment: str,
        category: str,
        severity: str,
        payload: Any,
        *,
        ts: float | None = None,
    ) -> bool:
        """Store one event; True also where its id is there already. False: refused (see `message`) or away."""
        now = self._clock.now()
        try:
            if not event_id or not 0 <= device_id < DEVICES_MAX or not 0 <= layer <= 9:
                raise ValueError(f"event id {event_id!r}, device {device_id} or layer {layer} is out of range")
            row = (
                now if ts is None else float(ts), event_id, device_id, layer, source,
                Compartment(str(compartment).upper()).value, Category(str(category).upper()).value,
                Severity.parse(str(severity)).value, msgspec.json.encode(payload),
                hot_rows.TOKENS[device_id], hot_rows.CLEARANCES[layer],
            )  # fmt: skip
        except (ValueError, TypeError) as error:
            return self._refused(error)
        return self._one(hot_rows.RAW, row, ingest_ts=now)

    def insert_soc_event(  # noqa: PLR0913, PLR0917 - the documented call
        self,
        event_id: str,
        severity: str,
        category: str,
        source_device: int,
        source_layer: int,
        payload: Any,
        signals: Any = None,
        shrink_metrics: Any = None,
        l8_enrichment: Any = None,
    ) -> bool:
        """Store one SOC event; True also where its id is there already."""
        now = self._clock.now()
        try:
            texts = (hot_rows.json_text(value) for value in (signals, shrink_metrics, l8_enrichment, payload))
            row = (
                now, event_id, Severity.parse(str(severity)).value,
                Category(str(category).upper()).value, source_device, source_layer, *texts,
            )  # fmt: skip
        except (ValueError, TypeError) as error:
            return self._refused(error)
        return self._one(hot_rows.SOC, row, ingest_ts=now)

    def insert_shrink_metrics(self, metrics: Mapping[str, Any], ts: float | None = None) -> bool:
        """Store one SHRINK reading; what it does not say stays null."""
        now = self._clock.now()
        try:
            row = hot_rows.shrink_row(dict(metrics), now if ts is None else ts)
        except (ValueError, TypeError) as error:
            return self._refused(error)
        return self._one(hot_rows.SHRINK, row, ingest_ts=now)

    def update_device_status(  # noqa: PLR0913, PLR0917 - the documented call
        self,
        device_id: int,
        layer: int,
        name: str,
        status: str,
        memory_mb: float = 0.0,
        tops_allocated: float = 0.0,
        metadata: Any = None,
    ) -> bool:
        """Write a device's row; the heartbeat is now."""
        try:
            state = DeviceState(str(status).upper()).value
            told = hot_rows.json_text(metadata)
            row = (device_id, layer, name, state, memory_mb, tops_allocated, self._clock.now(), told)
        except (ValueError, TypeError) as error:
            return self._refused(error)
        return self._one(presence.STATUS, row)

    def get_recent_events(
        self, layer: int | None = None, severity: str | None = None, limit: int = 100
    ) -> list[Dict]:
        """Newest raw events first, as dicts of the columns, `payload` decoded."""
        return self._select("raw_events_fast", {"layer": layer, "severity": severity}, limit)

    def get_recent_soc_events(self, severity: str | None = None, limit: int = 100) -> list[Dict]:
        """Newest SOC events first, as dicts of the columns, the JSON columns decoded."""
        return self._select("soc_events_cache", {"severity": severity}, limit)

    def get_device_statuses(self) -> list[Dict]:
        """The row of every device that has one, by device id."""
        return self._file.read(lambda connection: hot_read.dicts(connection, hot_read.STATUSES, ())) or []

    def get_stats(self) -> Dict:
        """Rows by table, `db_size_bytes`, and how the file is: `state`, `message`, `db_path`, `dropped`."""
        file = self._file
        stats = file.read(hot_read.counts) or {"db_size_bytes": 0}
        stats.update(state=file.state, message=file.message, db_path=str(file.path or ""), dropped=file.dropped)
        return stats | {"generation": file.generation, "budget_bytes": file.budget_bytes}

    # What the daemons use

    @property
    def state(self) -> State:
        """ "ok"; "fallback" (on another file), "absent" or "full" (rows are dropped and counted); "closed"."""
        return self._file.state

    @property
    def message(self) -> str:
        """What is wrong, with the mend; empty where nothing is."""
        return self._file.message

    @property
    def dropped(self) -> int:
        """Rows that could not be written."""
        return self._file.dropped

    @property
    def generation(self) -> int:
        """Grows whenever a file is opened: a daemon that sees it grow fills the file in again."""
        return self._file.generation

    def insert_events(self, events: Sequence[Event]) -> bool:
        """Store a batch in raw_events_fast."""
        return self._many_of(hot_rows.RAW, events, hot_rows.raw_row)

    def insert_decisions(self, events: Sequence[Event], latency_ms: float | None = None) -> bool:
        """Store a batch of decisions in model_outputs_fast."""
        return self._many_of(
            hot_rows.MODEL, events, lambda event, key: hot_rows.model_row(event, key, latency_ms)
        )

    def insert_soc(self, events: Sequence[Event]) -> bool:
        """Store a batch of SOC events in soc_events_cache."""
        return self._many_of(hot_rows.SOC, events, hot_rows.soc_row)

    def bump_soc(self, bumps: Sequence[tuple[str, int, float]]) -> bool:
        """Note in SOC events' payloads how often they came, the first included, and when last: rows of
        (event id, count, last_ts)."""

        def act(connection: sqlite3.Connection) -> bool:
            connection.executemany(hot_rows.BUMP, bumps)
            return True

        return not bumps or self._run("update", "soc_events_cache", len(bumps), act)

    def set_standing(self, standings: Sequence[Standing]) -> bool:
        """Write the rows of devices in device_status, heartbeat now, and those of their layers."""

        def act(connection: sqlite3.Connection) -> bool:
            presence.write(connection, standings, self._clock.now())
            return True

        return self._run("update", "device_status", len(standings), act)

    def holds(self, table: str, **wanted: Any) -> bool:
        """Whether an event table has a row with these columns."""
        return bool(self._select(table, wanted, 1))

    def add_shrink(self, metrics: Mapping[str, Any], ts: float) -> bool:
        """Store one SHRINK reading of time `ts`."""
        return self.insert_shrink_metrics(metrics, ts)

    def cleanup(self, now: float | None = None) -> int:
        """Throw away what is too old at `now`, or too much; returns how many rows. Writing does it too."""
        return self._file.clean(self._clock.now() if now is None else now)

    def _many_of(self, query: str, events: Sequence[Event], row_of: Any) -> bool:
        if not events:
            return True

        def act(connection: sqlite3.Connection) -> bool:
            now, key = self._clock.now(), self._file.ids.of
            hot_rows.insert(connection, query, [row_of(event, key(event.ingest_ts, now)) for event in events])
            return True

        return self._run("insert", _table(query), len(events), act)

    def _one(self, query: str, row: hot_rows.Row, *, ingest_ts: float | None = None) -> bool:
        def act(connection: sqlite3.Connection) -> bool:
            key = () if ingest_ts is None else (self._file.ids.of(ingest_ts, ingest_ts),)
            connection.execute(query, (*key, *row))
            return True

        return self._run("insert", _table(query), 1, act)

    def _run(self, operation: str, table: str, count: int, act: Callable[[sqlite3.Connection], bool]) -> bool:
        began = self._clock.monotonic()
        done = self._file.write(count, act) is True
        self._observe(operation, table, self._clock.monotonic() - began)
        return done

    def _select(self, table: str, wanted: Mapping[str, Any], limit: int) -> list[Dict]:
        given = {name: value for name, value in wanted.items() if value is not None}
        where = " AND ".join(f"{name} = ?" for name in given)
        query = f"SELECT * FROM {table} {f'WHERE {where}' if where else ''} ORDER BY ts DESC, id DESC LIMIT ?"  # noqa: S608 - our own names
        values = (*(str(v).upper() if isinstance(v, str) else v for v in given.values()), min(limit, ROWS_MAX))
        return self._file.read(lambda connection: hot_read.dicts(connection, query, values)) or []

    def _refused(self, error: Exception) -> bool:
        self._file.message = f"store a row: {error}"
        return False


def _table(query: str) -> str:
    return query.split(maxsplit=3)[2]  # INSERT INTO table


@cache
def get_db() -> HotPathDB:
    """The configured hot database, one for the whole process."""
    return HotPathDB()
