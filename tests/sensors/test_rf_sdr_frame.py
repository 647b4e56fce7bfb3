"""Frames of software receivers: strict bounds, the 12 dB gate and the cooldown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dsmil.events.rf import Frame
from dsmil.sensors.record import Ignored, Item, Observation, Reason, Reject
from dsmil.sensors.sdr_frame import BUCKETS_MAX, BadFrame, Gate, SdrFrame, read_frame, sniff

GOOD: dict[str, Any] = {
    "sensor_id": "roof",
    "sequence": 7,
    "timestamp": 1795224852.5,
    "center_frequency_hz": 433_900_000,
    "peak_frequency_hz": 433_920_000.0,
    "sample_rate_hz": 2_400_000,
    "peak_dbfs": -40.0,
    "noise_floor_dbfs": -70.0,
    "lat": 57.5,
    "lon": 11.25,
}


def frame(**more: Any) -> Frame:
    return read_frame(GOOD | more)[0]


def test_row_39_a_good_frame_keeps_hertz_decibels_and_place() -> None:
    found, ts = read_frame(json.dumps(GOOD).encode())
    assert ts == 1795224852.5
    assert found == Frame(
        sensor_id="roof",
        sequence=7,
        center_frequency_hz=433_900_000.0,
        peak_frequency_hz=433_920_000.0,
        sample_rate_hz=2_400_000.0,
        peak_dbfs=-40.0,
        noise_floor_dbfs=-70.0,
        snr_db=30.0,
        lat=57.5,
        lon=11.25,
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sensor_id", ""),
        ("sensor_id", "x" * 129),
        ("sensor_id", 5),
        ("sequence", -1),
        ("sequence", 1.5),
        ("timestamp", -1),
        ("timestamp", 1e13),
        ("center_frequency_hz", 0),
        ("center_frequency_hz", 1.1e12),
        ("peak_frequency_hz", -5.0),
        ("sample_rate_hz", 0),
        ("sample_rate_hz", 1.1e10),
        ("peak_dbfs", 20.1),
        ("peak_dbfs", -300.1),
        ("noise_floor_dbfs", 21),
        ("peak_dbfs", "loud"),
        ("peak_dbfs", None),
        ("lat", 90.1),
        ("lon", -180.1),
        ("lon", None),
        ("iq", [0, 1]),
        ("peak_dbfs", float("nan")),
        ("noise_floor_dbfs", float("-inf")),
        ("timestamp", float("nan")),
        ("lat", float("nan")),
    ],
)
def test_row_39_a_frame_out_of_bounds_is_refused(field: str, value: Any) -> None:
    given = GOOD | {field: value}
    for form in (given, json.dumps(given).encode()):
        with pytest.raises(BadFrame, match="read frame: "):
            read_frame(form)


@pytest.mark.parametrize("field", ["sensor_id", "center_frequency_hz", "peak_frequency_hz", "peak_dbfs"])
def test_row_39_a_missing_field_is_named(field: str) -> None:
    with pytest.raises(BadFrame, match=field):
        read_frame({name: value for name, value in GOOD.items() if name != field})


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"sensor_id":' + b"9" * 5000])
def test_row_39_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(BadFrame):
        read_frame(data)


def test_row_39_bounds_are_inclusive() -> None:
    frame(
        center_frequency_hz=1e12, peak_frequency_hz=1e12, sample_rate_hz=1e10, peak_dbfs=20, noise_floor_dbfs=-300
    )


def test_row_39_the_gate_keeps_12_db_and_more() -> None:
    gate = Gate()
    assert gate.keeps(frame(peak_dbfs=-58.0), 0.0)
    assert not gate.keeps(frame(peak_dbfs=-58.01, sensor_id="other"), 0.0)


def test_row_39_the_cooldown_is_a_second_per_sensor_and_5_khz() -> None:
    gate = Gate()
    assert gate.keeps(frame(), 10.0)
    assert not gate.keeps(frame(), 10.999)
    assert not gate.keeps(frame(peak_frequency_hz=433_924_999.0), 10.5)
    assert gate.keeps(frame(peak_frequency_hz=433_925_000.0), 10.5)
    assert gate.keeps(frame(sensor_id="mast"), 10.5)
    assert gate.keeps(frame(), 11.0)
    assert gate.keeps(frame(), 5.0)  # a recording begun again


def test_a_weak_frame_starts_no_cooldown() -> None:
    gate = Gate()
    assert not gate.keeps(frame(peak_dbfs=-65.0), 1.0)
    assert gate.keeps(frame(), 1.1)


def test_the_gate_remembers_a_bounded_number_of_buckets() -> None:
    gate = Gate()
    for index in range(BUCKETS_MAX + 10):
        assert gate.keeps(frame(peak_frequency_hz=1e6 + 5_000.0 * index), 1.0)
    assert len(gate._kept) == BUCKETS_MAX
    assert gate.keeps(frame(peak_frequency_hz=1e6), 1.5)


def read(data: bytes) -> list[Item]:
    parser = SdrFrame()
    return [*parser.feed(data), *parser.close()]


def test_lines_of_frames() -> None:
    line = json.dumps(GOOD).encode()
    weak = json.dumps(GOOD | {"peak_dbfs": -69.0, "peak_frequency_hz": 1e8}).encode()
    items = read(b"\n".join([line, line, weak, b'{"sensor_id":"x"}', b"noise", b""]))
    assert isinstance(items[0], Observation)
    assert (items[0].kind, items[0].ts) == ("rf.frame", 1795224852.5)
    assert items[1:3] == [Ignored(), Ignored()]
    assert [item.reason for item in items if isinstance(item, Reject)] == [
        Reason.BAD_PAYLOAD,
        Reason.NOT_THIS_FORMAT,
    ]
    assert sniff(line, "") > 0.9
    assert sniff(b'{"model":"M"}', "") == 0.0
