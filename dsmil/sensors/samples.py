"""Reads the samples of a SigMF recording and looks at a stretch of them: spectrum, floor, strongest bin.

Recordings may be terabytes; every look is bounded, and the file is never loaded whole.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from msgspec import Struct

from dsmil.sensors.spectrum import Array

LOOK_SAMPLES_MAX = 131_072
"""Samples of one look: 128 averaged spectra of 1024 bins, some ten milliseconds of work."""
BINS = 1024

_DATATYPE = re.compile(r"(c|r)(f64|f32|i32|i16|u32|u16|i8|u8)(_le|_be)?\Z")


class Layout(Struct, frozen=True):
    """How samples lie in the file: numpy type of one number, numbers a sample, full scale and its middle."""

    dtype: str
    is_complex: bool
    channels: int
    scale: float
    middle: float

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample over all channels."""
        return np.dtype(self.dtype).itemsize * self.channels * (2 if self.is_complex else 1)


def read_layout(datatype: str, channels: int) -> Layout | None:
    """The layout SigMF's `core:datatype` names (`cf32_le`, `ri16_le`, `cu8`...); null where it names none."""
    match = _DATATYPE.match(datatype)
    if match is None or not 1 <= channels <= 64:
        return None
    kind, number, order = match.groups()
    bits = int(number[1:])
    unsigned, whole = number[0] == "u", number[0] != "f"
    dtype = f"{'>' if order == '_be' else '<'}{number[0]}{bits // 8}"
    scale = 2.0 ** (bits - 1) if whole else 1.0
    return Layout(dtype, kind == "c", channels, scale, scale if unsigned else 0.0)


def spectrum_of(
    path: Path, layout: Layout, start: int, count: int, *, sample_rate_hz: float
) -> tuple[Array, Array] | None:
    """(offset from the centre in Hz, dBFS) of the bins of channel 0, averaged by Welch's method over up to
    `LOOK_SAMPLES_MAX` samples; null where fewer than `BINS` are there. A full-scale sine has 0 dBFS."""
    numbers = layout.channels * (2 if layout.is_complex else 1)
    count = min(count, LOOK_SAMPLES_MAX)
    raw = np.fromfile(path, dtype=layout.dtype, count=count * numbers, offset=start * layout.sample_bytes)
    frames = raw[: len(raw) // numbers * numbers].reshape(-1, numbers).astype(np.float64)
    frames = (frames - layout.middle) / layout.scale
    if len(frames) < BINS:
        return None
    samples = frames[:, 0] + 1j * frames[:, 1] if layout.is_complex else frames[:, 0]
    # Imported here: half a second and 60 MB that no live receiver needs.
    from scipy.signal import welch  # noqa: PLC0415

    freq, power = welch(
        np.nan_to_num(samples, posinf=0.0, neginf=0.0),
        fs=sample_rate_hz,
        nperseg=BINS,
        scaling="spectrum",
        detrend=False,
        return_onesided=not layout.is_complex,
    )
    order = np.argsort(freq)
    level = 10.0 * np.log10(np.maximum(power[order], 1e-30)) + (0.0 if layout.is_complex else 3.0103)
    return freq[order], level
