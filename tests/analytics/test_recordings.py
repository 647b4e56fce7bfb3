"""Real recordings: what fires on them is known and is true, at most one false alarm in ten thousand messages."""

from __future__ import annotations

import gzip
import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dsmil.analytics.engine import Engine
from dsmil.events.envelope import Event, decode
from dsmil.sensors.ais_nmea import AisNmea
from dsmil.sensors.record import Observation
from dsmil.sensors.stamp import Stamper, file_origin

pytestmark = pytest.mark.data
NOW = 1_800_000_000.0


def read(path: Path) -> list[Event]:
    data = path.read_bytes()
    data = gzip.decompress(data) if path.suffix == ".gz" else data
    parser = AisNmea()
    stamper = Stamper(file_origin(f"ais:file:{path.name}", hashlib.sha256(data).hexdigest(), device=11))
    items = [*parser.feed(data), *parser.close()]
    stamped = [stamper.stamp(item, now_s=NOW) for item in items if isinstance(item, Observation)]
    return [decode(one) for one in stamped if isinstance(one, bytes)]


def test_a_drifting_ship_with_times_fires_nothing(shared_data: Path, names: Any) -> None:
    events = read(shared_data / "ais" / "aisabn-212123000_drift_1.ais.gz")
    assert len(events) > 3000 and names(events) == []


def test_a_national_feed_with_times_fires_only_wrong_numbers(shared_data: Path, names: Any) -> None:
    """4033 messages of many stations: the twelve are coast stations, aids and keyed-in digits, all truly wrong."""
    events = read(shared_data / "ais" / "aislib-stream_example.txt")
    assert Counter(names(events)) == {"ais.bad_mmsi": 12}


@pytest.mark.parametrize("name", ["opencpn-stupan-tcp.log", "gpsd-ais-nmea.log", "aislib-ais250.txt"])
def test_small_feeds_fire_nothing_of_moment(shared_data: Path, names: Any, name: str) -> None:
    assert set(names(read(shared_data / "ais" / name))) <= {"ais.bad_mmsi"}


def test_the_world_for_three_minutes(shared_data: Path, names: Any, arrive: Callable[[Event], Event]) -> None:
    """82853 messages. As a file without times only numbers and names speak. Taken as a live feed, a few ships of
    China and the Netherlands that share a number are told, each of them hundreds of miles from its twin."""
    events = read(shared_data / "ais" / "aishub-3min.nmea.gz")
    untimed = Counter(names(events))
    assert set(untimed) == {"ais.bad_mmsi", "ais.identity_change"}
    assert untimed["ais.bad_mmsi"] == 181 and untimed["ais.identity_change"] == 5
    heard = Counter(names(_live(events, arrive)))
    assert heard["ais.duplicate_mmsi"] == 7 and heard["ais.jump"] <= 2 and heard["ais.gone_dark"] == 0


def _live(events: list[Event], arrive: Callable[[Event], Event]) -> list[Event]:
    from msgspec.structs import replace

    step = 180.0 / len(events)
    return [
        replace(arrive(event), ts=NOW + at * step, ingest_ts=NOW + at * step) for at, event in enumerate(events)
    ]


def test_speed_is_far_above_its_floor(
    shared_data: Path, make_engine: Callable[[], Engine], arrive: Callable[[Event], Event]
) -> None:
    """The floor is 15000 observations a second; in CPU time, and half of it, so a busy machine does not fail."""
    import time

    events = _live(read(shared_data / "ais" / "aislib-stream_example.txt"), arrive)
    engine, began = make_engine(), time.process_time()
    engine.process(events)
    assert len(events) / (time.process_time() - began) > 7500
