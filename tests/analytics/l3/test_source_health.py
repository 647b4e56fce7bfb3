"""Our own sources: silent where live, refusing too much, missing events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from dsmil.analytics.engine import Engine
from dsmil.events.decision import Decision
from dsmil.events.envelope import unpack
from dsmil.events.source import SourceStats

NOW = 1_700_100_000.0


def stats(world: Any, at_s: float, **fields: Any) -> Any:
    """What a source says at `NOW + at_s`."""
    told = SourceStats(source="ais:udp:10110", **fields)
    return world.event("source.stats", told, at_s, source="ais-playback", ingest_ts=NOW + at_s)


def test_a_live_source_without_data(world: Any, make_engine: Callable[[], Engine]) -> None:
    engine = make_engine()
    engine.process([stats(world, 0, live=True, received=10, last_data_ts=NOW)])
    assert engine.clock_tick(NOW + 299) == []
    told = engine.clock_tick(NOW + 301)
    assert [unpack(event, Decision).decision for event in told] == ["source.silent"]
    assert told[0].source_device == 21 and told[0].category == "SYSTEM" and told[0].source_seq == 0
    assert engine.clock_tick(NOW + 600) == []
    engine.process([stats(world, 610, live=True, received=11, last_data_ts=NOW + 605)])
    assert engine.clock_tick(NOW + 700) == [] and len(engine.clock_tick(NOW + 1000)) == 1


def test_the_same_silence_has_the_same_id_after_a_restart(world: Any, make_engine: Callable[[], Engine]) -> None:
    engine, again = make_engine(), make_engine()
    engine.process([stats(world, 0, live=True, received=10, last_data_ts=NOW)])
    again.restore(engine.dump())
    assert engine.clock_tick(NOW + 400)[0].event_id == again.clock_tick(NOW + 460)[0].event_id


@pytest.mark.parametrize("fields", [{"live": False}, {"live": True, "ended": True}])
def test_files_and_ended_sources_are_not_silent(
    world: Any, make_engine: Callable[[], Engine], fields: dict[str, Any]
) -> None:
    engine = make_engine()
    engine.process([stats(world, 0, received=10, last_data_ts=NOW, **fields)])
    assert engine.clock_tick(NOW + 9999) == []


def test_too_many_rejects_are_told_once(world: Any, decide: Any) -> None:
    events = [
        stats(world, i * 10, received=200 * i, rejected={"checksum": 30 * i, "too_long": i}) for i in range(1, 8)
    ]
    told = decide(events)
    assert [name for name, _, _ in told] == ["source.reject_rate"]
    assert (
        "31 of 200 records of ais:udp:10110 (15.5%) were rejected: checksum 30, too_long 1"
        in told[0][2].explanation
    )


def test_few_rejects_or_few_records_are_none(world: Any, names: Any) -> None:
    assert (
        names([stats(world, i * 10, received=200 * i, rejected={"checksum": 4 * i}) for i in range(1, 8)]) == []
    )
    assert names([stats(world, 10, received=50, rejected={"checksum": 40})]) == []


def test_a_hole_in_the_counter(world: Any, decide: Any) -> None:
    events = world.track(244_660_584, 0, 200, 54.0, 10.0)
    told = decide([*events[:10], *events[14:]])
    assert [name for name, _, _ in told] == ["source.gap"]
    assert "4 events of ais:file:test.nmea are missing: its counter went from 10 to 15" in told[0][2].explanation
    assert told[0][1].refs == tuple(sorted((events[9].event_id, events[14].event_id), key=told[0][1].refs.index))


def test_holes_in_a_row_are_told_together(world: Any, decide: Any) -> None:
    events = world.track(244_660_584, 0, 2000, 54.0, 10.0)
    told = decide(events[::2])
    missing = [payload.features["missing"] for _, _, payload in told]
    assert len(told) == 33 and sum(missing) == 97 and set(missing[1:]) == {3}


def test_a_new_run_of_a_source_is_no_hole(world: Any, names: Any) -> None:
    events = world.track(244_660_584, 0, 100, 54.0, 10.0)
    again = [replace(event, source_epoch="other", source_seq=event.source_seq + 70) for event in events]
    assert names([*events, *again]) == []
