"""Daemon l8, Devices 51 and 53 to 58: SOC events in, one merged alert each, advice for Layer 9.

Reads SOC_EVENTS, writes L8_ALERTS and L9_COMMANDS; keeps the workers' status rows.
"""

from __future__ import annotations

from dsmil.clock import SYSTEM
from dsmil.config import Settings
from dsmil.fabric.checkpoint import Checkpoint
from dsmil.fabric.client import connect, heartbeat_writer
from dsmil.fabric.consumer import Consumer
from dsmil.fabric.topology import BY_NAME
from dsmil.fabric.wire import Wire
from dsmil.runtime.daemon import Daemon, start
from dsmil.soc import fusion
from dsmil.soc.presence import Presence
from dsmil.soc.workers.merge import LAYER, WORKERS, Enricher
from dsmil.store.hot import HotPathDB, config_of

NAME = "l8"
DEVICES = tuple(sorted({fusion.DEVICE, *(device for device, _ in WORKERS)}))
"""The active devices of Layer 8: the workers, and the router whose events they take up."""


class EnricherWork:
    """The consumer, and beside it the workers' status rows."""

    def __init__(self, enricher: Enricher, consumer: Consumer, hot: HotPathDB, presence: Presence) -> None:
        self._enricher = enricher
        self._consumer = consumer
        self._hot = hot
        self._presence = presence

    def open(self) -> None:
        """Open the hot database, or let its state say why not."""
        self._hot.connect()

    def close(self) -> None:
        """Close the hot database."""
        self._hot.disconnect()

    def step(self, timeout_s: float) -> int:
        """One batch."""
        done = self._consumer.step(timeout_s)
        if self._presence.due:
            self._presence.show({"processed": self._enricher.processed})
            self._hot.set_layer(LAYER, active_devices=DEVICES, event_count=self._enricher.processed)
        return done

    def drain(self) -> None:
        """Finish the batch in hand and say OFFLINE."""
        self._consumer.drain()
        self._presence.leave()

    def stats(self) -> dict[str, float | int | str | bool]:
        """Counts of the batches, and how much advice went to Layer 9."""
        mine = self._enricher
        return {**self._consumer.stats(), "advised": mine.advised, "duplicates": mine.duplicates}


def build(settings: Settings) -> Daemon:
    """Put the daemon together; ConfigError where the settings are wrong."""
    wire = Wire(settings.redis.address(), name=NAME, timeout_s=settings.redis.socket_timeout_s)
    enricher, hot = Enricher(), HotPathDB(config_of(settings))
    consumer = Consumer(
        wire,
        group=NAME,
        streams=BY_NAME[NAME].reads,
        handler=enricher,
        batch=settings.l8.batch,
        checkpoint=Checkpoint(settings.paths.checkpoint(NAME), every_s=settings.streams.checkpoint_s),
        settings=settings.streams,
    )
    devices = [device for device, _ in WORKERS]
    presence = Presence(hot, devices, every_s=settings.l8.heartbeat_s, clock=SYSTEM)
    work = EnricherWork(enricher, consumer, hot, presence)
    heartbeat = heartbeat_writer(connect(settings.redis, NAME), NAME)
    return Daemon(NAME, work, settings=settings, parts=(wire, work), heartbeat=heartbeat)


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop; the exit code."""
    return start(NAME, build)


if __name__ == "__main__":
    raise SystemExit(main())
