"""The engine's result depends on the order of events alone: not on batches, restarts or repeats."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec import Raw
from msgspec.structs import replace

from dsmil.analytics.engine import Engine
from dsmil.analytics.l3 import catalog
from dsmil.config.detectors import L3
from dsmil.errors import BadEvent, Corrupt
from dsmil.events import ais, ids
from dsmil.events.decision import Decision
from dsmil.events.envelope import Event, decode, encode, unpack
from dsmil.events.rf import Burst

Make = Callable[[], Engine]


def busy_world(world: Any, merge: Any) -> list[Event]:
    """Two hours in which nearly every detector of ships and radios fires, with repeats and late records."""
    chance = random.Random(11)
    ships = [
        world.track(
            211_000_000 + i, chance.uniform(0, 60), chance.uniform(1800, 7200), 54 + i / 50, 10.0, every_s=30
        )
        for i in range(20)
    ]
    double = [world.track(244_000_001, 5, 6000, lat, 9.0, every_s=40) for lat in (53.0, 56.0)]
    jumper = [
        *world.track(244_000_002, 0, 1500, 54, 11, every_s=20),
        *world.track(244_000_002, 1500, 3000, 55, 12, every_s=20),
    ]
    statics = [
        world.event("ais.static", ais.Static(mmsi=211_000_000 + i % 5, msg_type=5, name=f"SHIP {i % 7}"), i * 100)
        for i in range(60)
    ]
    radios = [
        world.event(
            "rf.burst",
            Burst(model="X", device_id=str(i % 4), rssi_db=-20.0 + (12 if i > 200 and i % 4 == 1 else 0)),
            i * 15,
        )
        for i in range(400)
        if not (i % 4 == 2 and i > 150)
    ]
    odd = [
        world.at(0, 50, 1, 1),
        world.at(970_000_001, 700, 54, 10, nav_status=14),
        world.at(244_000_002, 800, 54, 11),
    ]
    return merge(*ships, *double, jumper, statics, radios, odd)


def run(make_engine: Make, events: list[Event], cuts: list[int], restarts: set[int] | None = None) -> list[bytes]:
    engine, out, at = make_engine(), [], 0
    for number, cut in enumerate([*cuts, len(events)]):
        if restarts and number in restarts:
            fresh = make_engine()
            fresh.restore(engine.dump())
            engine = fresh
        out += [encode(event) for event in engine.process(events[at:cut])]
        at = cut
    return out


def test_batches_and_restarts_change_nothing(world: Any, make_engine: Make, merge: Any) -> None:
    events = busy_world(world, merge)
    whole = run(make_engine, events, [])
    names = {unpack(decode(data), Decision).decision for data in whole}
    assert names >= {
        "ais.jump", "ais.duplicate_mmsi", "ais.gone_dark", "ais.identity_change", "ais.bad_mmsi", "ais.distress",
        "rf.power_anomaly", "rf.emitter_silent",
    }  # fmt: skip
    for seed in range(12):
        chance = random.Random(seed)
        cuts = sorted(chance.sample(range(len(events)), 25))
        restarts = set(chance.sample(range(25), 8))
        assert run(make_engine, events, cuts, restarts) == whole
    assert len({decode(data).event_id for data in whole}) == len(whole)


def test_each_dump_is_the_same_whatever_the_batches(world: Any, make_engine: Make, merge: Any) -> None:
    events = busy_world(world, merge)
    one, two = make_engine(), make_engine()
    one.process(events)
    for at in range(0, len(events), 7):
        two.process(events[at : at + 7])
    assert one.dump() == two.dump()


def test_repeats_change_nothing_and_are_counted(world: Any, make_engine: Make, merge: Any) -> None:
    events = busy_world(world, merge)
    twice = [event for at in range(0, len(events), 50) for event in events[at : at + 50] * 2]
    engine = make_engine()
    assert [encode(event) for event in engine.process(twice)] == run(make_engine, events, [])
    assert engine.repeats == len(events)


def test_decisions_are_whole_events(world: Any, make_engine: Make, merge: Any) -> None:
    for number, event in enumerate(make_engine().process(busy_world(world, merge)), 1):
        assert decode(encode(event)) == event
        assert event.source == "l3" and event.source_layer == 3 and event.source_seq == number
        assert event.kind == "decision" and event.refs and len(event.refs) <= 33
        told = unpack(event, Decision)
        assert 0 <= told.score <= 1 and told.entities and told.explanation.endswith(".")


def test_a_payload_that_does_not_fit_is_refused_before_anything_changed(world: Any, make_engine: Make) -> None:
    engine = make_engine()
    good, bad = world.at(0, 0, 54.0, 10.0), world.at(0, 1, 54.0, 10.0)
    before = engine.dump()
    with pytest.raises(BadEvent, match=bad.event_id):
        engine.process([good, replace(bad, payload=Raw(b'{"mmsi":"x"}'))])
    assert engine.dump() == before
    assert len(engine.process([good])) == 1


def test_unknown_kinds_pass(world: Any, make_engine: Make) -> None:
    event = replace(world.at(0, 0, 54.0, 10.0), kind="radar.plot", payload=Raw(b'{"anything":1}'))
    assert make_engine().process([event]) == []


def test_a_time_far_after_its_arrival_moves_no_watermark(world: Any, make_engine: Make) -> None:
    engine = make_engine()
    event = world.at(244_660_584, 0, 54.0, 10.0)
    engine.process([event, replace(world.at(244_660_584, 10, 54.0, 10.0), ts=4e9)])
    assert engine.watermarks() == {event.source: event.ts}


def test_a_second_round_of_a_file_rewinds_its_watermark(world: Any, make_engine: Make) -> None:
    engine = make_engine()
    track = world.track(244_660_584, 0, 7200, 54.0, 10.0, every_s=60)
    engine.process(track)
    engine.process(
        [replace(event, source_epoch="again", event_id=ids.digest(event.event_id)) for event in track[:5]]
    )
    assert engine.watermarks() == {track[0].source: track[4].ts}


def test_memory_is_bounded(world: Any) -> None:
    bounds = L3(entities_max=500)
    engine = catalog.engine(catalog.detectors(bounds), epoch="x")
    for start in range(0, 20_000, 1000):
        engine.process(
            [
                world.at(211_000_000 + start + i, start / 10 + i / 10, (i % 170) - 85.0, (i * 7 % 360) - 180.0)
                for i in range(1000)
            ]
        )
        engine.process(
            [
                world.event("rf.burst", Burst(model="m", device_id=str(start + i), rssi_db=-1.0), start / 10)
                for i in range(200)
            ]
        )
    # A detector keeps at most 500 rows of at most some 300 bytes, coverage its cells besides.
    assert len(engine.dump()) < 12 * 500 * 300 + 3_000_000


def test_a_dump_of_other_rules_is_refused_and_leaves_an_empty_engine(world: Any, make_engine: Make) -> None:
    engine = make_engine()
    engine.process([world.at(0, 0, 54.0, 10.0)])
    saved = msgspec.msgpack.decode(engine.dump())
    saved["version"] = "0"
    for data in (b"", b"junk", msgspec.msgpack.encode(saved)):
        fresh = make_engine()
        with pytest.raises(Corrupt):
            fresh.restore(data)
        assert len(fresh.process([world.at(0, 0, 54.0, 10.0)])) == 1


def test_reset_forgets_and_numbers_anew(world: Any, make_engine: Make) -> None:
    engine = make_engine()
    first = engine.process([world.at(0, 0, 54.0, 10.0)])[0]
    engine.reset()
    again = engine.process([world.at(0, 5, 54.0, 10.0)])[0]
    assert (first.source_epoch, first.source_seq) == ("test", 1)
    assert (again.source_epoch, again.source_seq) == ("test.1", 1)
