"""rf-ingest (device 10, USB): radios onto L3_IN.

Listens for `rtl_433 -F syslog:127.0.0.1:1514` (installed: on the sockets of dsmil-rf-ingest.socket) and takes the
drop folder `rf`: rtl_433 JSON lines, SigMF recordings, hackrf_sweep and rtl_power sweeps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dsmil.config import Settings
from dsmil.config.sources import zone
from dsmil.daemons.ingest import Setting, UdpPort, run, udp_sources
from dsmil.sensors.ledger import Ledger
from dsmil.sensors.loop import Source
from dsmil.sensors.rtl433 import Rtl433Json
from dsmil.sensors.source import Kit

NAME = "rf-ingest"


def live(settings: Settings, kit: Kit, ledger: Ledger) -> list[Source]:
    """The syslog port."""
    tz = zone(settings.rf_ingest.timezone)
    port = UdpPort(
        family="rf", address=settings.rf_ingest.syslog, passed_as="syslog", unit="dsmil-rf-ingest.socket"
    )
    return udp_sources(port, lambda: Rtl433Json(tz=tz), kit)


def options(settings: Settings) -> Mapping[str, Mapping[str, Any]]:
    """How its files are read."""
    tz = zone(settings.rf_ingest.timezone)
    peaks = {"tz": tz, "min_snr_db": settings.rf_ingest.min_snr_db}
    return {"rtl433": {"tz": tz}, "rtl433-csv": {"tz": tz}, "sweep": peaks}


SETTING = Setting(
    name=NAME,
    families=("rf",),
    live=live,
    drop=lambda settings: settings.rf_ingest.drop,
    options=options,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the daemon; returns its exit code."""
    return run(SETTING, argv)


if __name__ == "__main__":
    raise SystemExit(main())
