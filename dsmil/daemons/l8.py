"""Daemon l8, Devices 51 and 53 to 58: SOC events in, one merged alert each, advice for Layer 9.

Reads SOC_EVENTS, writes L8_ALERTS and L9_COMMANDS; keeps the workers' status rows.
"""

from __future__ import annotations

from collections.abc import Mapping

from dsmil.config import Settings
from dsmil.daemons.assembly import assemble, consumer_of, hot_of, wire_of
from dsmil.fabric.consumer import Consumer
from dsmil.runtime.daemon import Daemon, start
from dsmil.runtime.metrics import Metrics
from dsmil.soc.workers.merge import WORKERS, Enricher

NAME = "l8"


class EnricherWork:
    """The consumer, and what its handler counts."""

    def __init__(self, enricher: Enricher, consumer: Consumer) -> None:
        self._enricher = enricher
        self._consumer = consumer
        self.step = consumer.step
        self.drain = consumer.drain

    def stats(self) -> Mapping[str, float | int | str | bool]:
        """Counts of the batches, and how much advice went to Layer 9."""
        mine = self._enricher
        return {**self._consumer.stats(), "advised": mine.advised, "duplicates": mine.duplicates}


def build(settings: Settings) -> Daemon:
    """Put the daemon together; ConfigError where the settings are wrong."""
    wire, metrics, enricher = wire_of(settings, NAME), Metrics(NAME), Enricher()
    work = EnricherWork(enricher, consumer_of(settings, wire, NAME, enricher, batch=settings.l8.batch))
    about = "Events made"
    metrics.watch(
        lambda: metrics.total("dsmil_layer_events_total", about, enricher.published, layer="8", type="l8")
    )
    return assemble(
        settings,
        NAME,
        work,
        hot=hot_of(settings, metrics),
        metrics=metrics,
        parts=(wire,),
        devices=[device for device, _ in WORKERS],
        status_s=settings.l8.heartbeat_s,
    )


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop; the exit code."""
    return start(NAME, build, argv=argv)


if __name__ == "__main__":
    raise SystemExit(main())
