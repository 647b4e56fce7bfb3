"""Daemon soc-router, Device 52: decisions in, SOC events out.

Reads L3_OUT and L4_OUT, writes SOC_EVENTS; keeps soc_events_cache, shrink_metrics and its own status row.
"""

from __future__ import annotations

from dsmil.clock import SYSTEM
from dsmil.config import Settings
from dsmil.events.enums import Category, Severity, StreamName
from dsmil.fabric.checkpoint import Checkpoint
from dsmil.fabric.client import connect, heartbeat_writer
from dsmil.fabric.consumer import Consumer
from dsmil.fabric.publisher import Publisher
from dsmil.fabric.topology import BY_NAME
from dsmil.fabric.wire import Wire
from dsmil.runtime.daemon import Daemon, start
from dsmil.runtime.metrics import Metrics
from dsmil.soc import suppression
from dsmil.soc.refill import Refill
from dsmil.soc.router import Router
from dsmil.soc.service import RouterService
from dsmil.soc.shrink import ShrinkPoller
from dsmil.store.hot import HotPathDB, config_of

NAME = "soc-router"


class HotPart:
    """The hot database as a part of a daemon: it may be away, so opening never fails."""

    def __init__(self, hot: HotPathDB) -> None:
        self._hot = hot

    def open(self) -> None:
        """Open it, or say in its state why not."""
        self._hot.connect()

    def close(self) -> None:
        """Close it."""
        self._hot.disconnect()


def build(settings: Settings) -> Daemon:
    """Put the daemon together; ConfigError where the settings or rules are wrong."""
    mine, address = settings.soc_router, settings.redis.address()
    wire, side = (
        Wire(address, name=name, timeout_s=settings.redis.socket_timeout_s) for name in (NAME, f"{NAME}-side")
    )
    hot = HotPathDB(config_of(settings))
    metrics = Metrics(NAME)
    shrink = ShrinkPoller(mine.shrink_url, poll_s=mine.shrink_poll_s, timeout_s=mine.shrink_timeout_s)
    router = Router(
        span_s=mine.window_s,
        windows_max=mine.windows_max,
        shrink=shrink.signal,
        shrink_age_max_s=mine.shrink_age_max_s,
        suppression=suppression.load(mine.rules_dir),
    )
    consumer = Consumer(
        wire,
        group=NAME,
        streams=BY_NAME[NAME].reads,
        handler=router,
        batch=mine.batch,
        checkpoint=Checkpoint(settings.paths.checkpoint(NAME), every_s=settings.streams.checkpoint_s),
        settings=settings.streams,
    )

    def count(severity: Severity, category: Category, number: int) -> None:
        about = "SOC events made"
        metrics.counter("dsmil_security_threats_total", about, severity=severity, category=category).inc(number)

    service = RouterService(
        router,
        consumer,
        publish=Publisher(side, StreamName.SOC_EVENTS, cap=settings.streams.soc_cap).publish,
        shrink=shrink,
        hot=hot,
        settings=mine,
        clock=SYSTEM,
        refill=Refill(side, hot, retention_s=settings.hot.soc_retention_s, now=SYSTEM.now).step,
        count=count,
    )
    heartbeat = heartbeat_writer(connect(settings.redis, NAME), NAME)
    parts = (wire, side, HotPart(hot), shrink)
    return Daemon(NAME, service, settings=settings, parts=parts, heartbeat=heartbeat, metrics=metrics)


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop; the exit code."""
    return start(NAME, build)


if __name__ == "__main__":
    raise SystemExit(main())
