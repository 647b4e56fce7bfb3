"""Daemon l4, devices 23 to 30: observations and decisions in, links and tactical decisions out.

Reads L3_IN, L3_OUT and L4_IN, writes L4_OUT, and GRAPH_EVENTS with its links and what came in by L4_IN; lives as l3
does.
"""

from __future__ import annotations

from dsmil.analytics.l4 import catalog
from dsmil.config import Settings
from dsmil.daemons import layer
from dsmil.daemons.layer import Role, epoch
from dsmil.events.enums import StreamName
from dsmil.runtime.daemon import Daemon, start

NAME = "l4"
ROLE = Role(
    name=NAME, layer=catalog.LAYER, devices=catalog.DEVICES, out=StreamName.L4_OUT, told=StreamName.L4_IN
)  # fmt: skip


def build(settings: Settings) -> Daemon:
    """Put the daemon together; ConfigError where the settings are wrong."""
    mine = settings.l4
    engine = catalog.engine(catalog.detectors(mine), epoch=epoch())
    return layer.build(settings, ROLE, engine, mine=mine)


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop; the exit code."""
    return start(NAME, build, argv=argv)


if __name__ == "__main__":
    raise SystemExit(main())
