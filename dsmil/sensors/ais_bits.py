"""The six-bit armour of AIS, and the messages that make up 95 % of every feed taken apart by shifts.

A payload is one large integer: every field is a shift and a mask (ITU-R M.1371-5, annex 8, tables 48, 70).
Values scale by tables made once, in which "not available" already is null. pyais decodes everything else; the
tests hold both equal on every recording. Degrees are (10 * raw + 3) // 6 millionths: the nearest integer to
raw * 5 / 3, without a decimal round trip.
"""

from __future__ import annotations

import math
from binascii import a2b_base64
from datetime import UTC, datetime

from dsmil.events.ais import Base, Position

LON_MAX = 180 * 600_000
LAT_MAX = 90 * 600_000
"""Coordinates count 1/10,000 minute; beyond these they say "not available" (181, 91) or nothing that exists."""
REPORT_BITS = 168
"""Length of message types 1-3 and 18: one slot."""
CLASS_A_BITS_MIN = 143
CLASS_B_BITS_MIN = 139
BASE_BITS_MIN = 134
"""The last bit of the time stamp or latitude: some stations cut the radio status behind it."""

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
ARMOUR = bytes(range(48, 88)) + bytes(range(96, 120))
_TO_BASE64 = bytes.maketrans(ARMOUR, _BASE64)
_PADDING = (b"", b"AAA", b"AA", b"A")


def _rot_deg_min(raw: int) -> float | None:
    """Degrees a minute of the rate-of-turn indicator; -128 is not available, +-127 says only "turning"."""
    signed = raw - 256 if raw > 127 else raw
    return None if abs(signed) >= 127 else math.copysign(round((signed / 4.733) ** 2), signed) if signed else 0.0


SOG_KN: tuple[float | None, ...] = (*(raw / 10.0 for raw in range(1023)), None)
COG_DEG: tuple[float | None, ...] = tuple(raw / 10.0 if raw < 3600 else None for raw in range(4096))
HEADING_DEG: tuple[float | None, ...] = tuple(float(raw) if raw < 360 else None for raw in range(512))
ROT_DEG_MIN: tuple[float | None, ...] = tuple(_rot_deg_min(raw) for raw in range(256))
UTC_SECOND: tuple[int | None, ...] = tuple(raw if raw < 60 else None for raw in range(64))


def unpack(payload: bytes, fill_bits: int) -> tuple[int, int]:
    """(the payload as one integer, its length in bits). The payload must be armour (`ARMOUR`) throughout."""
    over = len(payload) & 3
    value = int.from_bytes(a2b_base64(payload.translate(_TO_BASE64) + _PADDING[over]), "big")
    if over:
        value >>= 6 * (4 - over)
    return value >> fill_bits, len(payload) * 6 - fill_bits


def field(value: int, bits: int, start: int, width: int) -> int:
    """The unsigned field of `width` bits at `start`; the payload must reach that far."""
    return (value >> (bits - start - width)) & ((1 << width) - 1)


def class_a(value: int, bits: int, channel: str | None, station: str | None) -> Position:
    """Types 1-3 of at least `CLASS_A_BITS_MIN` bits; bits beyond the slot are another message's and are cut."""
    value = value >> (bits - REPORT_BITS) if bits >= REPORT_BITS else value << (REPORT_BITS - bits)
    lon = (value >> 79) & 0xFFFFFFF
    lat = (value >> 52) & 0x7FFFFFF
    lon -= (lon & 0x8000000) << 1
    lat -= (lat & 0x4000000) << 1
    known = -LON_MAX <= lon <= LON_MAX and -LAT_MAX <= lat <= LAT_MAX
    return Position(
        mmsi=(value >> 130) & 0x3FFFFFFF,
        msg_type=value >> 162,
        lat=((10 * lat + 3) // 6) / 1e6 if known else None,
        lon=((10 * lon + 3) // 6) / 1e6 if known else None,
        sog_kn=SOG_KN[(value >> 108) & 0x3FF],
        cog_deg=COG_DEG[(value >> 40) & 0xFFF],
        heading_deg=HEADING_DEG[(value >> 31) & 0x1FF],
        rot_deg_min=ROT_DEG_MIN[(value >> 118) & 0xFF],
        nav_status=(value >> 126) & 0xF,
        accuracy=bool((value >> 107) & 1),
        utc_second=UTC_SECOND[(value >> 25) & 0x3F],
        repeat=(value >> 160) & 3,
        channel=channel,
        station=station,
    )


def class_b(value: int, bits: int, channel: str | None, station: str | None) -> Position:
    """Type 18 of at least `CLASS_B_BITS_MIN` bits."""
    value = value >> (bits - REPORT_BITS) if bits >= REPORT_BITS else value << (REPORT_BITS - bits)
    lon = (value >> 83) & 0xFFFFFFF
    lat = (value >> 56) & 0x7FFFFFF
    lon -= (lon & 0x8000000) << 1
    lat -= (lat & 0x4000000) << 1
    known = -LON_MAX <= lon <= LON_MAX and -LAT_MAX <= lat <= LAT_MAX
    return Position(
        mmsi=(value >> 130) & 0x3FFFFFFF,
        msg_type=18,
        lat=((10 * lat + 3) // 6) / 1e6 if known else None,
        lon=((10 * lon + 3) // 6) / 1e6 if known else None,
        sog_kn=SOG_KN[(value >> 112) & 0x3FF],
        cog_deg=COG_DEG[(value >> 44) & 0xFFF],
        heading_deg=HEADING_DEG[(value >> 35) & 0x1FF],
        accuracy=bool((value >> 111) & 1),
        utc_second=UTC_SECOND[(value >> 29) & 0x3F],
        repeat=(value >> 160) & 3,
        channel=channel,
        station=station,
    )


def base_station(value: int, bits: int, station: str | None) -> Base:
    """Types 4 and 11 of at least `BASE_BITS_MIN` bits."""
    value = value >> (bits - REPORT_BITS) if bits >= REPORT_BITS else value << (REPORT_BITS - bits)
    lon = (value >> 61) & 0xFFFFFFF
    lat = (value >> 34) & 0x7FFFFFF
    lon -= (lon & 0x8000000) << 1
    lat -= (lat & 0x4000000) << 1
    known = -LON_MAX <= lon <= LON_MAX and -LAT_MAX <= lat <= LAT_MAX
    year, month, day = (value >> 116) & 0x3FFF, (value >> 112) & 0xF, (value >> 107) & 0x1F
    hour, minute, second = (value >> 102) & 0x1F, (value >> 96) & 0x3F, (value >> 90) & 0x3F
    try:
        utc: float | None = datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except ValueError:  # year, month or day 0, hour 24, minute or second 60: not available
        utc = None
    return Base(
        mmsi=(value >> 130) & 0x3FFFFFFF,
        msg_type=value >> 162,
        lat=((10 * lat + 3) // 6) / 1e6 if known else None,
        lon=((10 * lon + 3) // 6) / 1e6 if known else None,
        utc=utc,
        station=station,
    )
