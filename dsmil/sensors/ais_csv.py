"""Tables of AIS reports as CSV: MarineCadastre (NOAA) and the Danish Maritime Authority, columns by header name.

A row is one received record and becomes one `ais.position`. Such tables repeat a ship's name and type in every
row; that is told as `ais.static` once and again whenever it changes, not once per row.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from typing import Any

from msgspec import Struct

from dsmil.events.ais import Aton, Base, Position, Static
from dsmil.events.envelope import cut_text
from dsmil.sensors.ais_words import code_of, nav_status_of, ship_type_of
from dsmil.sensors.lines import LineCutter
from dsmil.sensors.record import Ignored, Item, Observation, Reason, Reject
from dsmil.sensors.times import read_time

SHIPS_MAX = 65_536
"""Ships whose static data is remembered: a day of one country's waters has 20,000; beyond it is told again."""
COLUMNS_MAX = 64
"""Fields of a row: the widest table known has 26."""

_ALIASES = {
    "mmsi": ("mmsi",),
    "time": ("basedatetime", "timestamp", "tstamp", "time", "datetime", "basedatetimeutc", "timestamputc"),
    "lat": ("lat", "latitude", "ydecimaldegrees"),
    "lon": ("lon", "longitude", "long", "lng", "xdecimaldegrees"),
    "sog": ("sog", "speed", "speedoverground"),
    "cog": ("cog", "course", "courseoverground"),
    "heading": ("heading", "trueheading"),
    "rot": ("rot", "rateofturn"),
    "status": ("status", "navstatus", "navigationalstatus", "navigationstatus"),
    "class": ("transceiverclass", "transceiver", "typeofmobile"),
    "name": ("vesselname", "name", "shipname"),
    "imo": ("imo",),
    "callsign": ("callsign",),
    "type": ("vesseltype", "shiptype"),
    "draught": ("draft", "draught"),
    "destination": ("destination",),
    "eta": ("eta",),
    "bow": ("a",),
    "stern": ("b",),
    "port": ("c",),
    "starboard": ("d",),
}
_NEEDED = ("mmsi", "lat", "lon")
_MSG_TYPES = {"a": (1, 5), "class a": (1, 5), "b": (18, 24), "class b": (18, 24), "sar airborne": (9, 5)}
"""(position, static) message types a transceiver of that class sends; 0 where the table does not say."""
_IGNORED = Ignored()


class _BadRow(ValueError):
    """A row that is refused; `reason` says why."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def sniff(head: bytes, name: str) -> float:
    """How much the first line looks like the header of such a table, 0..1."""
    first = head.lstrip(b"\xef\xbb\xbf\r\n ").partition(b"\n")[0]
    return 0.9 if _columns(_split(first.decode("utf-8", "replace"), _delimiter(first))) else 0.0


def _delimiter(header: bytes) -> str:
    """The separator that occurs most in the header."""
    return max(",;\t|", key=lambda mark: header.count(mark.encode()))


def _split(line: str, delimiter: str) -> list[str]:
    """The cells of a line; where its quotes make no sense they are taken as letters."""
    if '"' in line:
        with suppress(csv.Error):
            return next(csv.reader([line], delimiter=delimiter), [])
    return line.split(delimiter)


def _columns(names: list[str]) -> dict[str, int]:
    """Field -> place in the row; empty where the needed columns are not all there."""
    plain = ["".join(letter for letter in name.lower() if letter.isalnum()) for name in names[:COLUMNS_MAX]]
    found = {
        field: plain.index(word) for field, words in _ALIASES.items() for word in words[::-1] if word in plain
    }
    return found if all(field in found for field in _NEEDED) else {}


class AisCsv:
    """Push parser of one table. `tz` is the zone of its times (both known tables are in UTC)."""

    def __init__(self, *, tz: tzinfo = UTC) -> None:
        self._tz = tz
        self._cutter = LineCutter()
        self._columns: dict[str, int] = {}
        self._header = ""
        self._delimiter = ","
        self._width = 0
        self._told: dict[int, Static] = {}

    def feed(self, data: bytes) -> Iterator[Item]:
        """Take more bytes, give what they complete."""
        for offset, number, line in self._cutter.feed(data):
            yield from self._line(line, offset, number)

    def close(self) -> Iterator[Item]:
        """The table has ended: settle a last row without line end."""
        for offset, number, line in self._cutter.close():
            yield from self._line(line, offset, number)

    def _line(self, line: bytes | None, offset: int, number: int) -> Iterator[Item]:
        """The one boundary: what a row does wrong costs that row."""
        text = (line or b"").decode("utf-8", "replace").lstrip("\ufeff")
        reason, detail = Reason.TOO_LONG, "line"
        if line is not None:
            if not text.strip():
                return
            if text == self._header or (not self._header and self._read_header(text)):
                yield _IGNORED
                return
            try:
                yield from self._row(_split(text, self._delimiter), offset, number, text=cut_text(text))
                return
            except _BadRow as error:
                reason, detail = error.reason, str(error)
            except Exception as error:  # noqa: BLE001 - a row of any content must cost only itself
                reason, detail = Reason.BAD_PAYLOAD, type(error).__name__
        yield Reject(reason=reason, detail=detail, offset=offset, line=number, text=cut_text(text))

    def _read_header(self, text: str) -> bool:
        self._delimiter = _delimiter(text.encode())
        names = _split(text, self._delimiter)
        self._columns = _columns(names)
        if self._columns:
            self._header, self._width = text, len(names)
        return bool(self._columns)

    def _row(self, cells: list[str], offset: int, number: int, *, text: str) -> Iterator[Item]:
        if not self._columns:
            raise _BadRow(Reason.NOT_THIS_FORMAT, "no header with MMSI, latitude and longitude")
        if len(cells) < self._width:
            raise _BadRow(Reason.TRUNCATED, f"{len(cells)} of {self._width} columns")
        row = {field: cells[place].strip() for field, place in self._columns.items()}
        ts = read_time(row.get("time", ""), self._tz)
        types = _MSG_TYPES.get(row.get("class", "").lower(), (0, 0))
        position = _position(row, types[0])
        kind, payload = _told_by(row, position)
        yield Observation(kind=kind, payload=payload, ts=ts, offset=offset, line=number, text=text)
        static = _static(row, position.mmsi, types[1]) if payload is position else None
        if static is not None and self._told.get(position.mmsi) != static:
            self._told.pop(position.mmsi, None)
            self._told[position.mmsi] = static
            if len(self._told) > SHIPS_MAX:
                del self._told[next(iter(self._told))]
            yield Observation(
                kind="ais.static", payload=static, ts=ts, offset=offset, line=number, text=text, records=0
            )


def _number(text: str | None, low: float, high: float) -> float | None:
    """The number where it is in [low, high), else null: blank, torn and "not available" alike."""
    try:
        number = float(text) if text else math.nan
    except ValueError:
        return None
    return number if low <= number < high else None


def _degrees(text: str, limit: float) -> float | None:
    """A coordinate; null where blank or `limit + 1` (not available). Others beyond the limit are refused."""
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        raise _BadRow(Reason.BAD_PAYLOAD, "coordinate is not a number") from None
    if number == limit + 1:
        return None
    if not abs(number) <= limit:
        raise _BadRow(Reason.OUT_OF_RANGE, f"coordinate beyond {limit:.0f}")
    return number


def _position(row: dict[str, str], msg_type: int) -> Position:
    mmsi = row["mmsi"]
    if not (mmsi.isascii() and mmsi.isdigit() and 0 < len(mmsi) <= 9):
        raise _BadRow(Reason.BAD_PAYLOAD, "MMSI is not a number of up to 9 digits")
    lat, lon = _degrees(row["lat"], 90.0), _degrees(row["lon"], 180.0)
    known = lat is not None and lon is not None
    return Position(
        mmsi=int(mmsi),
        msg_type=msg_type,
        lat=lat if known else None,
        lon=lon if known else None,
        sog_kn=_number(row.get("sog"), 0.0, 102.3),
        cog_deg=_number(row.get("cog"), 0.0, 360.0),
        heading_deg=_number(row.get("heading"), 0.0, 360.0),
        rot_deg_min=_number(row.get("rot"), -720.0, 720.1),
        nav_status=nav_status_of(row.get("status", "")),
    )


def _told_by(row: dict[str, str], position: Position) -> tuple[str, Struct]:
    """(kind, payload): the Danish tables hold base stations and aids to navigation beside ships."""
    sender = row.get("class", "").lower()
    place: dict[str, Any] = {"mmsi": position.mmsi, "lat": position.lat, "lon": position.lon}
    if sender == "base station":
        return "ais.base", Base(msg_type=4, **place)
    if sender == "aton":
        return "ais.aton", Aton(msg_type=21, name=_words(row.get("name")), **place)
    return "ais.position", position


def _words(text: str | None) -> str | None:
    """A name; null where blank or only padding."""
    plain = (text or "").partition("@")[0].strip()
    return plain if plain and plain.lower() not in ("unknown", "undefined") else None


def _eta(text: str) -> str | None:
    """`MM-DDTHH:MM` UTC, as the messages themselves have it."""
    seconds = read_time(text)
    return datetime.fromtimestamp(seconds, UTC).strftime("%m-%dT%H:%M") if seconds is not None else None


def _static(row: dict[str, str], mmsi: int, msg_type: int) -> Static | None:
    """What the row says of the ship itself; null where it says nothing."""
    sizes = [_number(row.get(side), 0.0, 512.0) for side in ("bow", "stern", "port", "starboard")]
    bow, stern, port, starboard = (int(size) if size is not None and any(sizes) else None for size in sizes)
    static = Static(
        mmsi=mmsi,
        msg_type=msg_type,
        imo=code_of(row.get("imo", "").upper().removeprefix("IMO"), 9_999_999),
        callsign=_words(row.get("callsign")),
        name=_words(row.get("name")),
        ship_type=ship_type_of(row.get("type", "")),
        dim_bow_m=bow,
        dim_stern_m=stern,
        dim_port_m=port,
        dim_starboard_m=starboard,
        draught_m=_number(row.get("draught"), 0.1, 25.6),
        destination=_words(row.get("destination")),
        eta=_eta(row.get("eta", "")),
    )
    return static if static != Static(mmsi=mmsi, msg_type=msg_type) else None
