"""Radios become nodes at their frequency in MHz, at a place only where one was told."""

from __future__ import annotations

from typing import Any

import pytest

from dsmil.analytics import nodes
from dsmil.analytics.l4.emitter_vessel import _who
from dsmil.events.rf import Burst, Emission, Frame, SweepPeak


def test_row_39_a_frame_is_a_node_at_its_place_in_megahertz(drawing: Any) -> None:
    frame = Frame(
        sensor_id="s1", center_frequency_hz=433e6, peak_frequency_hz=433.92e6, peak_dbfs=-20.0,
        noise_floor_dbfs=-60.0, snr_db=40.0, lat=54.0, lon=10.0,
    )  # fmt: skip
    (node,) = drawing.fold(drawing.event("rf.frame", frame)).nodes.values()
    assert (node.kind, node.position, node.frequency) == ("rf_signal", (54.0, 10.0), pytest.approx(433.92))
    assert node.labels == {"sensor_id": "s1"} and node.metadata["snr_db"] == 40.0


def test_peaks_of_one_channel_and_receiver_are_one_signal(drawing: Any) -> None:
    graph = drawing.fold(
        drawing.event("rf.sweep_peak", SweepPeak(freq_hz=100.000e6, peak_dbfs=-30.0)),
        drawing.event("rf.sweep_peak", SweepPeak(freq_hz=100.005e6, peak_dbfs=-31.0), 1.0),
        drawing.event("rf.sweep_peak", SweepPeak(freq_hz=100.100e6)),
        drawing.event("rf.sweep_peak", SweepPeak(freq_hz=100.000e6, sensor_id="roof")),
    )
    assert len(graph.nodes) == 3 and {node.position for node in graph.nodes.values()} == {None}
    assert graph.nodes[nodes.signal("test:file", 100e6)].frequency == pytest.approx(100.005)


def test_a_burst_is_an_emitter_with_its_latest_readings(drawing: Any) -> None:
    first = Burst(
        model="Acurite", device_id="7", channel="A", freq_hz=433.9e6, rssi_db=-1.0, readings={"t_C": 20.5}
    )
    second = Burst(model="Acurite", device_id="7", readings={"t_C": 21.0, "ok": True, "gone": None})
    graph = drawing.fold(drawing.event("rf.burst", first), drawing.event("rf.burst", second, 1.0))
    (node,) = graph.nodes.values()
    assert node.id == nodes.rf("Acurite", "7") and node.kind == "rf_emitter"
    assert node.labels == {"model": "Acurite", "device_id": "7", "channel": "A"}
    assert node.metadata == {"rssi_db": -1.0, "readings": {"t_C": 21.0, "ok": True}}
    assert node.position is None and node.frequency == pytest.approx(433.9)


@pytest.mark.parametrize(
    ("lower", "upper", "mhz"),
    [(100e6, 102e6, 101.0), (100e6, None, 100.0), (None, 102e6, 102.0), (None, None, None)],
)
def test_an_emission_is_in_the_middle_of_its_band_and_is_the_one_fusion_means(
    drawing: Any, lower: float | None, upper: float | None, mhz: float | None
) -> None:
    said = Emission(label="x", freq_lower_hz=lower, freq_upper_hz=upper, lat=1.0, lon=2.0)
    (node,) = drawing.fold(drawing.event("rf.emission", said)).nodes.values()
    assert node.frequency == (None if mhz is None else pytest.approx(mhz))
    assert node.id == _who(said)[0] and node.position == (1.0, 2.0)


@pytest.mark.parametrize("freq_hz", [0.0, -5.0, 1e15])
def test_a_frequency_that_is_none_is_not_named(drawing: Any, freq_hz: float) -> None:
    (node,) = drawing.fold(drawing.event("rf.burst", Burst(model="m", freq_hz=freq_hz))).nodes.values()
    assert node.frequency is None
