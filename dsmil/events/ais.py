"""AIS observations: what a vessel, base station or aid said of itself (ITU-R M.1371-5).

Units stand in the names. A value the standard calls "not available" is null, never zero.
"""

from __future__ import annotations

from msgspec import Struct


class Position(Struct, frozen=True, kw_only=True):
    """Kind `ais.position`: message types 1-3, 9, 18, 19, 27. WGS-84 degrees, knots, degrees from true north."""

    mmsi: int
    msg_type: int
    lat: float | None = None
    lon: float | None = None
    sog_kn: float | None = None
    cog_deg: float | None = None
    heading_deg: float | None = None
    rot_deg_min: float | None = None
    nav_status: int | None = None
    accuracy: bool | None = None
    utc_second: int | None = None
    repeat: int = 0
    channel: str | None = None
    station: str | None = None
    alt_m: float | None = None


class Static(Struct, frozen=True, kw_only=True):
    """Kind `ais.static`: message types 5, 19, 24. Dimensions in metres from the antenna."""

    mmsi: int
    msg_type: int
    imo: int | None = None
    callsign: str | None = None
    name: str | None = None
    ship_type: int | None = None
    dim_bow_m: int | None = None
    dim_stern_m: int | None = None
    dim_port_m: int | None = None
    dim_starboard_m: int | None = None
    draught_m: float | None = None
    destination: str | None = None
    eta: str | None = None
    part: str | None = None
    station: str | None = None


class Base(Struct, frozen=True, kw_only=True):
    """Kind `ais.base`: message types 4 and 11. `utc` is the station's own time, Unix seconds."""

    mmsi: int
    msg_type: int
    lat: float | None = None
    lon: float | None = None
    utc: float | None = None
    station: str | None = None


class Aton(Struct, frozen=True, kw_only=True):
    """Kind `ais.aton`: an aid to navigation, message type 21."""

    mmsi: int
    msg_type: int
    aid_type: int | None = None
    name: str | None = None
    lat: float | None = None
    lon: float | None = None
    off_position: bool | None = None
    virtual: bool | None = None
    station: str | None = None


class Safety(Struct, frozen=True, kw_only=True):
    """Kind `ais.safety`: safety text, message types 12 (addressed) and 14 (broadcast)."""

    mmsi: int
    msg_type: int
    text: str = ""
    dest_mmsi: int | None = None
    station: str | None = None


class Binary(Struct, frozen=True, kw_only=True):
    """Kind `ais.binary`: application messages, types 6, 8, 25, 26; `data_hex` is the application data."""

    mmsi: int
    msg_type: int
    dac: int | None = None
    fid: int | None = None
    dest_mmsi: int | None = None
    data_hex: str = ""
    station: str | None = None


class Other(Struct, frozen=True, kw_only=True):
    """Kind `ais.other`: any other message type; only its sender and type are kept."""

    mmsi: int
    msg_type: int
    station: str | None = None
