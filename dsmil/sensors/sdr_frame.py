"""Frames of software receivers (JSON, over HTTP or as lines): strict bounds, the 12 dB gate, the cooldown.

A frame is one spectrum's strongest bin. Raw samples do not belong here, so an unknown field is refused instead of
dropped, and the sender learns which one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from dsmil.events.rf import MIN_SNR_DB, Frame
from dsmil.sensors.json_records import Place, raw_text
from dsmil.sensors.lines import Line, LineCutter
from dsmil.sensors.record import Ignored, Item, Observation, Reason, Reject
from dsmil.sensors.times import SECONDS_MAX

COOLDOWN_S = 1.0
"""Least time between two kept frames of one sensor in one bucket."""
BUCKET_HZ = 5_000.0
"""Width of a bucket: drifting of a transmitter within it is the same emission."""
BUCKETS_MAX = 4096
"""Buckets remembered; the oldest is forgotten first, which at worst keeps a frame too many."""

Freq = Annotated[float, Meta(gt=0, le=1e12)]
Level = Annotated[float, Meta(ge=-300, le=20)]


class _Given(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The frame as it comes, with the bounds of its fields."""

    sensor_id: Annotated[str, Meta(min_length=1, max_length=128)]
    sequence: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    timestamp: Annotated[float, Meta(ge=0, le=SECONDS_MAX)] | None = None
    center_frequency_hz: Freq
    peak_frequency_hz: Freq
    sample_rate_hz: Annotated[float, Meta(gt=0, le=1e10)] | None = None
    peak_dbfs: Level
    noise_floor_dbfs: Level
    lat: Annotated[float, Meta(ge=-90, le=90)] | None = None
    lon: Annotated[float, Meta(ge=-180, le=180)] | None = None


class BadFrame(ValueError):
    """A frame that is refused; the text names the field."""


def read_frame(given: bytes | dict[str, Any]) -> tuple[Frame, float | None]:
    """(frame, Unix seconds or null) of a JSON text or its decoded object; BadFrame says what is wrong with it."""
    try:
        frame = (
            msgspec.json.decode(given, type=_Given)
            if isinstance(given, bytes)
            else msgspec.convert(given, _Given)
        )
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadFrame(f"read frame: {error or 'nested too deep'}") from None
    values = msgspec.structs.asdict(frame)
    bad = [name for name, value in values.items() if isinstance(value, float) and not math.isfinite(value)]
    if bad:
        raise BadFrame(f"read frame: {bad[0]} is not a finite number")
    if (frame.lat is None) != (frame.lon is None):
        raise BadFrame("read frame: lat and lon belong together")
    ts = values.pop("timestamp")
    return Frame(snr_db=round(frame.peak_dbfs - frame.noise_floor_dbfs, 6), **values), ts


def frame_schema() -> dict[str, Any]:
    """The JSON schema of a frame, for those who document it."""
    (found,) = msgspec.json.schema_components([_Given])[1].values()
    return {**found, "title": "SdrFrame"}


class Gate:
    """Keeps a frame of at least `min_snr_db`, unless one of its sensor and bucket was kept less than `cooldown_s`
    ago (before or after: frames may come out of order)."""

    def __init__(self, *, min_snr_db: float = MIN_SNR_DB, cooldown_s: float = COOLDOWN_S) -> None:
        self._min_snr_db = min_snr_db
        self._cooldown_s = cooldown_s
        self._kept: dict[tuple[str, int], float] = {}

    def keeps(self, frame: Frame, at: float) -> bool:
        """Whether `frame`, seen at `at` seconds (its own time, else the receiver's), is to be kept."""
        if frame.snr_db < self._min_snr_db:
            return False
        bucket = _bucket(frame)
        last = self._kept.get(bucket)
        if last is not None and abs(at - last) < self._cooldown_s:
            return False
        self._kept.pop(bucket, None)
        self._kept[bucket] = at
        if len(self._kept) > BUCKETS_MAX:
            del self._kept[next(iter(self._kept))]
        return True

    def release(self, frame: Frame) -> None:
        """A frame that was to be kept went nowhere: the next like it, or it again, is not held back for it."""
        self._kept.pop(_bucket(frame), None)


def _bucket(frame: Frame) -> tuple[str, int]:
    return frame.sensor_id, int(frame.peak_frequency_hz // BUCKET_HZ)


def sniff(head: bytes, name: str) -> float:
    """How much the first line looks like a frame, 0..1."""
    first = head.lstrip().partition(b"\n")[0]
    return 0.95 if first[:1] == b"{" and b'"peak_frequency_hz"' in first and b'"sensor_id"' in first else 0.0


class SdrFrame:
    """Push parser of frames as JSON lines. A frame without its own time passes no cooldown but the gate."""

    def __init__(self, *, min_snr_db: float = MIN_SNR_DB, cooldown_s: float = COOLDOWN_S) -> None:
        self._gate = Gate(min_snr_db=min_snr_db, cooldown_s=cooldown_s)
        self._untimed = Gate(min_snr_db=min_snr_db, cooldown_s=0.0)
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
        elif data.strip():
            yield self._item(data.strip(), Place(offset, number, raw_text(data)))

    def _item(self, data: bytes, place: Place) -> Item:
        try:
            frame, ts = read_frame(data)
        except BadFrame as error:
            return place.reject(Reason.BAD_PAYLOAD if data[:1] == b"{" else Reason.NOT_THIS_FORMAT, str(error))
        if not (self._untimed.keeps(frame, 0.0) if ts is None else self._gate.keeps(frame, ts)):
            return Ignored()
        return Observation(
            kind="rf.frame", payload=frame, ts=ts, offset=place.offset, line=place.line, text=place.text
        )
