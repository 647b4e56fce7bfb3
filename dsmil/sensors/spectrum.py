"""Finds what stands out of a power spectrum: the floor, the peaks above it, how wide they are.

The floor is the median of the bins: emissions are few and narrow, so half the bins show noise. The strongest bin
is always told, however weak, because it carries the floor with it and a rising floor is what jamming looks like.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from dsmil.events.rf import MIN_SNR_DB, SweepPeak

PEAKS_MAX = 64
"""Peaks told of one spectrum; a sweep with more is full, and its floor says so."""

Array = NDArray[np.float64]


class Peak(Struct, frozen=True):
    """`first` and `last` are the bins (inclusive) that reach half the peak's height above the floor, in dB."""

    index: int
    first: int
    last: int


def find_peaks(power_db: Array, floor_db: float, *, min_snr_db: float = MIN_SNR_DB) -> list[Peak]:
    """The peaks of a spectrum without NaN, strongest first; at least one. Bins inside a stronger peak are part of
    it."""
    order = np.argsort(power_db, kind="stable")[::-1]
    taken = np.zeros(len(power_db), dtype=bool)
    peaks: list[Peak] = []
    for index in order.tolist():
        if peaks and (power_db[index] < floor_db + min_snr_db or len(peaks) == PEAKS_MAX):
            break
        if taken[index]:
            continue
        level = floor_db + (power_db[index] - floor_db) / 2
        above = power_db >= level
        below_left = np.flatnonzero(~above[:index])
        below_right = np.flatnonzero(~above[index:])
        first = int(below_left[-1]) + 1 if len(below_left) else 0
        last = index + int(below_right[0]) - 1 if len(below_right) else len(power_db) - 1
        taken[first : last + 1] = True
        peaks.append(Peak(index, first, max(first, last)))
    return peaks


def sweep_peaks(
    freq_hz: Array,
    power_db: Array,
    bin_hz: float,
    *,
    min_snr_db: float = MIN_SNR_DB,
    sensor_id: str | None = None,
) -> list[SweepPeak]:
    """The peaks of a spectrum; its bins stand in rising order of their centre frequency, NaN bins are left out."""
    sound = np.isfinite(power_db)
    freq_hz, power_db = freq_hz[sound], power_db[sound]
    if not len(power_db):
        return []
    floor = float(np.median(power_db))
    return [
        SweepPeak(
            freq_hz=float(freq_hz[peak.index]),
            bandwidth_hz=float(freq_hz[peak.last] - freq_hz[peak.first]) + bin_hz,
            peak_dbfs=round(float(power_db[peak.index]), 3),
            noise_floor_dbfs=round(floor, 3),
            snr_db=round(float(power_db[peak.index]) - floor, 3),
            sensor_id=sensor_id,
        )
        for peak in find_peaks(power_db, floor, min_snr_db=min_snr_db)
    ]
