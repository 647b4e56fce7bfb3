"""Sweep rows of one time stamp are one sweep, and a planted carrier is found where it is, as high as it is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dsmil.events.rf import SweepPeak
from dsmil.sensors.record import Ignored, Item, Observation, Reason, Reject, Tally
from dsmil.sensors.spectrum import PEAKS_MAX, find_peaks
from dsmil.sensors.sweep import SweepCsv, sniff


def row(second: int, low: int, levels: list[float], step: int = 1000) -> str:
    values = ", ".join(f"{level:.2f}" for level in levels)
    return f"2026-11-21, 01:34:{second:02d}, {low}, {low + step * len(levels)}, {step}.00, 20, {values}"


def read(text: str, size: int = 1 << 20, **options: float) -> list[Item]:
    parser, data = SweepCsv(**options), text.encode()  # type: ignore[arg-type]
    items = [item for at in range(0, len(data), size) for item in parser.feed(data[at : at + size])]
    return items + list(parser.close())


def noise(count: int, seed: int = 1) -> list[float]:
    return list(np.random.default_rng(seed).normal(-70.0, 1.0, count).round(2))


def test_a_planted_carrier_is_found_with_its_width_and_height() -> None:
    levels = noise(100)
    levels[40:43] = [-45.0, -40.0, -46.0]
    (item,) = read(row(1, 433_000_000, levels))
    assert isinstance(item, Observation)
    peak = item.payload
    assert isinstance(peak, SweepPeak)
    assert (peak.freq_hz, peak.peak_dbfs, peak.bandwidth_hz) == (433_041_500.0, -40.0, 3000.0)
    assert peak.noise_floor_dbfs == pytest.approx(-70.0, abs=0.5)
    assert peak.snr_db == pytest.approx(30.0, abs=0.5)
    assert (item.ts, item.records) == (1795224841.0, 1)


def test_rows_of_one_time_stamp_are_one_sweep_in_any_order() -> None:
    carrier = [-70.0] * 5
    carrier[2] = -30.0
    text = "\n".join(
        [
            row(1, 2_400_010_000, [-70.0] * 5),
            row(1, 2_400_000_000, [-70.0] * 5),
            row(1, 2_400_005_000, carrier),
            row(2, 2_400_000_000, [-60.0] * 5),
        ]
    )
    first, second = read(text)
    assert isinstance(first, Observation)
    assert isinstance(second, Observation)
    assert (first.records, second.records) == (3, 1)
    assert first.payload == SweepPeak(
        freq_hz=2_400_007_500.0, bandwidth_hz=1000.0, peak_dbfs=-30.0, noise_floor_dbfs=-70.0, snr_db=40.0
    )
    assert isinstance(second.payload, SweepPeak)
    assert second.payload.noise_floor_dbfs == -60.0


def test_a_sweep_of_noise_tells_its_floor_and_nothing_more() -> None:
    items = read(row(1, 433_000_000, noise(1000)))
    (peak,) = [item.payload for item in items if isinstance(item, Observation)]
    assert isinstance(peak, SweepPeak)
    assert peak.snr_db is not None
    assert peak.snr_db < 12


def test_peaks_come_strongest_first_and_are_bounded() -> None:
    levels = [-70.0] * 400
    for index in range(0, 400, 4):
        levels[index] = -40.0 - index / 100
    found = [item for item in read(row(1, 433_000_000, levels)) if isinstance(item, Observation)]
    heights = [item.payload.peak_dbfs for item in found]  # type: ignore[attr-defined]
    assert heights == sorted(heights, reverse=True)
    assert len(found) == PEAKS_MAX
    assert [item.records for item in found] == [1] + [0] * (PEAKS_MAX - 1)


def test_a_weak_peak_beside_the_gate() -> None:
    levels = np.full(100, -70.0)
    levels[10], levels[50], levels[80] = -30.0, -58.0, -58.1
    assert [peak.index for peak in find_peaks(levels, -70.0)] == [10, 50]


def test_values_that_are_no_number_are_left_out() -> None:
    text = row(1, 433_000_000, [-70.0] * 9).replace("-70.00", "nan", 2).replace("-70.00", "-inf", 1)
    (item,) = read(text)
    assert isinstance(item, Observation)
    assert item.payload.noise_floor_dbfs == -70.0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("88050000.0,-25.78", Reason.NOT_THIS_FORMAT),
        ("a,b,c,d,e,f,g", Reason.BAD_PAYLOAD),
        ("2026-11-21, 01:34:01, 10, 5, 1, 20, -70", Reason.OUT_OF_RANGE),
        ("2026-11-21, 01:34:01, 0, 5000000, 0, 20, -70", Reason.OUT_OF_RANGE),
        ("2026-11-21, 01:34:01, 0, 5000000, nan, 20, -70", Reason.OUT_OF_RANGE),
        ("2026-11-21, 01:34:01, 0, 2, 1, 20" + ", -70" * 9, Reason.OUT_OF_RANGE),
        ("2026-11-21, 01:34:01, 0, 9, 1, 20, -70, -7", Reason.TRUNCATED),
        ("2026-11-21, 01:34:01, 0, 2, 1, 20, nan, nan", Reason.BAD_PAYLOAD),
    ],
)
def test_a_row_that_cannot_be_read_costs_only_itself(text: str, reason: Reason) -> None:
    items = read(f"# comment\n{text}\n{row(1, 433_000_000, [-70.0] * 9)}\n")
    assert items[0] == Ignored()
    assert [item.reason for item in items if isinstance(item, Reject)] == [reason]
    assert sum(isinstance(item, Observation) for item in items) == 1


def test_any_cut_gives_the_same_items() -> None:
    text = "\n".join(row(second, 433_000_000, noise(20, second)) for second in range(5))
    assert read(text, 1) == read(text, 100) == read(text)


@pytest.mark.data
@pytest.mark.parametrize("name", ["hackrf_sweep-docs.csv", "rtl_power-cocolo3.csv", "rtl_power-nhkfm3.csv"])
def test_shared_sweeps_have_the_rows_and_the_highest_bin_of_the_truth(shared_data: Path, name: str) -> None:
    truth = json.loads((shared_data / "rf" / "expected" / "rf.json").read_text())[name]
    text = (shared_data / "rf" / "sweep" / name).read_text()
    tally = Tally()
    items = read(text)
    for item in items:
        tally.add(item)
    assert (tally.received, tally.accepted) == (truth["rows"], truth["rows"])
    peaks = [item.payload for item in items if isinstance(item, Observation)]
    highest = max((peak.peak_dbfs, peak.freq_hz) for peak in peaks)  # type: ignore[attr-defined]
    assert highest == (truth["max_dB"], truth["max_dB_near_Hz"])
    assert sniff(text.encode()[:65536], name) > 0.8
