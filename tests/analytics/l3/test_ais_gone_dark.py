"""A ship under way that falls silent is told only where others are still heard, and once."""

from __future__ import annotations

from typing import Any

import pytest

from dsmil.events import ais

SHIP, OTHER = 244_660_584, 211_476_060


def base(world: Any, start_s: float, end_s: float, lat: float, lon: float) -> list[Any]:
    payload = ais.Base(mmsi=2_190_047, msg_type=4, lat=lat, lon=lon)
    return [world.event("ais.base", payload, at_s) for at_s in range(int(start_s), int(end_s), 10)]


def test_a_ship_that_falls_silent_among_others_is_told_once(world: Any, decide: Any, merge: Any) -> None:
    told = decide(
        merge(world.track(SHIP, 0, 1800, 54.0, 10.0), world.track(OTHER, 0, 7200, 54.03, 10.05, every_s=20))
    )
    assert [name for name, _, _ in told] == ["ais.gone_dark"]
    _, event, dark = told[0]
    assert dark.entities == (f"vessel:{SHIP}",) and dark.features["witnesses"] == 1
    assert 1200 <= dark.features["silent_s"] <= 1290 and event.since_ts is not None
    assert event.ts - event.since_ts == pytest.approx(dark.features["silent_s"], abs=0.1)
    assert "under way at 10.0 kn and reporting each 10 s" in dark.explanation


def test_it_reappears_once(world: Any, names: Any, merge: Any) -> None:
    ship = [*world.track(SHIP, 0, 1800, 54.0, 10.0), *world.track(SHIP, 5400, 7200, 54.0, 10.3)]
    other = world.track(OTHER, 0, 7200, 54.03, 10.05, every_s=20)
    assert names(merge(ship, other)) == ["ais.gone_dark", "ais.reappeared"]


def test_the_base_station_a_ship_came_nearer_to_is_a_witness(world: Any, names: Any, merge: Any) -> None:
    ship = world.track(SHIP, 0, 1800, 54.0, 10.0)
    assert names(merge(ship, base(world, 0, 7200, 54.0, 10.5))) == ["ais.gone_dark"]
    leaving = world.track(SHIP, 0, 1800, 54.0, 10.6)
    assert names(merge(leaving, base(world, 0, 7200, 54.0, 10.2))) == []


@pytest.mark.parametrize("more", [{"sog_kn": 0.2}, {"sog_kn": 2.9}, {"nav_status": 1}, {"nav_status": 5}])
def test_a_ship_at_rest_may_be_silent(world: Any, names: Any, merge: Any, more: dict[str, Any]) -> None:
    ship = world.track(SHIP, 0, 1800, 54.0, 10.0, **more)
    assert names(merge(ship, world.track(OTHER, 0, 7200, 54.03, 10.05))) == []


def test_leaving_coverage_is_none(world: Any, names: Any, merge: Any) -> None:
    """Others are heard, but none near where the ship was."""
    ship = world.track(SHIP, 0, 1800, 54.0, 10.0)
    assert names(merge(ship, world.track(OTHER, 0, 7200, 54.0, 9.5, every_s=20))) == []


def test_the_last_ship_at_the_edge_of_coverage_is_none(world: Any, names: Any, merge: Any) -> None:
    """A witness nine miles astern heard the ship leave; where it would be by now nobody is heard."""
    ship = world.track(SHIP, 0, 1800, 54.0, 10.0, sog_kn=20.0)
    end = 10.0 + 20.0 * 1790 / 3600 / 60 / 0.6
    behind = [world.at(OTHER, at_s, 54.0, end - 9.0 / 60 / 0.588, sog_kn=0.0) for at_s in range(0, 7200, 60)]
    assert names(merge(ship, behind)) == []


def test_short_losses_are_none(world: Any, names: Any, merge: Any) -> None:
    ship = [event for event in world.track(SHIP, 0, 7200, 54.0, 10.0) if (event.ts % 1500) > 1000]
    assert names(merge(ship, world.track(OTHER, 0, 7200, 54.03, 10.05))) == []


def test_a_slow_reporter_is_given_twenty_of_its_own_intervals(world: Any, names: Any, merge: Any) -> None:
    ship = world.track(SHIP, 0, 3600, 54.0, 10.0, every_s=180)
    near = [world.at(OTHER, at_s, 54.03, 10.25, sog_kn=0.1) for at_s in range(0, 7800, 60)]
    heard = merge(ship, near)
    assert names([event for event in heard if event.ts < heard[0].ts + 3420 + 3590]) == []
    assert names(heard) == ["ais.gone_dark"]


def test_a_receiver_that_was_off_darkens_nobody(world: Any, names: Any, merge: Any) -> None:
    ships = [
        world.track(mmsi, start, end, 54.0 + n / 100, 10.0 + start / 3600 * 0.27)
        for n, mmsi in enumerate((SHIP, OTHER, 219_000_001))
        for start, end in ((0, 1800), (5400 + n * 40, 7200))
    ]
    assert names(merge(*ships)) == []


def test_the_end_of_a_file_darkens_nobody(world: Any, names: Any, merge: Any) -> None:
    assert names(merge(world.track(SHIP, 0, 1800, 54.0, 10.0), world.track(OTHER, 0, 1800, 54.03, 10.05))) == []


def test_another_receivers_coverage_is_no_witness(world: Any, names: Any, merge: Any) -> None:
    ship = world.track(SHIP, 0, 1800, 54.0, 10.0, station="north")
    assert names(merge(ship, world.track(OTHER, 0, 7200, 54.03, 10.05, station="south"))) == []
