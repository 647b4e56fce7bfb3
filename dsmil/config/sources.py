"""The sensors: where each ingest daemon listens, connects and looks, and in which zone it reads times.

Every source is optional; a port that is taken or a peer that is away is tried again and shown in `dsmil status`.
"""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta, Struct

Address = Annotated[str, Meta(max_length=256)]
"""`host:port`, `[ipv6]:port`, or for a UNIX socket its absolute path. Empty: off."""


class RfIngest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[rf_ingest]`: rtl_433, SigMF recordings, sweeps."""

    syslog: Address = "127.0.0.1:1514"
    """UDP address for `rtl_433 -F syslog:127.0.0.1:1514`. Empty: off. Installed, the address stands
    in the socket unit instead: `systemctl edit dsmil-rf-ingest.socket`."""
    drop: bool = True
    """Take files out of the drop folder rf."""
    timezone: Annotated[str, Meta(min_length=1, max_length=64)] = "UTC"
    """Zone of times that name none, as in the tz database (rtl_433 and sweeps print local time)."""
    min_snr_db: Annotated[float, Meta(ge=0, le=100)] = 12.0
    """A sweep's peak counts from this many dB above its noise floor."""

    def __post_init__(self) -> None:
        zone(self.timezone)
        split_address(self.syslog)


class AisPlayback(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[ais_playback]`: AIS receivers and recordings."""

    udp: Address = "127.0.0.1:10110"
    """UDP address to listen on for NMEA 0183 sentences. Empty: off. Installed, the address stands in the
    socket unit instead: `systemctl edit dsmil-ais-playback.socket`."""
    tcp: tuple[Address, ...] = ()
    """Receivers or aggregators to connect to, host:port each."""
    idle_s: Annotated[float, Meta(ge=0, le=86_400)] = 300.0
    """Seconds of silence after which a TCP peer is connected to anew; 0 never."""
    drop: bool = True
    """Take files out of the drop folder ais."""
    speed: Annotated[str, Meta(min_length=1, max_length=8)] = "max"
    """How fast recordings are played: 0.1 to 1000 times their own pace, or max."""
    timezone: Annotated[str, Meta(min_length=1, max_length=64)] = "UTC"
    """Zone of a logger's times that name none."""

    def __post_init__(self) -> None:
        zone(self.timezone)
        for address in (self.udp, *self.tcp):
            split_address(address)


class NetParser(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[net_parser]`: Nmap, nDPI, Suricata."""

    ndpid: Address = "127.0.0.1:7000"
    """nDPId's distributor: host:port, or the absolute path of its UNIX socket. Empty: off."""
    idle_s: Annotated[float, Meta(ge=0, le=86_400)] = 300.0
    """Seconds of silence after which it is connected to anew; 0 never."""
    follow: tuple[Annotated[str, Meta(max_length=4096)], ...] = ()
    """Growing files to follow, for example /var/log/suricata/eve.json."""
    drop: bool = True
    """Take files out of the drop folders nmap and ndpi."""

    def __post_init__(self) -> None:
        split_address(self.ndpid)


def zone(name: str) -> ZoneInfo:
    """The time zone of that name; ValueError where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"timezone {name!r} is not in the tz database") from None


def split_address(address: str) -> tuple[str, int] | None:
    """Host and port of `host:port` or `[ipv6]:port`; null where it is empty or an absolute path. ValueError says
    what is wrong with anything else."""
    if not address or address.startswith("/"):
        return None
    host, colon, port = address.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or not bare or not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f"address {address!r} is not host:port")
    return bare, int(port)
