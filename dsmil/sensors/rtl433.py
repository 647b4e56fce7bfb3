"""rtl_433's JSON lines, from a file, a pipe or its syslog datagrams (`-F syslog`), to `rf.burst`.

The program's own talk (statistics, tuner messages, its set-up) comes through the same pipe and is stepped over.
`time` is whatever `-M time:` was set to; "@seconds" counts from the start of the capture, which is no time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, tzinfo
from typing import Any

import msgspec

from dsmil.events.envelope import finite
from dsmil.events.rf import Burst
from dsmil.sensors.json_records import Place, raw_text, read_object
from dsmil.sensors.lines import Line, LineCutter
from dsmil.sensors.record import Ignored, Item, Observation, Reason, Reject
from dsmil.sensors.times import read_time

READINGS_MAX = 64
"""Fields kept beside the named ones; the widest decoder prints 40."""
TEXT_MAX = 256
"""Characters of one text reading: raw codes of a long transmission are cut."""
EXACT_MAX = 2**53
"""Beyond it JSON readers round integers, so a larger number is kept as text."""

_SYSLOG = re.compile(rb"<\d{1,3}>(?:\d{1,2} (\S{1,40}) )?[^{]{0,512}")
_NAMED = frozenset(
    ("time", "model", "id", "channel", "freq", "freq1", "freq2", "rssi", "snr", "noise", "mod", "lat", "lon")
)
_TALK = frozenset(("stats", "frames", "enabled", "center_frequency", "sample_rate", "src", "lvl", "msg"))
_IGNORED = Ignored()


def sniff(head: bytes, name: str) -> float:
    """How much the first line looks like rtl_433's JSON, 0..1."""
    first = head.lstrip().partition(b"\n")[0]
    framed = _SYSLOG.match(first)
    start = framed.end() if framed else 0
    if first[start : start + 1] != b"{":
        return 0.0
    if b'"model"' in first:
        return 0.9 if b'"time"' in first or framed else 0.8
    return 0.3 if any(b'"' + word.encode() + b'"' in first for word in _TALK) else 0.0


def burst_of(
    record: Mapping[str, Any], sensor_id: str | None, position: tuple[float, float] | None
) -> Burst | None:
    """One transmission; null where the record names no model. Frequencies come in MHz, powers in dB. A place
    the record itself is tagged with (`rtl_433 -K gpsd,lat,lon`) goes before the receiver's."""
    model = record.get("model")
    if not isinstance(model, str) or not model.strip():
        return None
    freq = _hertz(record.get("freq"))
    position = _tagged(record) or position
    return Burst(
        model=model.strip()[:TEXT_MAX],
        device_id=_word(record.get("id")),
        channel=_word(record.get("channel")),
        freq_hz=freq if freq is not None else _hertz(record.get("freq1")),
        freq2_hz=_hertz(record.get("freq2")),
        rssi_db=_decibel(record.get("rssi")),
        snr_db=_decibel(record.get("snr")),
        noise_db=_decibel(record.get("noise")),
        modulation=_word(record.get("mod")),
        readings=_readings(record),
        lat=position[0] if position else None,
        lon=position[1] if position else None,
        sensor_id=sensor_id,
    )


def _tagged(record: Mapping[str, Any]) -> tuple[float, float] | None:
    """Latitude and longitude of the tags, both or neither."""
    lat, lon = _number(record.get("lat")), _number(record.get("lon"))
    if lat is None or lon is None or abs(lat) > 90 or abs(lon) > 180:
        return None
    return lat, lon


def _number(value: Any) -> float | None:
    """A finite number, also as text; a JSON true is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < 1e15 else None


def _hertz(value: Any) -> float | None:
    mega = _number(value)
    return round(mega * 1e6, 1) if mega is not None and 0 < mega <= 1e6 else None


def _decibel(value: Any) -> float | None:
    level = _number(value)
    return level if level is not None and abs(level) <= 500 else None


def _word(value: Any) -> str | None:
    """An identity as text: ids are numbers for one decoder and letters for the next."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    return (str(_scalar(value)).strip() or None) if value != "" else None


def _scalar(value: Any) -> str | int | float | bool | None:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, float):
        return finite(value)  # a decoder's "nan" is no reading, and JSON has no word for it
    if isinstance(value, int):
        # The bound comes first: turning a number of thousands of digits into text is refused by Python.
        return value if abs(value) <= EXACT_MAX else (str(value) if value.bit_length() <= 512 else "huge")
    if isinstance(value, str):
        return value[:TEXT_MAX]
    return msgspec.json.encode(value)[:TEXT_MAX].decode("utf-8", "replace")


def _readings(record: Mapping[str, Any]) -> dict[str, str | int | float | bool | None]:
    """Every other field, bounded in number and length; lists and objects as their JSON text."""
    others = (name for name in record if name not in _NAMED)
    kept = [name for name, _ in zip(others, range(READINGS_MAX), strict=False)]
    return {name[:TEXT_MAX]: _scalar(record[name]) for name in kept}


class Rtl433Json:
    """Push parser of one receiver's lines or datagrams (a datagram ends like a line). `tz` is the zone of its
    times; `sensor_id` and `position` (latitude, longitude) say which receiver it is and where it stands."""

    def __init__(
        self, *, tz: tzinfo = UTC, sensor_id: str | None = None, position: tuple[float, float] | None = None
    ) -> None:
        self._tz = tz
        self._sensor_id = sensor_id
        self._position = position
        self._lines = LineCutter()

    def feed(self, data: bytes) -> Iterator[Item]:
        """Take more bytes, give what their lines hold."""
        for line in self._lines.feed(data):
            yield from self._items(line)

    def close(self) -> Iterator[Item]:
        """Settle a last line without a line end."""
        for line in self._lines.close():
            yield from self._items(line)

    def _items(self, line: Line) -> Iterator[Item]:
        offset, number, data = line
        if data is None:
            yield Reject(reason=Reason.TOO_LONG, offset=offset, line=number)
            return
        data = data.strip(b" \t\r\0").removeprefix(b"\xef\xbb\xbf")
        if data:
            yield self._item(data, Place(offset, number, raw_text(data)))

    def _item(self, data: bytes, place: Place) -> Item:
        """The one boundary: whatever a line holds, it becomes one item."""
        try:
            framed = _SYSLOG.match(data)
            said_at = framed[1].decode("latin-1") if framed and framed[1] else ""
            found = read_object(data[framed.end() :] if framed else data)
            if not isinstance(found, dict):
                return place.reject(found if data[:1] in b"{<" else Reason.NOT_THIS_FORMAT)
            burst = burst_of(found, self._sensor_id, self._position)
            if burst is None:
                return _IGNORED if _TALK & found.keys() else place.reject(Reason.BAD_PAYLOAD, "no model")
            stamp = found.get("time", said_at)
            ts = read_time(stamp if isinstance(stamp, str) else str(_scalar(stamp)), self._tz)
            return Observation(
                kind="rf.burst", payload=burst, ts=ts, offset=place.offset, line=place.line, text=place.text
            )
        except Exception as error:  # noqa: BLE001 - a hostile line costs itself, never the daemon
            return place.reject(Reason.BAD_PAYLOAD, type(error).__name__)
