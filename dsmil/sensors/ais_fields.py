"""What an AIS payload says, as observations: every message type becomes the payload of its kind.

pyais reads the fields; what the standard calls "not available" (ITU-R M.1371-5, annex 8) becomes null here. A
message too short for what it claims to be is refused: half a field decodes to a wrong number, not to a gap.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from msgspec import Struct

from dsmil.events.ais import Aton, Binary, Other, Position, Safety, Static
from dsmil.sensors.ais_bits import (
    BASE_BITS_MIN,
    CLASS_A_BITS_MIN,
    CLASS_B_BITS_MIN,
    base_station,
    class_a,
    class_b,
    field,
    unpack,
)

LONG_RANGE_BITS_MIN = 63
"""A long-range report heard from orbit may be cut; from the latitude's first bits on pyais and others read it."""
BITS_MIN = {
    **dict.fromkeys((1, 2, 3), CLASS_A_BITS_MIN),
    **dict.fromkeys((4, 11), BASE_BITS_MIN),
    5: 302,  # up to the draught; the destination may be cut
    6: 88,
    8: 56,
    9: 134,
    12: 72,
    14: 40,
    18: CLASS_B_BITS_MIN,
    19: 301,
    21: 219,
    24: 160,
    25: 40,
    26: 40,
    27: LONG_RANGE_BITS_MIN,
}
"""Bits a message needs before its fields mean anything; types not listed need only their sender."""
SENDER_BITS = 38
TYPE_MAX = 28
"""Message types of ITU-R M.1371: 27 in edition 5, 28 in edition 6."""
IMO_MAX = 9_999_999

Found = list[tuple[str, Struct]]


class Unreadable(ValueError):
    """The payload is too short, or not a message of the standard."""


def read_message(payload: bytes, fill_bits: int, channel: str | None, station: str | None) -> Found:
    """(kind, payload) of every observation in one message, from its whole armour. Raises Unreadable."""
    value, bits = unpack(payload, fill_bits)
    if bits < SENDER_BITS:
        raise Unreadable(f"{bits} bits")
    msg_type = value >> (bits - 6)
    if not 1 <= msg_type <= TYPE_MAX:
        raise Unreadable(f"message type {msg_type}")
    if bits < BITS_MIN.get(msg_type, SENDER_BITS):
        raise Unreadable(f"type {msg_type} in {bits} bits")
    if msg_type <= 3:
        return [("ais.position", class_a(value, bits, channel, station))]
    if msg_type == 18:
        return [("ais.position", class_b(value, bits, channel, station))]
    if msg_type in (4, 11):
        return [("ais.base", base_station(value, bits, station))]
    if msg_type in (6, 8, 25, 26):
        return [("ais.binary", _binary(value, bits, msg_type, station))]
    reader = _READERS.get(msg_type)
    if reader is None:
        return [("ais.other", Other(mmsi=field(value, bits, 8, 30), msg_type=msg_type, station=station))]
    # The independent decoders count the fill bits of a cut long-range report as data; so do we, to agree.
    classes, bit_vector = _pyais()
    message = classes[msg_type].from_vector(bit_vector(payload, 0 if msg_type == 27 else fill_bits))
    return reader(message, bits, channel, station)


@cache
def _pyais() -> tuple[Any, Any]:
    # Loaded with the first such message: it takes a third of the daemon's start.
    from pyais.bit_vector import bit_vector  # noqa: PLC0415
    from pyais.messages import MSG_CLASS  # noqa: PLC0415

    return MSG_CLASS, bit_vector


def _text(text: str | None) -> str | None:
    """Six-bit text up to its first `@` (the standard's terminator), without padding; empty is not available."""
    return (text or "").partition("@")[0].strip() or None


def _place(message: Any) -> dict[str, Any]:
    """Latitude and longitude, both or neither."""
    lat, lon = message.lat, message.lon
    known = lat is not None and lon is not None and abs(lat) <= 90.0 and abs(lon) <= 180.0
    return {"lat": lat if known else None, "lon": lon if known else None}


def _below(number: float | None, limit: float) -> float | None:
    """`number` unless it is absent or at its "not available" value."""
    return None if number is None or number >= limit else float(number)


def _second(second: int | None) -> int | None:
    return second if second is not None and second < 60 else None


def _size(message: Any) -> dict[str, Any]:
    """Dimensions; all zero says not available."""
    bow, stern, port, starboard = message.to_bow, message.to_stern, message.to_port, message.to_starboard
    if not (bow or stern or port or starboard):
        return {}
    return {"dim_bow_m": bow, "dim_stern_m": stern, "dim_port_m": port, "dim_starboard_m": starboard}


def _eta(message: Any) -> str | None:
    """`MM-DDTHH:MM` UTC, `MM-DD` where the hour is not available."""
    if not (1 <= message.month <= 12 and 1 <= message.day <= 31):
        return None
    day = f"{message.month:02d}-{message.day:02d}"
    return f"{day}T{message.hour:02d}:{message.minute:02d}" if message.hour < 24 and message.minute < 60 else day


def _voyage(message: Any, bits: int, channel: str | None, station: str | None) -> Found:
    static = Static(
        mmsi=message.mmsi,
        msg_type=5,
        imo=message.imo if 0 < message.imo <= IMO_MAX else None,
        callsign=_text(message.callsign),
        name=_text(message.shipname),
        ship_type=int(message.ship_type) or None,
        draught_m=message.draught or None,
        destination=_text(message.destination),
        eta=_eta(message),
        station=station,
        **_size(message),
    )
    return [("ais.static", static)]


def _aircraft(message: Any, bits: int, channel: str | None, station: str | None) -> Found:
    position = Position(
        mmsi=message.mmsi,
        msg_type=9,
        sog_kn=_below(message.speed, 1023),
        cog_deg=_below(message.course, 360.0),
        accuracy=message.accuracy,
        utc_second=_second(message.second),
        repeat=message.repeat,
        channel=channel,
        station=station,
        alt_m=_below(message.alt, 4095),
        **_place(message),
    )
    return [("ais.position", position)]


def _safety(message: Any, bits: int, channel: str | None, station: str | None) -> Found:
    dest = message.dest_mmsi if message.msg_type == 12 else None
    text = _text(message.text) or ""
    return [
        (
            "ais.safety",
            Safety(mmsi=message.mmsi, msg_type=message.msg_type, text=text, dest_mmsi=dest, station=station),
        )
    ]


def _class_b_extended(message: Any, bits: int, channel: str | None, station: str | None) -> Found:
    position = Position(
        mmsi=message.mmsi,
        msg_type=19,
        sog_kn=_below(message.speed, 102.3),
        cog_deg=_below(message.course, 360.0),
        heading_deg=_below(message.heading, 360),
        accuracy=message.accuracy,
        utc_second=_second(message.second),
        repeat=message.repeat,
        channel=channel,
        station=station,
        **_place(message),
    )
    static = Static(
        mmsi=message.mmsi,
        msg_type=19,
        name=_text(message.shipname),
        ship_type=int(message.ship_type) or None,
        station=station,
        **_size(message),
    )
    return [("ais.position", position), ("ais.static", static)]


def _aton(message: Any, bits: int, channel: str | None, station: str | None) -> Found:
    name, more = message.name or "", message.name_ext or ""
    aton = Aton(
        mmsi=message.mmsi,
        msg_type=21,
        aid_type=int(message.aid_type) or None,
        name=_text(name + more if len(name) == 20 else name),
        # The flag is valid only together with a real second (table 68).
        off_position=message.off_position if _second(message.second) is not None else None,
        virtual=message.virtual_aid,
        station=station,
        **_place(message),
    )
    return [("ais.aton", aton)]


def _class_b_static(message: Any, bits: int, channel: str | None, station: str | None) -> Found:
    if message.partno == 0:
        static = Static(mmsi=message.mmsi, msg_type=24, name=_text(message.shipname), part="A", station=station)
        return [("ais.static", static)]
    # A craft of a mother ship (MMSI 98...) has the mother's number where others have their dimensions.
    size = _size(message) if bits >= 162 and hasattr(message, "to_bow") else {}
    static = Static(
        mmsi=message.mmsi,
        msg_type=24,
        callsign=_text(message.callsign),
        ship_type=int(message.ship_type) or None,
        part="B",
        station=station,
        **size,
    )
    return [("ais.static", static)]


def _long_range(message: Any, bits: int, channel: str | None, station: str | None) -> Found:
    position = Position(
        mmsi=message.mmsi,
        msg_type=27,
        sog_kn=_below(message.speed, 63),
        cog_deg=_below(message.course, 360),
        nav_status=int(message.status),
        accuracy=message.accuracy,
        repeat=message.repeat,
        channel=channel,
        station=station,
        **_place(message),
    )
    return [("ais.position", position)]


def _binary(value: int, bits: int, msg_type: int, station: str | None) -> Binary:
    """Types 6, 8, 25, 26 taken apart here: pyais keeps no raw data of the applications it knows."""
    addressed = msg_type == 6 or (msg_type in (25, 26) and bool(field(value, bits, 38, 1)))
    structured = msg_type in (6, 8) or bool(field(value, bits, 39, 1))
    start = 40
    dest = dac = fid = None
    if addressed and bits >= start + 30:
        dest = field(value, bits, start, 30)
        start += 32 if msg_type == 6 else 30
    if structured and bits >= start + 16:
        dac, fid = field(value, bits, start, 10), field(value, bits, start + 10, 6)
        start += 16
    width = max(0, bits - start)
    data = (field(value, bits, start, width) << (-width % 8)).to_bytes((width + 7) // 8, "big") if width else b""
    mmsi = field(value, bits, 8, 30)
    return Binary(
        mmsi=mmsi, msg_type=msg_type, dac=dac, fid=fid, dest_mmsi=dest, data_hex=data.hex(), station=station
    )


_READERS = {
    5: _voyage,
    9: _aircraft,
    12: _safety,
    14: _safety,
    19: _class_b_extended,
    21: _aton,
    24: _class_b_static,
    27: _long_range,
}
