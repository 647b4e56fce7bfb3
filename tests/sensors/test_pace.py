"""A recording keeps its own pace times the speed, and obeys the shared pointer: pause, speed, seek, stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dsmil.clock import FakeClock
from dsmil.errors import ConfigError, Unavailable
from dsmil.sensors.ledger import Ledger
from dsmil.sensors.loop import Loop
from dsmil.sensors.pace import Pace, parse_speed, show_speed
from dsmil.sensors.playback import Player, SharedPointer
from dsmil.sensors.rounds import Shelf
from dsmil.sensors.source import Kit
from dsmil.sensors.supply import FileSource, PathSupply

FIRST = 1_700_000_000


class Hash:
    """The pointer as Redis keeps it."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.away = False

    def read(self) -> Mapping[str, str]:
        if self.away:
            raise Unavailable("reach Redis: away")
        return dict(self.fields)

    def write(self, fields: Mapping[str, str]) -> None:
        self.fields |= fields


class Show:
    """A playback of one recording, turned by hand."""

    def __init__(self, path: Path, speed: float | None, kit: Kit, ledger: Ledger, *, rounds: int = 1) -> None:
        self.pointer = Hash()
        self.clock: Any = kit.clock
        player = Player(speed=speed, clock=kit.clock, pointer=self.pointer)
        shelf = Shelf(family="ais", ledger=ledger, player=player)
        self.source = FileSource(PathSupply([path], rounds=rounds), shelf, kit)
        self.loop = Loop([self.source], kit)

    def run(self, seconds: float) -> None:
        """Let that much time pass, a tenth of a second at a time."""
        for _ in range(round(seconds * 10)):
            self.loop.step(0)
            self.loop.step(0)
            self.clock.advance(0.1)


@pytest.mark.parametrize(
    ("text", "speed"), [("max", None), ("MAX", None), ("1", 1.0), ("0.1x", 0.1), ("1000", 1000.0)]
)
def test_speeds_are_read(text: str, speed: float | None) -> None:
    assert parse_speed(text) == speed
    assert parse_speed(show_speed(speed)) == speed


@pytest.mark.parametrize("text", ["0", "-1", "1001", "fast", "", "nan", "inf"])
def test_other_speeds_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"give 0\.1 to 1000, or max"):
        parse_speed(text)


def test_pace_is_kept_from_the_first_event() -> None:
    pace = Pace(2.0)
    assert pace.wait_s(1000.0, 50.0) == 0
    assert pace.wait_s(1010.0, 50.0) == 5
    assert pace.wait_s(1010.0, 53.0) == 2
    assert pace.wait_s(990.0, 50.0) == 0
    pace.set_speed(None)
    assert pace.wait_s(9999.0, 50.0) == 0


def test_a_recording_is_played_at_its_own_pace(nmea: Any, kit: Kit, ledger: Ledger, sink: Any) -> None:
    show = Show(nmea("x", 20), 10.0, kit, ledger)  # one sentence every 10 s, ten times as fast
    show.run(5.05)
    assert 5 <= len(sink.seen) <= 7
    assert float(show.pointer.fields["position_ts"]) >= FIRST + 40
    assert show.pointer.fields["state"] == "play"
    show.run(20)
    assert len(sink.seen) == 20
    assert show.source.ended
    assert show.pointer.fields["state"] == "stop"
    arrivals = [event.ingest_ts for event in sink.seen]
    assert arrivals[-1] - arrivals[0] == pytest.approx(19, abs=0.5)


def test_max_is_as_fast_as_it_goes(nmea: Any, kit: Kit, ledger: Ledger, sink: Any) -> None:
    show = Show(nmea("x", 20), None, kit, ledger)
    show.run(0.5)
    assert len(sink.seen) == 20


def test_pause_and_play(nmea: Any, kit: Kit, ledger: Ledger, sink: Any) -> None:
    show = Show(nmea("x", 20), 10.0, kit, ledger)
    show.run(3)
    show.pointer.write({"state": "pause"})
    show.run(1)
    held = len(sink.seen)
    show.run(30)
    assert len(sink.seen) == held
    show.pointer.write({"state": "play"})
    show.run(2)
    # It goes on at its pace: the pause is not made up for.
    assert held < len(sink.seen) <= held + 4


def test_speed_is_changed_while_playing(nmea: Any, kit: Kit, ledger: Ledger, sink: Any) -> None:
    show = Show(nmea("x", 50), 1.0, kit, ledger)
    show.run(2)
    assert len(sink.seen) == 1
    show.pointer.write({"speed": "max"})
    show.run(2)
    assert len(sink.seen) == 50


def test_seek_goes_on_elsewhere_in_a_new_round(nmea: Any, kit: Kit, ledger: Ledger, sink: Any) -> None:
    show = Show(nmea("x", 100), 10.0, kit, ledger)
    show.run(2)
    before = len(sink.seen)
    show.pointer.write({"position_ts": str(FIRST + 900)})
    show.run(3)
    after = sink.seen[before:]
    assert after[0].ts == FIRST + 900
    assert after[0].source_epoch.endswith(".1")
    assert after[0].source_seq == 1
    # Back again: the same records, as events of their own.
    show.pointer.write({"position_ts": str(FIRST)})
    show.run(3)
    assert sink.seen[-1].source_epoch.endswith(".2")
    assert len({event.event_id for event in sink.seen}) == len(sink.seen)
    for row in sink.stats:
        told = __import__("json").loads(bytes(row.payload))
        assert told["received"] == told["accepted"] + sum(told["rejected"].values())


def test_stop_goes_back_to_the_beginning(nmea: Any, kit: Kit, ledger: Ledger, sink: Any) -> None:
    show = Show(nmea("x", 20), 10.0, kit, ledger)
    show.run(5)
    show.pointer.write({"state": "stop"})
    show.run(2)
    before = len(sink.seen)
    show.pointer.write({"state": "play"})
    show.run(2)
    assert sink.seen[before].ts == FIRST
    assert sink.seen[before].source_epoch.endswith(".1")


def test_rounds_are_new_events(nmea: Any, kit: Kit, ledger: Ledger, sink: Any) -> None:
    show = Show(nmea("x", 5), None, kit, ledger, rounds=3)
    show.run(2)
    assert show.source.ended
    assert [event.source_epoch[-1] for event in sink.seen] == [*"00000", *"11111", *"22222"]
    assert len({event.event_id for event in sink.seen}) == 15


def test_garbage_in_the_pointer_changes_nothing(nmea: Any, kit: Kit, ledger: Ledger, sink: Any) -> None:
    show = Show(nmea("x", 20), 10.0, kit, ledger)
    show.run(1)
    show.pointer.write({"speed": "\ufffd", "state": "dance", "position_ts": "nan", "window": "w"})
    show.run(25)
    assert len(sink.seen) == 20
    assert show.pointer.fields["window"] == "w"


def test_the_pointer_is_read_from_any_shape_of_reply() -> None:
    told: list[tuple[Any, ...]] = []

    def call(*words: Any) -> Any:
        told.append(words)
        return [b"state", b"pause", b"speed", b"\xff"] if words[0] == "HGETALL" else None

    pointer = SharedPointer(call)
    assert dict(pointer.read()) == {"state": "pause", "speed": "\ufffd"}
    pointer.write({"state": "play"})
    assert told[-1] == ("HSET", "dsmil:ais:playback", "state", "play")


def test_a_held_pointer_holds_the_next_recording(
    nmea: Callable[..., Path], kit: Kit, ledger: Ledger, sink: Any, clock: FakeClock
) -> None:
    show = Show(nmea("x", 5), None, kit, ledger)
    show.pointer.write({"state": "pause"})
    show.run(2)
    assert sink.seen == []
    show.pointer.write({"state": "play"})
    show.run(2)
    assert len(sink.seen) == 5


def test_a_pointer_that_is_away_is_waited_for(nmea: Any, kit: Kit, ledger: Ledger, sink: Any) -> None:
    show = Show(nmea("x", 5), None, kit, ledger)
    show.pointer.write({"state": "stop"})  # left by the last recording
    show.pointer.away = True
    for _ in range(5):
        with suppress(Unavailable):
            show.loop.step(0)
    assert sink.seen == []
    show.pointer.away = False
    show.run(1)
    assert len(sink.seen) == 5
    assert show.source.totals.received == 5
