"""net-parser (device 5, Network): scans and flows onto L3_IN.

A client of nDPId's distributor, a follower of Suricata's EVE log, and the taker of the drop folders `nmap` and
`ndpi`. It never runs nmap itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dsmil.config import Settings
from dsmil.config.sources import split_address
from dsmil.daemons.ingest import Setting, run
from dsmil.sensors.ledger import Ledger
from dsmil.sensors.loop import Source
from dsmil.sensors.ndpid import NdpidFrames
from dsmil.sensors.source import Kit, LiveSource
from dsmil.sensors.stamp import live_origin
from dsmil.sensors.tail import TailSource
from dsmil.sensors.tcp import tcp_client
from dsmil.sensors.unix import unix_client

NAME = "net-parser"


def live(settings: Settings, kit: Kit, ledger: Ledger) -> list[Source]:
    """nDPId's distributor and the followed files."""
    asked = settings.net_parser
    sources: list[Source] = []
    if asked.ndpid:
        at = split_address(asked.ndpid)
        if at is None:
            client = unix_client(asked.ndpid, clock=kit.clock, idle_s=asked.idle_s)
        else:
            client = tcp_client(*at, clock=kit.clock, idle_s=asked.idle_s)
        origin = live_origin(f"ndpid:{asked.ndpid}", kit.speaker.run, device=kit.device)
        sources.append(LiveSource(origin, client, NdpidFrames, kit=kit))
    sources += [TailSource(Path(path), "ndpi", kit, ledger) for path in asked.follow]
    return sources


def options(settings: Settings) -> Mapping[str, Mapping[str, Any]]:
    """How its files are read: they carry their own zones."""
    return {}


SETTING = Setting(
    name=NAME,
    families=("nmap", "ndpi"),
    live=live,
    drop=lambda settings: settings.net_parser.drop,
    options=options,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the daemon; returns its exit code."""
    return run(SETTING, argv)


if __name__ == "__main__":
    raise SystemExit(main())
