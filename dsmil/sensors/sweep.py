"""Sweeps of hackrf_sweep and rtl_power (CSV) to `rf.sweep_peak`.

Both write `date, time, low Hz, high Hz, step Hz, samples, dB, dB, ...`, several rows a sweep, not in the order of
their frequencies. Rows of one time stamp are one sweep, so its floor is the floor of the whole band.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import UTC, tzinfo

import numpy as np
from msgspec import Struct

from dsmil.events.envelope import cut_text
from dsmil.events.rf import MIN_SNR_DB
from dsmil.sensors.lines import Line, LineCutter
from dsmil.sensors.record import Ignored, Item, Observation, Reason, Reject
from dsmil.sensors.spectrum import Array, sweep_peaks
from dsmil.sensors.times import read_time

LINE_BYTES_MAX = 512 * 1024
"""rtl_power writes a whole hop on one line: 2.8 MHz in 100 Hz bins are 28,000 values."""
BINS_MAX = 262_144
"""Bins of one sweep: 6 GHz at 25 kHz. A longer one is cut into several, so memory and time stay bounded."""
FREQ_HZ_MAX = 1e12

_HEAD = re.compile(rb"\s*\d{4}-\d\d-\d\d\s*,\s*\d\d:\d\d:\d\d(?:\.\d+)?\s*,\s*\d+(?:\.\d+)?\s*,\s*\d")
_IGNORED = Ignored()


def sniff(head: bytes, name: str) -> float:
    """How much the first row looks like a sweep, 0..1."""
    rows = [row for row in head[:65536].split(b"\n") if row.strip() and not row.startswith(b"#")]
    return 0.9 if rows and _HEAD.match(rows[0]) else 0.0


class _Row(Struct, frozen=True):
    stamp: str
    low_hz: float
    step_hz: float
    power_db: Array


def _read_row(text: str) -> _Row | tuple[Reason, str]:
    """One row, or why it is none."""
    cells = text.split(",")
    if len(cells) < 7:
        return Reason.NOT_THIS_FORMAT, f"{len(cells)} fields"
    try:
        low, high, step = (float(cell) for cell in cells[2:5])
        values = [_decibel(cell) for cell in cells[6:] if cell.strip()]
    except ValueError:
        return Reason.BAD_PAYLOAD, "not a number"
    if not (0 <= low < high <= FREQ_HZ_MAX and 0 < step <= high - low and math.isfinite(step)):
        return Reason.OUT_OF_RANGE, "frequencies"
    expected = (high - low) / step
    if len(values) > expected + 2:
        return Reason.OUT_OF_RANGE, f"{len(values)} values for {expected:.0f} steps"
    if len(values) < expected - 1:
        return Reason.TRUNCATED, f"{len(values)} values for {expected:.0f} steps"
    power = np.array(values, dtype=np.float64)
    if not np.isfinite(power).any():
        return Reason.BAD_PAYLOAD, "no value"
    return _Row(f"{cells[0].strip()} {cells[1].strip()}", low, step, power)


def _decibel(cell: str) -> float:
    """A level; what no receiver can show (infinite, beyond +-500 dB) becomes NaN and is left out."""
    level = float(cell)
    return level if abs(level) <= 500 else math.nan


class SweepCsv:
    """Push parser of one receiver's sweeps. The strongest bin of every sweep is told, and every peak of at least
    `min_snr_db` over the sweep's median. `tz` is the zone of the times, which name none."""

    def __init__(self, *, tz: tzinfo = UTC, min_snr_db: float = MIN_SNR_DB, sensor_id: str | None = None) -> None:
        self._tz = tz
        self._min_snr_db = min_snr_db
        self._sensor_id = sensor_id
        self._cutter = LineCutter(LINE_BYTES_MAX)
        self._rows: list[_Row] = []
        self._bins = 0
        self._first = (0, 0, "")  # offset, line and text of the sweep's first row

    def feed(self, data: bytes) -> Iterator[Item]:
        """Take more bytes, give the sweeps they complete."""
        for line in self._cutter.feed(data):
            yield from self._line(line)

    def close(self) -> Iterator[Item]:
        """Settle the last row and the last sweep."""
        for line in self._cutter.close():
            yield from self._line(line)
        yield from self._sweep()

    def _line(self, line: Line) -> Iterator[Item]:
        """The one boundary: a row that cannot be read costs itself."""
        offset, number, data = line
        if data is None:
            yield Reject(reason=Reason.TOO_LONG, offset=offset, line=number)
            return
        text = data.decode("utf-8", "replace").strip().removeprefix("\ufeff")
        if not text or text.startswith("#"):
            if text:
                yield _IGNORED
            return
        try:
            row = _read_row(text)
        except Exception as error:  # noqa: BLE001 - whatever a row holds must not stop the others
            row = Reason.BAD_PAYLOAD, type(error).__name__
        if isinstance(row, tuple):
            reason, detail = row
            yield Reject(reason=reason, detail=detail, offset=offset, line=number, text=cut_text(text))
            return
        if self._rows and (row.stamp != self._rows[0].stamp or self._bins + len(row.power_db) > BINS_MAX):
            yield from self._sweep()
        if not self._rows:
            self._first = (offset, number, cut_text(text))
        self._rows.append(row)
        self._bins += len(row.power_db)

    def _sweep(self) -> Iterator[Item]:
        """The rows so far are one sweep: its peaks, strongest first."""
        if not self._rows:
            return
        rows, self._rows, self._bins = self._rows, [], 0
        freq = np.concatenate([row.low_hz + (np.arange(len(row.power_db)) + 0.5) * row.step_hz for row in rows])
        power = np.concatenate([row.power_db for row in rows])
        order = np.argsort(freq, kind="stable")
        ts = read_time(rows[0].stamp, self._tz)
        offset, number, text = self._first
        records = len(rows)
        step = max(row.step_hz for row in rows)
        for peak in sweep_peaks(
            freq[order], power[order], step, min_snr_db=self._min_snr_db, sensor_id=self._sensor_id
        ):
            yield Observation(
                kind="rf.sweep_peak", payload=peak, ts=ts, offset=offset, line=number, text=text, records=records
            )
            records = 0
