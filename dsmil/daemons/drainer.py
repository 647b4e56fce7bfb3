"""Daemon drainer, Device 14: every entry of every stream into the audit log, then acknowledged.

Audit waits for nothing and refuses nothing: an entry that is no event is kept as it stands, and what cannot be
stored now is asked for again for as long as it takes. Beside that it trims the streams and keeps the loss ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import msgspec
import redis

from dsmil.clock import SYSTEM, Clock
from dsmil.config import Settings
from dsmil.daemons.assembly import assemble, hot_of, timed, wire_of
from dsmil.errors import BadEvent, DsmilError, Unavailable
from dsmil.events import ids
from dsmil.events.enums import StreamName
from dsmil.fabric.client import connect, ensure_topology, translated
from dsmil.fabric.consumer import Consumer
from dsmil.fabric.entry import Bad, Entry, Output, id_key
from dsmil.fabric.feed import Place, epoch_key
from dsmil.fabric.janitor import Janitor
from dsmil.fabric.loss import LOSS_KEY, decode_loss
from dsmil.fabric.topology import BY_NAME
from dsmil.fabric.wire import Wire
from dsmil.runtime import logs
from dsmil.runtime.daemon import Daemon, start
from dsmil.runtime.metrics import Metrics
from dsmil.store.audit import AuditLog
from dsmil.store.chain import AuditRow
from dsmil.store.hot import config_of
from dsmil.store.loss import LossLog, LossRow

NAME = "drainer"
BATCH = 1000
"""Entries of a stream at a time: one sync of the disk for each. About a tenth less CPU an entry than 500."""
AHEAD_S_MAX = 60.0
"""An entry id further in the future pins all later ids of its stream: a wrong clock, or somebody's own id."""
LOSSES_AT_A_TIME = 500
HOT_BUSY_MS = 100
"""Longest wait for the hot database, where its status row stands: the audit waits for nothing."""
NEVER = 1 << 40
"""Attempts and crashes after which an entry would be given up: the audit gives up none."""

log = logs.get()


class Drainer:
    """The daemon's work, and the stores it holds."""

    def __init__(
        self, settings: Settings, *, wire: Wire, client: redis.Redis, metrics: Metrics, clock: Clock = SYSTEM
    ) -> None:
        self._settings = settings
        self._wire = wire
        self._client = client
        self._metrics = metrics
        self._observe = timed(metrics)
        self._clock = clock
        self._janitor = Janitor(client, settings.streams, clock=clock)
        self._audit: AuditLog | None = None
        self._ledger = LossLog(settings.paths.audit)
        self._reader: Consumer | None = None
        self._due = 0.0
        self._ahead: set[StreamName] = set()
        self._known: dict[str, str] | None = None
        self._counts = {"audited": 0, "undecodable": 0, "losses_kept": 0, "trimmed": 0}

    def open(self) -> None:
        """Open the stores. ConfigError where another drainer writes them, Unavailable where they are away."""
        if self._audit is None:
            self._audit = AuditLog(self._settings.paths.audit, clock=self._clock, settings=self._settings.audit)
        self._audit.tick()
        heads = self._audit.reader().heads()
        seen = {
            StreamName(stream): Place(epoch, heads.get(stream, ("0-0", 0))[0])
            for stream, epoch in self._ledger.epochs().items()
        }
        patient = msgspec.structs.replace(self._settings.streams, attempts=NEVER, crash_deliveries=NEVER)
        self._reader = Consumer(
            self._wire,
            group=NAME,
            streams=BY_NAME[NAME].reads,
            handler=self.keep,
            batch=max(BATCH, self._settings.streams.batch),
            seen=seen,
            on_bad=self.keep_bad,
            settings=patient,
            clock=self._clock,
        )

    def close(self) -> None:
        """Anchor the chain and close the stores."""
        self._ledger.close()
        if self._audit is not None:
            audit, self._audit = self._audit, None
            audit.close()

    def step(self, timeout_s: float) -> int:
        """Audit one batch, and do what is due beside it."""
        assert self._reader is not None
        if self._clock.monotonic() >= self._due:
            self._due = self._clock.monotonic() + self._settings.audit.janitor_s
            self.tend()
        try:
            return self._reader.step(timeout_s)
        except Unavailable:
            self._known = None  # whatever comes back may be another Redis
            raise

    def drain(self) -> None:
        """Finish the batch in hand, and keep the last losses."""
        assert self._reader is not None
        self._reader.drain()
        self._take_losses()

    def stats(self) -> dict[str, float | int | str | bool]:
        """Counts since the start."""
        reader = self._reader.stats() if self._reader is not None else {}
        duplicates = self._audit.duplicates if self._audit is not None else 0
        told: dict[str, float | int | str | bool] = {
            key: reader[key] for key in ("processed", "lag_s", "outages", "missed_acks") if key in reader
        }
        return {**told, **self._counts, "duplicates": duplicates, "ids_ahead": len(self._ahead)}

    def keep(self, entries: Sequence[Entry]) -> tuple[Output, ...]:
        """Audit a batch; the entries are acknowledged when this returns. Unavailable whatever goes wrong."""
        self._watch_ids(entries[-1])
        self._append([_row(entry) for entry in entries])
        return ()

    def keep_bad(self, found: Sequence[Bad]) -> None:
        """Audit entries that are no events, flagged, under ids of their own."""
        if found:
            self._append([_bad_row(bad, self._clock.now()) for bad in found])
            self._counts["undecodable"] += len(found)
            log.warning("entries_undecodable", stream=found[0].stream, first_id=found[0].id, count=len(found))

    def tend(self) -> None:
        """Anchors and segments, losses, identities, groups, trimming. Unavailable where a store or Redis is away."""
        assert self._audit is not None
        self._audit.tick()
        self._take_losses()
        self._metrics.total("dsmil_losses_total", "Losses ever recorded", self._ledger.recorded())
        self._look()
        for stream, done in self._janitor.trim().items():
            self._counts["trimmed"] += done.removed
            about = "Entries of a stream"
            self._metrics.gauge("dsmil_redis_stream_length", about, stream_name=stream.value).set(done.length)

    def _append(self, rows: Sequence[AuditRow]) -> None:
        assert self._audit is not None
        began = self._clock.monotonic()
        try:
            self._counts["audited"] += self._audit.append(rows)
            self._observe("insert", "entity_audit_log", self._clock.monotonic() - began)
        except Unavailable:
            raise
        except DsmilError as error:
            # Never the entry's fault: it stays pending until the store is mended.
            raise Unavailable(str(error), hint=error.hint) from error

    def _watch_ids(self, last: Entry) -> None:
        ms, now = id_key(last.id)[0], self._clock.now()
        if ms <= (now + AHEAD_S_MAX) * 1000 or last.stream in self._ahead:
            return
        self._ahead.add(last.stream)
        log.error("stream_id_ahead", stream=last.stream, id=last.id, ahead_s=round(ms / 1000 - now))
        detail = f"ids of this stream are {ms / 1000 - now:.0f} s ahead of the clock; later ids stay there"
        self._ledger.add([LossRow(now, "id_ahead", last.stream.value, NAME, last.id, last.id, 0, detail)])

    def _take_losses(self) -> None:
        """Move what the fabric reported from Redis into the ledger: kept first, then taken away."""
        with translated("take loss records"):
            while found := cast(list[bytes], self._client.lrange(LOSS_KEY, -LOSSES_AT_A_TIME, -1)):
                rows = [_loss_row(data, self._clock.now()) for data in reversed(found)]  # oldest first
                self._counts["losses_kept"] += self._ledger.add(rows)
                self._client.ltrim(LOSS_KEY, 0, -len(found) - 1)
                log.error("losses_recorded", count=len(found))

    def _look(self) -> None:
        """Keep the streams' identities; where they are not those we know, make whatever group is missing, the
        users' one too: on an installed suite nobody else would."""
        epochs = self._epochs()
        if epochs != self._known:
            ensure_topology(self._client)
            epochs = self._known = self._epochs()
        self._ledger.remember(epochs)

    def _epochs(self) -> dict[str, str]:
        names = [stream.value for stream in StreamName]
        with translated("read stream identities"):
            found = cast(list[Any], self._client.mget([epoch_key(stream) for stream in StreamName]))
        return {name: epoch.decode() for name, epoch in zip(names, found, strict=True) if epoch}


def _row(entry: Entry) -> AuditRow:
    event = entry.event
    return AuditRow(
        entry.stream.value,
        entry.id,
        event.event_id,
        event.ts,
        event.ingest_ts,
        event.kind,
        event.source,
        entry.data,
    )


def _bad_row(bad: Bad, now: float) -> AuditRow:
    event_id = ids.digest("undecodable", bad.stream.value, bad.id, bad.data.hex())
    return AuditRow(bad.stream.value, bad.id, event_id, now, now, "undecodable", "", bad.data, bad.error[:2048])


def _loss_row(data: bytes, now: float) -> LossRow:
    try:
        told = decode_loss(data)
    except (msgspec.MsgspecError, BadEvent, UnicodeDecodeError):
        return LossRow(now, "unreadable", detail=data[:2048].decode("utf-8", "replace"))
    return LossRow(
        told.ts, told.kind, told.stream, told.group, told.first_id, told.last_id, told.count, told.detail
    )


def build(settings: Settings) -> Daemon:
    """Put the daemon together."""
    wire, client, metrics = wire_of(settings, NAME), connect(settings.redis, f"{NAME}-side"), Metrics(NAME)
    work = Drainer(settings, wire=wire, client=client, metrics=metrics)
    hot = hot_of(settings, metrics, msgspec.structs.replace(config_of(settings), busy_ms=HOT_BUSY_MS))
    return assemble(settings, NAME, work, hot=hot, metrics=metrics, parts=(wire, work))


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop; the exit code."""
    return start(NAME, build, argv=argv)


if __name__ == "__main__":
    raise SystemExit(main())
