"""SigMF recordings (`.sigmf-meta`, with its `.sigmf-data` when it is there) to `rf.emission` and `rf.sweep_peak`.

An annotation is somebody's word that an emission is there, so each is one record. Where nobody annotated, the
samples are looked at themselves. Times and place come from the capture an annotation lies in, else from the file.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from dsmil.events.envelope import cut_text
from dsmil.events.rf import Emission
from dsmil.sensors.record import Ignored, Item, Observation, Reason, Reject
from dsmil.sensors.samples import LOOK_SAMPLES_MAX, Layout, read_layout, spectrum_of
from dsmil.sensors.spectrum import Array, sweep_peaks
from dsmil.sensors.times import read_time

META_BYTES_MAX = 4 * 1024 * 1024
"""A meta file holds text about a recording; ten thousand annotations of a machine fit in."""
RECORDS_MAX = 65_536
"""Annotations read of one file."""
LOOKS_MAX = 256
"""Stretches of samples looked at in one file, so that a meta file of a thousand annotations stays quick."""
LABEL_MAX = 256


def sniff(head: bytes, name: str) -> float:
    """How much this looks like a SigMF meta file, 0..1."""
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"{":
        return 0.0
    if b'"core:datatype"' in head or b'"core:version"' in head:
        return 0.95
    return 0.7 if name.lower().endswith((".sigmf-meta", ".sigmf-collection")) else 0.0


class _Capture(Struct, frozen=True):
    """A stretch recorded without a break: from sample `start`, at `ts`, tuned to `freq_hz`."""

    start: int = 0
    ts: float | None = None
    freq_hz: float | None = None
    place: tuple[float, float] | None = None


class _Recording(Struct, frozen=True):
    """`captures` are in order and at least one."""

    captures: list[_Capture]
    annotations: list[Any]
    sample_rate_hz: float | None
    layout: Layout | None
    offset: int
    sensor_id: str | None

    def capture_at(self, sample: int) -> _Capture:
        """The last capture that begins at or before `sample`."""
        index = bisect_right(self.captures, sample, key=lambda capture: capture.start)
        return self.captures[index - 1] if index else _Capture(place=self.captures[0].place)


def _number(value: Any, low: float, high: float) -> float | None:
    """`value` as a number within [low, high], else null."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if low <= value <= high and math.isfinite(value) else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62 else None


def _text(value: Any) -> str | None:
    return (value.strip()[:LABEL_MAX] or None) if isinstance(value, str) else None


def _place(value: Any) -> tuple[float, float] | None:
    """(latitude, longitude) of a GeoJSON point, whose coordinates come the other way round."""
    coordinates = value.get("coordinates") if isinstance(value, dict) else None
    if (
        not isinstance(coordinates, list)
        or len(coordinates) < 2
        or (_text(value.get("type")) or "").lower() != "point"
    ):
        return None
    lon, lat = _number(coordinates[0], -180, 180), _number(coordinates[1], -90, 90)
    return (lat, lon) if lat is not None and lon is not None else None


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value[:RECORDS_MAX] if isinstance(item, dict)] if isinstance(value, list) else []


def _read_recording(meta: dict[str, Any]) -> _Recording:
    """The parts of a meta file that say something about emissions; what is missing or wrong is null."""
    head = meta["global"] if isinstance(meta.get("global"), dict) else {}
    place = _place(head.get("core:geolocation"))
    captures = [
        _Capture(
            start=_count(capture.get("core:sample_start")) or 0,
            ts=read_time(_text(capture.get("core:datetime")) or ""),
            freq_hz=_number(capture.get("core:frequency"), 0, 1e12),
            place=_place(capture.get("core:geolocation")) or place,
        )
        for capture in _objects(meta.get("captures"))
    ]
    annotations = meta.get("annotations")
    return _Recording(
        captures=sorted(captures, key=lambda capture: capture.start) or [_Capture(place=place)],
        annotations=annotations[:RECORDS_MAX] if isinstance(annotations, list) else [],
        sample_rate_hz=_number(head.get("core:sample_rate"), 1e-3, 1e12),
        layout=read_layout(_text(head.get("core:datatype")) or "", _count(head.get("core:num_channels")) or 1),
        offset=_count(head.get("core:offset")) or 0,
        sensor_id=_text(head.get("core:hw")) or _text(head.get("core:recorder")),
    )


class SigmfMeta:
    """Push parser of one meta file; everything is told at `close`, because JSON ends only there. `data_path` is the
    recording's samples (the caller has checked that it may be read)."""

    def __init__(self, *, data_path: Path | None = None) -> None:
        self._data_path = data_path
        self._chunks: list[bytes] = []
        self._size = 0
        self._looks = 0

    def feed(self, data: bytes) -> Iterator[Item]:
        """Take more bytes; nothing can be told yet."""
        self._size += len(data)
        if self._size <= META_BYTES_MAX:
            self._chunks.append(data)
        return iter(())

    def close(self) -> Iterator[Item]:
        """The one boundary: the file is whole, whatever it holds becomes items."""
        if not self._size:
            return
        if self._size > META_BYTES_MAX:
            yield Reject(reason=Reason.OVERSIZED, detail=f"{self._size} bytes")
            return
        data, self._chunks = b"".join(self._chunks).removeprefix(b"\xef\xbb\xbf"), []
        reason, detail = Reason.BAD_PAYLOAD, ""
        try:
            meta = msgspec.json.decode(data)
            if isinstance(meta, dict) and ("global" in meta or "collection" in meta):
                yield from self._items(_read_recording(meta))
                return
            reason, detail = Reason.NOT_THIS_FORMAT, "no global object"
        except RecursionError:
            reason = Reason.TOO_DEEP
        except msgspec.DecodeError as error:
            reason, detail = Reason.TRUNCATED if "truncated" in str(error) else reason, str(error)
        except UnicodeDecodeError:
            reason = Reason.INVALID_UTF8
        except Exception as error:  # noqa: BLE001 - a hostile meta file costs itself, never the daemon
            detail = type(error).__name__
        yield Reject(reason=reason, detail=detail, text=cut_text(data[:2048].decode("utf-8", "replace")))

    def _items(self, recording: _Recording) -> Iterator[Item]:
        told = False
        for index, annotation in enumerate(recording.annotations):
            told = True
            yield self._annotated(recording, annotation, index)
        for capture in [] if told else recording.captures:
            for item in self._heard(recording, capture):
                told = True
                yield item
        if not told:
            yield Ignored()  # a sound description that says nothing about any emission

    def _annotated(self, recording: _Recording, annotation: Any, index: int) -> Item:
        start = _count(annotation.get("core:sample_start")) if isinstance(annotation, dict) else None
        if start is None:
            return Reject(reason=Reason.BAD_PAYLOAD, detail=f"annotation {index} has no sample_start")
        count = _count(annotation.get("core:sample_count"))
        capture = recording.capture_at(start)
        rate = recording.sample_rate_hz
        lower = _number(annotation.get("core:freq_lower_edge"), -1e12, 1e12)
        upper = _number(annotation.get("core:freq_upper_edge"), -1e12, 1e12)
        begin = capture.ts + (start - capture.start) / rate if capture.ts is not None and rate else None
        level = self._level(recording, start, count, edges=(lower, upper), tuned_hz=capture.freq_hz or 0.0)
        emission = Emission(
            freq_lower_hz=lower,
            freq_upper_hz=upper,
            label=next((text for key in _LABELS if (text := _text(annotation.get(key)))), None),
            start_ts=begin,
            duration_s=count / rate if count is not None and rate else None,
            lat=capture.place[0] if capture.place else None,
            lon=capture.place[1] if capture.place else None,
            sample_start=start,
            sample_count=count,
            sample_rate_hz=rate,
            peak_dbfs=level[0] if level else None,
            noise_floor_dbfs=level[1] if level else None,
            snr_db=round(level[0] - level[1], 3) if level else None,
        )
        text = cut_text(msgspec.json.encode(annotation).decode("utf-8", "replace"))
        return Observation(kind="rf.emission", payload=emission, ts=begin, text=text)

    def _look(self, recording: _Recording, start: int, count: int) -> tuple[Array, Array] | None:
        """The spectrum of a stretch of samples; null without samples, or when enough has been looked at."""
        rate = recording.sample_rate_hz
        if self._data_path is None or recording.layout is None or rate is None or self._looks >= LOOKS_MAX:
            return None
        self._looks += 1
        try:
            at = max(0, start - recording.offset)
            return spectrum_of(self._data_path, recording.layout, at, count, sample_rate_hz=rate)
        except (OSError, ValueError, OverflowError):
            return None  # samples that cannot be read leave the description as it is

    def _level(
        self,
        recording: _Recording,
        start: int,
        count: int | None,
        *,
        edges: tuple[float | None, float | None],
        tuned_hz: float,
    ) -> tuple[float, float] | None:
        """(strongest bin between the edges, median of the whole spectrum) in dBFS."""
        look = self._look(recording, start, count or LOOK_SAMPLES_MAX)
        if look is None:
            return None
        freq, power = look[0] + tuned_hz, look[1]
        lower = edges[0] if edges[0] is not None else -math.inf
        upper = edges[1] if edges[1] is not None else math.inf
        inside = power[(freq >= lower) & (freq <= upper)]
        return (round(float(inside.max()), 3), round(float(np.median(power)), 3)) if len(inside) else None

    def _heard(self, recording: _Recording, capture: _Capture) -> Iterator[Item]:
        """The peaks at the beginning of a capture nobody annotated."""
        look = self._look(recording, capture.start, LOOK_SAMPLES_MAX)
        if look is None:
            return
        freq, power = look
        bin_hz = float(freq[1] - freq[0])
        peaks = sweep_peaks(freq + (capture.freq_hz or 0.0), power, bin_hz, sensor_id=recording.sensor_id)
        for index, peak in enumerate(peaks):
            yield Observation(kind="rf.sweep_peak", payload=peak, ts=capture.ts, records=0 if index else 1)


_LABELS = ("core:label", "core:description", "core:comment")
"""Where an annotation is named: since 1.0, before it, and as free text."""
