"""ais-playback (device 11, Telemetry): AIS receivers and recordings onto L3_IN.

Listens for NMEA 0183 by UDP (installed: on the sockets of dsmil-ais-playback.socket), connects to receivers by TCP,
takes the drop folder `ais`, and plays recordings at their own pace under the pointer operators share:
`python -m dsmil.daemons.ais_playback FILE... --speed 10`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dsmil.config import Settings
from dsmil.config.sources import split_address, zone
from dsmil.daemons.ingest import Setting, UdpPort, run, udp_sources
from dsmil.sensors.ais_nmea import AisNmea
from dsmil.sensors.ledger import Ledger
from dsmil.sensors.loop import Source
from dsmil.sensors.source import Kit, LiveSource
from dsmil.sensors.stamp import live_origin
from dsmil.sensors.tcp import tcp_client

NAME = "ais-playback"


def live(settings: Settings, kit: Kit, ledger: Ledger) -> list[Source]:
    """The UDP ports and the TCP peers."""
    asked = settings.ais_playback
    tz = zone(asked.timezone)
    port = UdpPort(family="ais", address=asked.udp, passed_as="nmea", unit="dsmil-ais-playback.socket")
    sources = udp_sources(port, lambda: AisNmea(tz=tz), kit)
    for address in asked.tcp:
        if at := split_address(address):
            origin = live_origin(f"ais:tcp:{address}", kit.speaker.run, device=kit.device)
            client = tcp_client(*at, clock=kit.clock, idle_s=asked.idle_s)
            sources.append(LiveSource(origin, client, lambda: AisNmea(tz=tz), kit=kit))
    return sources


def options(settings: Settings) -> Mapping[str, Mapping[str, Any]]:
    """How its files are read."""
    tz = zone(settings.ais_playback.timezone)
    return {"nmea": {"tz": tz}, "csv": {"tz": tz}}


SETTING = Setting(
    name=NAME,
    families=("ais",),
    live=live,
    drop=lambda settings: settings.ais_playback.drop,
    options=options,
    speed=lambda settings: settings.ais_playback.speed,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the daemon; returns its exit code."""
    return run(SETTING, argv)


if __name__ == "__main__":
    raise SystemExit(main())
