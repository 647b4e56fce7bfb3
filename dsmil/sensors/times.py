"""Reads the time stamps of records: Unix seconds, milliseconds, ISO 8601 and its plain-text cousins.

A receiver whose clock is not set says 1970, 1980 or some far year. Such a time is no time: the answer is null,
and the event is stamped with the time of its ingest instead.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo

SECONDS_MIN = 315_964_800.0
"""The GPS epoch, 1980-01-06: what a satellite receiver says before its first fix; nothing real is older."""
SECONDS_MAX = 4_102_444_800.0
"""Year 2100: a larger number is a mistake of unit or a torn digit."""
MILLIS_MIN = 1e11
"""From here on a number counts milliseconds (1973 in milliseconds, year 5138 in seconds)."""
TEXT_MAX = 40
"""Longest time stamp read; ISO 8601 with nanoseconds and zone has 35 characters."""

_NUMBER = re.compile(r"\d{1,14}(\.\d{1,9})?\Z", re.ASCII)
_DAY_FIRST = re.compile(r"(\d\d)/(\d\d)/(\d{4})[ T](\d\d):(\d\d):(\d\d)\Z", re.ASCII)


def plausible(seconds: float) -> float | None:
    """`seconds` where it is a time a working clock could show (also from milliseconds), else null."""
    if seconds >= MILLIS_MIN:
        seconds /= 1000.0
    return seconds if SECONDS_MIN < seconds < SECONDS_MAX else None


def read_time(text: str, tz: tzinfo = UTC) -> float | None:
    """Unix seconds of a time stamp, or null. Takes epoch seconds or milliseconds, ISO 8601 (blank or T, with or
    without zone) and `dd/mm/yyyy hh:mm:ss` of the Danish files; a time without zone is in `tz`."""
    text = text.strip()
    if not text or len(text) > TEXT_MAX:
        return None
    if _NUMBER.match(text):
        return plausible(float(text))
    day_first = _DAY_FIRST.match(text)
    if day_first:
        day, month, year, hour, minute, second = day_first.groups()
        text = f"{year}-{month}-{day}T{hour}:{minute}:{second}"
    try:
        moment = datetime.fromisoformat(text)
        return plausible((moment if moment.tzinfo else moment.replace(tzinfo=tz)).timestamp())
    except (ValueError, OverflowError):
        return None
