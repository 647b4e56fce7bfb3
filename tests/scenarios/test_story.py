"""The story is made up, says so, repeats from its seed, and reads back through the real parsers without a reject."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from dsmil.clock import FakeClock
from dsmil.scenarios import story
from dsmil.scenarios.stress import CALM, CRISIS, StressServer
from dsmil.sensors.files import open_regular
from dsmil.sensors.reading import Reading
from dsmil.sensors.record import Observation, Tally

START = 1_760_000_000.0


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> story.Story:
    return story.write(tmp_path_factory.mktemp("story"), seed=1, start_ts=START)


def read(path: Path, family: str) -> tuple[Tally, list[Observation]]:
    tally, seen = Tally(), []
    with open_regular(path) as file:
        for item in Reading(file, family, path.name, path=path):
            tally.add(item)
            if isinstance(item, Observation):
                seen.append(item)
    return tally, seen


def test_the_same_seed_writes_the_same_bytes(written: story.Story, tmp_path: Path) -> None:
    again = story.write(tmp_path, seed=1, start_ts=START)
    other = story.write(tmp_path / "other", seed=2, start_ts=START)
    for family, paths in written.files.items():
        for one, two in zip(paths, again.files[family], strict=True):
            assert one.read_bytes() == two.read_bytes()
    assert other.files["ais"][0].read_bytes() != written.files["ais"][0].read_bytes()


def test_every_record_is_accepted_by_the_real_parsers(written: story.Story) -> None:
    for family, paths in written.files.items():
        for path in paths:
            tally, _ = read(path, family)
            assert tally.accepted > 0, path
            assert not tally.rejected, path


def test_forty_vessels_one_of_which_goes_dark(written: story.Story) -> None:
    _, seen = read(written.files["ais"][0], "ais")
    last: dict[int, float] = {}
    for one in seen:
        if one.kind == "ais.position":
            assert one.ts is not None
            last[one.payload.mmsi] = one.ts  # type: ignore[attr-defined]
    assert len(last) == story.VESSELS
    dark = [mmsi for mmsi, ts in last.items() if ts < START + story.DARK_S + 1]
    assert [f"vessel:{mmsi}" for mmsi in dark] == list(written.labels["ais.gone_dark"])


def test_the_beacon_carries_its_place(written: story.Story) -> None:
    _, seen = read(written.files["rf"][0], "rf")
    located = [one for one in seen if one.payload.lat is not None]  # type: ignore[attr-defined]
    assert len(located) > 10
    assert min(one.ts or 0 for one in located) == pytest.approx(START + story.BEACON_S, abs=1)


def test_the_stress_server_is_calm_and_then_in_crisis() -> None:
    clock = FakeClock()
    with StressServer(10.0, clock) as server:
        url = f"{server.url}/api/v1/metrics"
        assert json.load(urllib.request.urlopen(url)) == CALM
        clock.advance(10.0)
        assert json.load(urllib.request.urlopen(url)) == CRISIS
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{server.url}/elsewhere")
