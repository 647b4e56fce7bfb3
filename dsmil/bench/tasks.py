"""What is measured against Redis and the stores: exactly what the daemons build, from the same settings.

Only what feeds it and what counts it is the benchmark's. Run by `bench.child` in a process of its own; no module
of the command line imports this one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from dsmil import config
from dsmil.bench.figures import Sample
from dsmil.bench.stopwatch import Stopwatch
from dsmil.events.enums import StreamName
from dsmil.events.envelope import decode
from dsmil.fabric.checkpoint import Checkpoint
from dsmil.fabric.consumer import Consumer
from dsmil.fabric.publisher import Publisher
from dsmil.fabric.topology import BY_NAME
from dsmil.fabric.wire import Wire
from dsmil.store import segment
from dsmil.store.chain import HASH_BYTES
from dsmil.store.sqlite import connect, migrate, transaction

NO_CAP = 1 << 40
PUBLISH_BATCH = 512
"""As the sensors publish (`sensors.source.BATCH_MAX`)."""
AUDIT_BATCH = 500
"""As the drainer commits (`daemons.drainer.BATCH`)."""
WAIT_S = 0.01
_INSERT = "INSERT INTO entity_audit_log VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"


def _lines(path: str) -> list[bytes]:
    return Path(path).read_bytes().splitlines()


def publish(path: str) -> Sample:
    """Encoded events onto L3_IN."""
    settings, events = config.load().settings, _lines(path)
    publisher = Publisher(Wire(settings.redis.address(), name="bench"), StreamName.L3_IN, cap=NO_CAP)
    watch = Stopwatch()
    for start in range(0, len(events), PUBLISH_BATCH):
        publisher.publish(events[start : start + PUBLISH_BATCH])
    return watch.read(len(events))


def consume(count: int) -> Sample:
    """Read, validate and acknowledge `count` events of L3_IN, doing nothing with them."""
    settings = config.load().settings
    wire = Wire(settings.redis.address(), name="bench")
    reader = Consumer(wire, group="bench", streams=(StreamName.L3_IN,), handler=lambda _: ())
    return _run(reader.step, count)


def router(count: int) -> Sample:
    """The router's hop with its checkpoints, its hot database off."""
    from dsmil.soc.router import Router

    settings = config.load().settings
    handler = Router(span_s=settings.soc_router.window_s, windows_max=settings.soc_router.windows_max)
    hop = Consumer(
        Wire(settings.redis.address(), name="soc-router"),
        group="soc-router",
        streams=BY_NAME["soc-router"].reads,
        handler=handler,
        batch=settings.soc_router.batch,
        checkpoint=Checkpoint(settings.paths.checkpoint("soc-router"), every_s=settings.streams.checkpoint_s),
        settings=settings.streams,
    )

    def step(timeout_s: float) -> int:
        done = hop.step(timeout_s)
        handler.take_fresh()  # what the service would hand to the hot database
        return done

    sample = _run(step, count)
    shares = {"repeats_share": round(handler.repeated / count, 3), "published": handler.published}
    return msgspec.structs.replace(sample, more=shares)


def drainer(count: int) -> Sample:
    """The drainer over `count` entries of L3_IN: hash chain, durable commit, acknowledgement."""
    from dsmil.daemons.drainer import Drainer
    from dsmil.fabric.client import connect as client
    from dsmil.runtime.metrics import Metrics

    settings = config.load().settings
    wire = Wire(settings.redis.address(), name="drainer")
    work = Drainer(settings, wire=wire, client=client(settings.redis, "side"), metrics=Metrics("drainer"))
    work.open()
    sample = _run(work.step, count)
    work.drain()
    work.close()
    return sample


def bare(path: str) -> Sample:
    """The same rows into the same table, same batch and settings, and nothing else: what the disk gives."""
    place = config.load().settings.paths.data / "bare.db"
    rows = [_row(number, data) for number, data in enumerate(_lines(path), 1)]
    place.unlink(missing_ok=True)
    options = {"cache_kib": segment.CACHE_KIB, "checkpoint_pages": segment.CHECKPOINT_PAGES}
    connection = connect(place, synchronous="FULL", **options)
    migrate(connection, "audit")
    watch = Stopwatch()
    for start in range(0, len(rows), AUDIT_BATCH):
        with transaction(connection):
            connection.executemany(_INSERT, rows[start : start + AUDIT_BATCH])
    sample = watch.read(len(rows))
    connection.close()
    for left in place.parent.glob("bare.db*"):
        left.unlink()
    return sample


def _row(number: int, data: bytes) -> tuple[Any, ...]:
    event = decode(data)
    head = (number, event.event_id, "L3_IN", f"1700000000000-{number}", event.ts, event.ingest_ts)
    return (*head, event.kind, event.source, event.ingest_ts, "", data, bytes(HASH_BYTES))


def layer(path: str, number: int) -> Sample:
    """The engine of Layer 3 or 4 with all its detectors over decoded events, without Redis."""
    settings = config.load().settings
    engine: Any
    if number == 3:
        from dsmil.analytics.l3 import catalog as third

        engine, batch = third.engine(third.detectors(settings.l3), epoch="bench"), settings.l3.batch
    else:
        from dsmil.analytics.l4 import catalog as fourth

        engine, batch = fourth.engine(fourth.detectors(settings.l4), epoch="bench"), settings.l4.batch
    events = [decode(data) for data in _lines(path)]
    watch = Stopwatch()
    made = sum(len(engine.process(events[at : at + batch])) for at in range(0, len(events), batch))
    return watch.read(len(events), decisions=made)


def _run(step: Callable[[float], int], count: int) -> Sample:
    """Step until `count` entries are handled and the last commit is answered."""
    done = 0
    watch = Stopwatch()
    while done < count or step(WAIT_S):
        done += step(WAIT_S)
    return watch.read(count)
