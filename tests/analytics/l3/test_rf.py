"""Emitters: new after the learning hour, stronger or weaker than ever, silent after a steady beat."""

from __future__ import annotations

import random
from typing import Any

import pytest
from msgspec.structs import replace

from dsmil.events.envelope import RawRecord
from dsmil.events.rf import Burst

RADIO = "rf:udp:1514"


def burst(
    world: Any, at_s: float, device: str = "1", *, rssi: float | None = -10.0, model: str = "Acurite"
) -> Any:
    payload = Burst(model=model, device_id=device, rssi_db=rssi, freq_hz=433_920_000.0)
    return world.event("rf.burst", payload, at_s, source=RADIO)


def beats(
    world: Any, device: str, start_s: float, end_s: float, every_s: float, jitter: float = 0.05
) -> list[Any]:
    chance, out, at_s = random.Random(device), [], start_s
    while at_s < end_s:
        out.append(burst(world, at_s, device, rssi=-10 + chance.gauss(0, 0.5)))
        at_s += every_s * (1 + chance.uniform(-jitter, jitter))
    return out


def test_a_new_emitter_after_the_learning_hour(world: Any, decide: Any, merge: Any) -> None:
    known = beats(world, "1", 0, 7200, 60)
    told = decide(merge(known, [burst(world, 5000 + i, "77") for i in range(3)]))
    assert [name for name, _, _ in told] == ["rf.new_emitter"]
    assert told[0][1].source_device == 16 and "id 77" in told[0][2].explanation


def test_no_new_emitter_within_the_hour_or_without_time(world: Any, names: Any, merge: Any) -> None:
    events = merge(beats(world, "1", 0, 3000, 60), [burst(world, 2900, "77")])
    assert names(events) == []
    late = merge(beats(world, "1", 0, 7200, 60), [burst(world, 5000, "77")])
    assert names([world.untimed(event) for event in late]) == []


def test_an_old_burst_relayed_live_ends_no_learning_hour(world: Any, names: Any) -> None:
    def relayed(at_s: float, device: str, behind_s: float) -> Any:
        event = burst(world, at_s, device)
        return replace(event, ts=event.ts - behind_s, ingest_ts=event.ts, raw=RawRecord(peer="127.0.0.1:4000"))

    assert names([relayed(0, "1", 70_000_000.0), relayed(60, "2", 0.0)]) == []
    late = [relayed(0, "1", 70_000_000.0), relayed(4000, "2", 0.0)]
    assert names(late) == ["rf.new_emitter"]


@pytest.mark.parametrize("step_db", [8.5, 15.0, -12.0])
def test_a_step_of_level_is_told_once(world: Any, decide: Any, step_db: float) -> None:
    chance = random.Random(3)
    levels = [-20 + chance.gauss(0, 0.5) for _ in range(40)] + [
        -20 + step_db + chance.gauss(0, 0.5) for _ in range(60)
    ]
    told = decide([burst(world, i * 30, rssi=level) for i, level in enumerate(levels)])
    assert [name for name, _, _ in told] == ["rf.power_anomaly"]
    assert told[0][2].features["step_db"] == pytest.approx(step_db, abs=1.0) and len(told[0][1].refs) == 10


def test_what_is_no_step_of_level(world: Any, names: Any) -> None:
    chance = random.Random(4)

    def run(levels: list[float]) -> list[str]:
        return names([burst(world, i * 30, rssi=level) for i, level in enumerate(levels)])

    steady = [-20 + chance.gauss(0, 0.5) for _ in range(40)]
    assert run(steady + [-13.0] * 30) == []  # 7 dB
    assert run(steady + [-5.0] * 9 + steady) == []  # nine bursts only
    assert run([-20 + chance.gauss(0, 5) for _ in range(300)]) == []  # an emitter that moves
    assert run(steady + [-5.0, -35.0] * 20) == []  # both ways
    assert run([-20 + i * 0.1 for i in range(200)]) == []  # a slow drift


def test_repeats_of_one_transmission_count_once(world: Any, names: Any) -> None:
    steady = [burst(world, i * 30, rssi=-20.0) for i in range(40)]
    one_loud = [burst(world, 1300 + i * 0.05, rssi=-5.0) for i in range(20)]
    assert names([*steady, *one_loud]) == []


def test_a_steady_emitter_that_falls_silent(world: Any, decide: Any, merge: Any) -> None:
    told = decide(merge(beats(world, "1", 0, 1800, 45), beats(world, "2", 0, 3600, 60)))
    assert [name for name, _, _ in told] == ["rf.emitter_silent"]
    _, event, payload = told[0]
    assert payload.features["period_s"] == pytest.approx(45, rel=0.1) and payload.features["missed"] in (10, 11)
    assert event.since_ts is not None and event.ts > event.since_ts


def test_lost_bursts_do_not_hide_the_beat(world: Any, names: Any, merge: Any) -> None:
    chance = random.Random(5)
    lossy = [event for event in beats(world, "1", 0, 1800, 30) if chance.random() > 0.25]
    assert names(merge(lossy, beats(world, "2", 0, 3600, 60))) == ["rf.emitter_silent"]


def test_what_is_no_silence(world: Any, names: Any, merge: Any) -> None:
    other = beats(world, "2", 0, 3600, 60)
    chance = random.Random(6)
    remote = [burst(world, at_s, "1") for at_s in sorted(chance.uniform(0, 1500) for _ in range(30))]
    assert names(merge(remote, other)) == []  # keeps no period
    assert names(merge(beats(world, "3", 0, 300, 45), other)) == []  # too few to know
    assert names(merge(beats(world, "3", 0, 3300, 45), other)) == []  # silent, but not yet for long
    assert names(beats(world, "3", 0, 1800, 45)) == []  # the file ends
    both = [*beats(world, "3", 0, 6000, 45), *beats(world, "2", 0, 6000, 60)]
    assert names(merge([event for event in both if not 1_700_001_800 < event.ts < 1_700_004_000])) == []  # off
