"""Daemon soc-router, Device 52: decisions in, SOC events out.

Reads L3_OUT and L4_OUT, writes SOC_EVENTS; keeps soc_events_cache, shrink_metrics and its own status row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dsmil.clock import SYSTEM
from dsmil.config import Settings
from dsmil.daemons import gauges
from dsmil.daemons.assembly import assemble, consumer_of, hot_of, wire_of
from dsmil.daemons.refill import Refill, Supply
from dsmil.errors import BadEvent
from dsmil.events.enums import Category, Severity, StreamName
from dsmil.events.envelope import Event, unpack
from dsmil.events.soc import Repeats
from dsmil.fabric.publisher import Publisher
from dsmil.runtime.daemon import Daemon, start
from dsmil.runtime.metrics import Metrics
from dsmil.soc import suppression
from dsmil.soc.router import Router
from dsmil.soc.service import RouterService
from dsmil.soc.shrink import ShrinkPoller
from dsmil.store.hot import HotPathDB

NAME = "soc-router"


def build(settings: Settings) -> Daemon:
    """Put the daemon together; ConfigError where the settings or rules are wrong."""
    mine, metrics = settings.soc_router, Metrics(NAME)
    wire, side = wire_of(settings, NAME), wire_of(settings, f"{NAME}-side")
    hot = hot_of(settings, metrics)
    shrink = ShrinkPoller(mine.shrink_url, poll_s=mine.shrink_poll_s, timeout_s=mine.shrink_timeout_s)
    router = Router(
        span_s=mine.window_s,
        windows_max=mine.windows_max,
        shrink=shrink.signal,
        shrink_age_max_s=mine.shrink_age_max_s,
        suppression=suppression.load(mine.rules_dir),
    )
    supply = Supply(StreamName.SOC_EVENTS, settings.hot.soc_retention_s, storing(hot))
    service = RouterService(
        router,
        consumer_of(settings, wire, NAME, router, batch=mine.batch),
        publish=Publisher(side, StreamName.SOC_EVENTS, cap=settings.streams.soc_cap).publish,
        shrink=shrink,
        hot=hot,
        settings=mine,
        clock=SYSTEM,
        refill=Refill(side, hot, [supply], stands=lambda: hot.holds("soc_events_cache"), clock=SYSTEM).step,
        count=_counting(metrics),
    )
    metrics.watch(lambda: gauges.shrink(metrics, shrink.signal()))
    metrics.watch(lambda: gauges.suppressed(metrics, router.suppression.held))
    parts = (wire, side, shrink)
    return assemble(settings, NAME, service, hot=hot, metrics=metrics, parts=parts, status_s=mine.heartbeat_s)


def storing(hot: HotPathDB) -> Callable[[Sequence[Event]], None]:
    """Puts what stands on SOC_EVENTS into soc_events_cache, the repeats into their events' counts."""

    def store(events: Sequence[Event]) -> None:
        hot.insert_soc([event for event in events if event.kind == "soc"])
        repeats = [told for event in events if (told := _repeats(event)) is not None]
        hot.bump_soc([(told.first, told.count, told.last_ts) for told in repeats])

    return store


def _repeats(event: Event) -> Repeats | None:
    try:
        return unpack(event, Repeats) if event.kind == "soc.repeats" else None
    except BadEvent:  # somebody else's: the cache does without
        return None


def _counting(metrics: Metrics) -> Callable[[Severity, Category, int], None]:
    def count(severity: Severity, category: Category, number: int) -> None:
        about = "SOC events made"
        metrics.counter("dsmil_security_threats_total", about, severity=severity, category=category).inc(number)
        metrics.counter("dsmil_layer_events_total", "Events made", layer="8", type="soc").inc(number)

    return count


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop; the exit code."""
    return start(NAME, build, argv=argv)


if __name__ == "__main__":
    raise SystemExit(main())
