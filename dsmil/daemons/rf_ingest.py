"""rf-ingest (device 10, USB): radios onto L3_IN.

Listens for `rtl_433 -F syslog:127.0.0.1:1514` and takes the drop folder `rf`: rtl_433 JSON lines, SigMF
recordings, hackrf_sweep and rtl_power sweeps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dsmil.config import Settings
from dsmil.config.sources import split_address, zone
from dsmil.daemons.ingest import Setting, run
from dsmil.sensors.ledger import Ledger
from dsmil.sensors.loop import Source
from dsmil.sensors.rtl433 import Rtl433Json
from dsmil.sensors.source import Kit, LiveSource
from dsmil.sensors.stamp import live_origin
from dsmil.sensors.udp import Udp

NAME = "rf-ingest"


def live(settings: Settings, kit: Kit, ledger: Ledger) -> list[Source]:
    """The syslog port."""
    asked = settings.rf_ingest
    at = split_address(asked.syslog)
    if at is None:
        return []
    tz = zone(asked.timezone)
    origin = live_origin(f"rf:udp:{at[1]}", kit.speaker.run, device=kit.device)
    return [LiveSource(origin, Udp(*at, clock=kit.clock), lambda: Rtl433Json(tz=tz), kit=kit)]


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
