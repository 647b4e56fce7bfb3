"""A jump is told once and only where no ship could have moved so; two ships with one number are told as two."""

from __future__ import annotations

from typing import Any

import pytest

SHIP = 244_660_584


def hop(world: Any, after_s: float, lat: float, lon: float, stay_s: float = 120.0) -> list[Any]:
    """A ship that reports each 10 s for five minutes and then, `after_s` later, from another place."""
    there = world.track(SHIP, 0, 300, 54.0, 10.0)
    begins = 290 + after_s
    return there + world.track(SHIP, begins, begins + stay_s, lat, lon)


@pytest.mark.parametrize(
    ("lat", "lon"), [(54.2, 10.0), (54.0, 9.7), (55.0, 12.0), (53.97, 10.03), (-54.0, -170.0)]
)
def test_a_jump_is_told_once_with_its_figures(world: Any, decide: Any, lat: float, lon: float) -> None:
    told = decide(hop(world, 10, lat, lon))
    assert [name for name, _, _ in told] == ["ais.jump"]
    _, event, jump = told[0]
    assert event.severity == "MEDIUM" and event.source_device == 20 and len(event.refs) == 2
    assert jump.entities == (f"vessel:{SHIP}",) and jump.features["speed_kn"] > 100
    assert "nm in 10 s, which implies" in jump.explanation


def test_a_jump_away_and_back_is_told(world: Any, decide: Any, merge: Any) -> None:
    there = world.track(SHIP, 0, 900, 54.0, 10.0)
    away = world.at(SHIP, 305, 54.5, 10.5)
    told = decide(merge(there, [away]))
    assert [name for name, _, _ in told] == ["ais.jump"] and "back on its old track" in told[0][2].explanation


def test_a_jump_of_a_ship_heard_no_more_is_told_when_others_move_time_on(
    world: Any, names: Any, merge: Any
) -> None:
    other = world.track(211_476_060, 0, 900, 54.0, 10.5)
    assert names(merge(hop(world, 10, 54.4, 10.0, stay_s=5), other)) == ["ais.jump"]


def test_the_antimeridian_is_no_jump(world: Any, names: Any) -> None:
    east = world.track(SHIP, 0, 600, 0.0, 179.99, every_s=10)
    assert (
        names([world.at(SHIP, i * 10, 0.0, (179.98 + i * 0.001 + 180) % 360 - 180) for i in range(60)]) == []
        and names(east) == []
    )


def test_a_hole_is_no_jump(world: Any, names: Any) -> None:
    # Ten minutes unheard, two miles further on at ten knots; and an inconsistent place after the hole.
    assert names(hop(world, 600, 54.0, 10.06)) == []
    assert names(hop(world, 61, 54.4, 10.0)) == []


@pytest.mark.parametrize(("lat", "lon"), [(None, None), (0.0, 0.0), (54.0, None)])
def test_a_position_not_available_is_no_jump(world: Any, names: Any, merge: Any, lat: Any, lon: Any) -> None:
    there = world.track(SHIP, 0, 600, 54.0, 10.0)
    assert names(merge(there, [world.at(SHIP, 305 + i * 20, lat, lon) for i in range(4)])) == []


def test_noise_of_gps_and_of_receivers_clocks_is_no_jump(world: Any, names: Any, merge: Any) -> None:
    import random

    chance = random.Random(7)
    events = []
    for i in range(600):
        true_lon = 10.0 + 25.0 * i * 2 / 3600 / 60 / 0.6
        noisy = (54.0 + chance.gauss(0, 0.0003), true_lon + chance.gauss(0, 0.0005))
        events.append(world.at(SHIP, i * 2 + chance.uniform(-3, 3), *noisy, sog_kn=25.0))
    assert names(merge(events)) == []


def test_a_ship_at_rest_and_stale_repeats_are_none(world: Any, names: Any) -> None:
    assert names([world.at(SHIP, i * 180, 54.0, 10.0, sog_kn=0.0) for i in range(50)]) == []
    assert names([world.at(SHIP, i * 10, 54.0, 10.0, sog_kn=12.0) for i in range(50)]) == []


def test_a_rescue_aircraft_may_fly(world: Any, names: Any) -> None:
    flight = [world.at(111_211_501, i * 10, 54.0, 10.0 + i * 0.02, msg_type=9, sog_kn=250.0) for i in range(30)]
    assert names(flight) == []


def test_one_ship_told_late_by_a_second_station_is_neither(world: Any, names: Any, merge: Any) -> None:
    """The second station's clock is right, but its reports arrive five minutes late and stamped on arrival."""
    track = world.track(SHIP, 0, 3600, 54.0, 10.0, every_s=10, sog_kn=18.0)
    late = [
        world.at(SHIP, 300 + i * 30, 54.0, 10.0 + 18.0 * i * 30 / 3600 / 60 / 0.6, sog_kn=18.0, station="late")
        for i in range(100)
    ]
    assert names(merge(track, late)) == []


def test_one_ship_heard_by_two_stations_is_none(world: Any, names: Any, merge: Any) -> None:
    track = world.track(SHIP, 0, 1200, 54.0, 10.0, station="north")
    again = world.track(SHIP, 0.4, 1200, 54.0, 10.0, station="south")
    assert names(merge(track, again)) == []


@pytest.mark.parametrize(("every_a", "every_b"), [(10, 10), (10, 7), (10, 30), (2, 60), (180, 180), (10, 180)])
def test_two_ships_with_one_number_are_a_duplicate_and_no_jump(
    world: Any, decide: Any, merge: Any, every_a: float, every_b: float
) -> None:
    one = world.track(SHIP, 0, 3600, 54.0, 10.0, every_s=every_a)
    two = world.track(SHIP, 3, 3600, 55.5, 12.0, every_s=every_b)
    told = decide(merge(one, two))
    assert [name for name, _, _ in told] == ["ais.duplicate_mmsi"]
    _, event, payload = told[0]
    assert event.severity == "HIGH" and payload.features["distance_nm"] > 60 and len(event.refs) >= 3


def test_a_duplicate_that_goes_on_is_not_told_again_but_after_a_rest_it_is(
    world: Any, names: Any, merge: Any
) -> None:
    one = world.track(SHIP, 0, 20_000, 54.0, 10.0, every_s=30)
    two = [
        *world.track(SHIP, 3, 5000, 55.5, 12.0, every_s=30),
        *world.track(SHIP, 12_000, 14_000, 55.5, 12.0, every_s=30),
    ]
    assert names(merge(one, two)) == ["ais.duplicate_mmsi", "ais.duplicate_mmsi"]


def test_records_without_time_are_left_alone_but_live_ones_are_not(world: Any, names: Any, arrive: Any) -> None:
    events = hop(world, 10, 54.2, 10.0)
    assert names([world.untimed(event) for event in events]) == []
    assert names([arrive(event) for event in events]) == ["ais.jump"]


def test_a_recording_that_begins_again_is_no_jump(world: Any, names: Any) -> None:
    first = world.track(SHIP, 0, 7200, 54.0, 10.0, every_s=30)
    again = world.track(SHIP, 0, 3600, 54.0, 10.0, every_s=30)
    assert names([*first, *again]) == []
