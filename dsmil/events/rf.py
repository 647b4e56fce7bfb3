"""Radio observations: bursts, annotated emissions, sweep peaks, receiver frames.

Frequencies in Hz, powers in dB as the receiver gives them (dBFS where the name says so).
"""

from __future__ import annotations

from msgspec import Struct

MIN_SNR_DB = 12.0
"""What counts as a signal (spec-originals 2b: keep if >= 12 dB)."""


class Burst(Struct, frozen=True, kw_only=True):
    """Kind `rf.burst`: one decoded transmission of rtl_433. `readings` holds every other field it printed."""

    model: str
    device_id: str | None = None
    channel: str | None = None
    freq_hz: float | None = None
    freq2_hz: float | None = None
    rssi_db: float | None = None
    snr_db: float | None = None
    noise_db: float | None = None
    modulation: str | None = None
    readings: dict[str, str | int | float | bool | None] = {}
    lat: float | None = None
    lon: float | None = None
    sensor_id: str | None = None


class SweepPeak(Struct, frozen=True, kw_only=True):
    """Kind `rf.sweep_peak`: a peak of one sweep; `bandwidth_hz` at half the peak's height above the floor."""

    freq_hz: float
    bandwidth_hz: float | None = None
    peak_dbfs: float | None = None
    noise_floor_dbfs: float | None = None
    snr_db: float | None = None
    sensor_id: str | None = None


class Emission(Struct, frozen=True, kw_only=True):
    """Kind `rf.emission`: an annotated stretch of a SigMF recording. `start_ts` Unix seconds where known."""

    freq_lower_hz: float | None = None
    freq_upper_hz: float | None = None
    label: str | None = None
    start_ts: float | None = None
    duration_s: float | None = None
    lat: float | None = None
    lon: float | None = None
    sample_start: int | None = None
    sample_count: int | None = None
    sample_rate_hz: float | None = None
    peak_dbfs: float | None = None
    noise_floor_dbfs: float | None = None
    snr_db: float | None = None


class Frame(Struct, frozen=True, kw_only=True):
    """Kind `rf.frame`: one spectrum frame of a software receiver (design 2: bounds in sensors/sdr_frame.py)."""

    sensor_id: str
    sequence: int | None = None
    center_frequency_hz: float
    peak_frequency_hz: float
    sample_rate_hz: float | None = None
    peak_dbfs: float
    noise_floor_dbfs: float
    snr_db: float
    lat: float | None = None
    lon: float | None = None
