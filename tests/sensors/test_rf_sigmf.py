"""SigMF annotations become emissions with time and place, and their samples say how strong they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsmil.events.rf import Emission, SweepPeak
from dsmil.sensors.record import Ignored, Item, Observation, Reason, Reject
from dsmil.sensors.samples import read_layout
from dsmil.sensors.sigmf import META_BYTES_MAX, SigmfMeta, sniff

RATE = 48_000
START = 1795224852.0  # 2026-11-21T01:34:12Z


def read(data: bytes, size: int = 1 << 20, data_path: Path | None = None) -> list[Item]:
    parser = SigmfMeta(data_path=data_path)
    items = [item for at in range(0, len(data), size) for item in parser.feed(data[at : at + size])]
    return items + list(parser.close())


def emissions(items: list[Item]) -> list[Emission]:
    return [
        item.payload for item in items if isinstance(item, Observation) and isinstance(item.payload, Emission)
    ]


def meta(datatype: str = "cf32_le", annotations: Any = (), **more: Any) -> bytes:
    head = {"core:datatype": datatype, "core:sample_rate": RATE, "core:version": "1.2.0"} | more
    capture = {"core:sample_start": 0, "core:frequency": 1e8, "core:datetime": "2026-11-21T01:34:12Z"}
    return json.dumps({"global": head, "captures": [capture], "annotations": annotations}).encode()


def tone(offset_hz: float, count: int = RATE, level: float = 0.1) -> Any:
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 1e-4, count) + 1j * rng.normal(0, 1e-4, count)
    return level * np.exp(2j * np.pi * offset_hz * np.arange(count) / RATE) + noise


def test_the_golden_annotations_are_read(golden: Path) -> None:
    data = (golden / "rf" / "libsigmf-example.sigmf-meta").read_bytes()
    first, second = emissions(read(data))
    assert first == Emission(
        freq_lower_hz=443062254.4144396,
        freq_upper_hz=443106250.0,
        label="signal1",
        duration_s=571392 / 30.72e6,
        lat=43.21,
        lon=12.34,
        sample_start=2497536,
        sample_count=571392,
        sample_rate_hz=30.72e6,
    )
    assert second.sample_start == 961536
    assert sniff(data, "x") > 0.9


@pytest.mark.parametrize(
    "name",
    [
        "ntia-meta.sigmf-meta",
        "sigmfrs-capture_geolocation.sigmf-meta",
        "sigmfrs-minimal.sigmf-meta",
        "sigmfrs-realistic_recording.sigmf-meta",
    ],
)
def test_a_description_without_annotations_is_no_fault(golden: Path, name: str) -> None:
    assert read((golden / "rf" / name).read_bytes()) == [Ignored()]
    assert read((golden / "rf" / name).read_bytes(), data_path=golden / "rf" / "sigmfrs-sample.sigmf-data") == [
        Ignored()  # 8 samples are no spectrum
    ]


def test_the_time_of_an_annotation_counts_from_its_capture() -> None:
    document = json.loads(meta(annotations=[{"core:sample_start": RATE * 3, "core:sample_count": RATE // 2}]))
    later = {"core:sample_start": RATE * 2, "core:datetime": "2026-11-21T01:40:00Z"}
    document["captures"].append(later)
    (item,) = read(json.dumps(document).encode())
    assert isinstance(item, Observation)
    assert (item.ts, item.payload.duration_s) == (START + 348 + 1, 0.5)  # type: ignore[attr-defined]


def test_the_place_of_a_capture_goes_before_the_files(golden: Path) -> None:
    document = json.loads((golden / "rf" / "sigmfrs-capture_geolocation.sigmf-meta").read_text())
    document["global"]["core:geolocation"] = {"type": "Point", "coordinates": [1.0, 2.0]}
    document["annotations"] = [{"core:sample_start": 5}]
    (emission,) = emissions(read(json.dumps(document).encode()))
    assert (emission.lat, emission.lon) == (-22.9576, 14.5053)


def test_the_samples_of_an_annotation_say_how_strong_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.sigmf-data"
    tone(6_000).astype("<c8").tofile(path)
    edges = {"core:freq_lower_edge": 1e8 + 5_000, "core:freq_upper_edge": 1e8 + 7_000}
    beside = {"core:freq_lower_edge": 1e8 - 7_000, "core:freq_upper_edge": 1e8 - 5_000}
    places = [{"core:sample_start": 0, "core:sample_count": RATE} | span for span in (edges, beside)]
    strong, weak = emissions(read(meta(annotations=places), data_path=path))
    assert strong.peak_dbfs == pytest.approx(-20.0, abs=1.5)  # amplitude 0.1
    assert strong.snr_db is not None
    assert strong.snr_db > 40
    assert weak.snr_db is not None
    assert weak.snr_db < 12


@pytest.mark.parametrize("datatype", ["cf32_le", "cf64_be", "ci16_le", "ci16_be", "cu8", "ci8"])
def test_unannotated_samples_are_looked_at_in_every_layout(tmp_path: Path, datatype: str) -> None:
    layout = read_layout(datatype, 1)
    assert layout is not None
    signal = tone(-9_000, level=0.5)
    numbers = np.column_stack([signal.real, signal.imag]) * layout.scale + layout.middle
    path = tmp_path / "x.sigmf-data"
    (numbers if datatype.startswith("cf") else numbers.round()).astype(layout.dtype).tofile(path)
    items = read(meta(datatype), data_path=path)
    assert isinstance(items[0], Observation)
    peak = items[0].payload
    assert isinstance(peak, SweepPeak)
    assert (items[0].kind, items[0].ts, items[0].records) == ("rf.sweep_peak", START, 1)
    assert peak.freq_hz == pytest.approx(1e8 - 9_000, abs=RATE / 1024)
    assert peak.peak_dbfs == pytest.approx(-6.0, abs=1.5)


def test_real_samples_and_channels(tmp_path: Path) -> None:
    path = tmp_path / "x.sigmf-data"
    left = np.cos(2 * np.pi * 3_000 * np.arange(RATE) / RATE) * 0.5
    np.column_stack([left, np.zeros(RATE)]).astype("<f4").tofile(path)
    items = read(meta("rf32_le", **{"core:num_channels": 2}), data_path=path)
    assert isinstance(items[0], Observation)
    assert items[0].payload.freq_hz == pytest.approx(1e8 + 3_000, abs=RATE / 1024)  # type: ignore[attr-defined]


@pytest.mark.parametrize("datatype", ["cf16", "x", "", "cf32_xx"])
def test_an_unknown_layout_leaves_the_description(tmp_path: Path, datatype: str) -> None:
    path = tmp_path / "x.sigmf-data"
    path.write_bytes(bytes(100_000))
    (emission,) = emissions(read(meta(datatype, [{"core:sample_start": 0}]), data_path=path))
    assert emission.peak_dbfs is None


@pytest.mark.parametrize("start", [0, 10**9, 2**61])
def test_samples_that_are_not_there_leave_the_description(tmp_path: Path, start: int) -> None:
    missing = tmp_path / "gone.sigmf-data"
    short = tmp_path / "x.sigmf-data"
    short.write_bytes(b"\0" * 800)
    for path in (missing, short):
        (emission,) = emissions(read(meta(annotations=[{"core:sample_start": start}]), data_path=path))
        assert (emission.sample_start, emission.snr_db) == (start, None)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"not json", Reason.BAD_PAYLOAD),
        (b'{"global": {"core:da', Reason.TRUNCATED),
        (b'{"other": 1}', Reason.NOT_THIS_FORMAT),
        (b"[]", Reason.NOT_THIS_FORMAT),
        (b"[" * 100_000, Reason.TOO_DEEP),
        (b'{"global": {"a": "\xff"}}', Reason.INVALID_UTF8),
        (b" " * (META_BYTES_MAX + 1), Reason.OVERSIZED),
    ],
)
def test_what_cannot_be_read_is_rejected_with_its_reason(data: bytes, reason: Reason) -> None:
    assert [item.reason for item in read(data) if isinstance(item, Reject)] == [reason]


def test_a_bad_annotation_costs_only_itself() -> None:
    items = read(meta(annotations=[7, {"core:sample_start": "x"}, {"core:sample_start": 1}]))
    assert [type(item) for item in items] == [Reject, Reject, Observation]


def test_any_cut_gives_the_same_items(golden: Path) -> None:
    data = (golden / "rf" / "libsigmf-example.sigmf-meta").read_bytes()
    assert read(data, 1) == read(data, 97) == read(data)


@pytest.mark.data
def test_every_shared_meta_file_is_read(shared_data: Path) -> None:
    truth = json.loads((shared_data / "rf" / "expected" / "rf.json").read_text())
    paths = sorted((shared_data / "rf" / "sigmf").glob("*.sigmf-meta"))
    assert len(paths) == 8
    for path in paths:
        samples = path.with_name(path.name.replace("-meta", "-data"))
        items = read(path.read_bytes(), data_path=samples if samples.exists() else None)
        found = emissions(items)
        assert len(found) == truth[path.name]["annotations"]
        assert not any(isinstance(item, Reject) for item in items)
        if samples.exists():
            assert all(emission.snr_db is not None and emission.snr_db > 12 for emission in found)
