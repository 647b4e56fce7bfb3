"""Daemon l3, devices 15 to 22: observations in, decisions out.

Reads L3_IN, writes L3_OUT, and GRAPH_EVENTS with what it sees; fills raw_events_fast with everything it reads.
"""

from __future__ import annotations

from dsmil.analytics.l3 import catalog
from dsmil.config import Settings
from dsmil.daemons import layer
from dsmil.daemons.layer import Role, epoch
from dsmil.events.enums import StreamName
from dsmil.runtime.daemon import Daemon, start

NAME = "l3"
ROLE = Role(
    name=NAME, layer=catalog.LAYER, devices=catalog.DEVICES, out=StreamName.L3_OUT, told=StreamName.L3_IN,
    raw=StreamName.L3_IN,
)  # fmt: skip


def build(settings: Settings) -> Daemon:
    """Put the daemon together; ConfigError where the settings are wrong."""
    mine = settings.l3
    found = catalog.detectors(
        mine,
        ais_set=settings.l3_ais,
        net_set=settings.l3_net,
        rf_set=settings.l3_rf,
        source_set=settings.l3_source,
    )
    return layer.build(settings, ROLE, catalog.engine(found, epoch=epoch()), mine=mine)


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop; the exit code."""
    return start(NAME, build, argv=argv)


if __name__ == "__main__":
    raise SystemExit(main())
