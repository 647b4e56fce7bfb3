"""From bytes to the outbox nothing is lost or counted twice: outages, interruptions, faults of a parser, floods."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dsmil.clock import FakeClock
from dsmil.errors import Unavailable
from dsmil.events.source import SourceStats
from dsmil.fabric.pressure import StreamFull
from dsmil.sensors.ledger import Ledger
from dsmil.sensors.loop import HELD_MAX, Loop
from dsmil.sensors.pause import LOOK_EVERY_S, Pausable, PauseSwitch, pause_key
from dsmil.sensors.pipe import Pipe
from dsmil.sensors.record import Item, Reason, Reject
from dsmil.sensors.rounds import Shelf, Which
from dsmil.sensors.source import BATCH_MAX, PEERS_MAX, Kit, LiveSource, Outbox, guarded
from dsmil.sensors.stamp import live_origin
from dsmil.sensors.stats import STATS_EVERY_S
from dsmil.sensors.supply import FileSource, PathSupply, expand
from dsmil.sensors.tail import TailSource

SENTENCE = b"!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5C\n"
NewKit = Callable[[], Kit]


def ingest(paths: Sequence[Path], kit: Kit, ledger: Ledger, *, which: Which = "first") -> FileSource:
    source = FileSource(PathSupply(paths, which=which), Shelf(family="ais", ledger=ledger), kit)
    loop = Loop([source], kit)
    for _ in range(10_000):
        if loop.ended:
            return source
        loop.step(0)
    raise AssertionError("the loop does not end")


def run_out(loop: Loop) -> None:
    """Go on until Redis takes no more."""
    for _ in range(1000):
        loop.step(0)


def test_a_file_goes_out_once(nmea: Any, kit: Kit, ledger: Ledger, sink: Any) -> None:
    path = nmea("x", 3000, tail="!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*00\n$GPGGA,1*00\n")
    source = ingest([path], kit, ledger)
    assert [event.source_seq for event in sink.seen] == list(range(1, 3001))
    (told,) = [msgspec.json.decode(bytes(event.payload), type=SourceStats) for event in sink.stats]
    assert told.ended
    assert not told.live
    assert told.source == "ais:file:x"
    assert told.received == told.accepted + sum(told.rejected.values()) == source.totals.received
    assert told.rejected["checksum"] >= 1
    assert sink.stats[0].source == "test"
    (dead,) = [event for event in sink.dead if b"checksum" in bytes(event.payload)]
    assert dead.raw.path == str(path)


def test_known_content_is_refused_whole_under_any_name(
    nmea: Any, new_kit: NewKit, ledger: Ledger, sink: Any
) -> None:
    path = nmea("x", 10)
    ingest([path], new_kit(), ledger)
    before = len(sink.events), len(sink.dead)
    path.rename(path.with_name("y"))
    source = ingest([path.with_name("y")], new_kit(), ledger)
    assert source.totals.rejected == {"duplicate": 1}
    assert "ingested before" in (source.outcomes[0].error or "")
    # Refusing it adds nothing to the audit.
    assert (len(sink.events), len(sink.dead)) == before


def test_again_gives_the_same_events(nmea: Any, new_kit: NewKit, ledger: Ledger, sink: Any) -> None:
    path = nmea("x", 10, tail="garbage\n")
    ingest([path], new_kit(), ledger)
    first = {event.event_id for event in (*sink.events, *sink.dead)}
    sink.events.clear()
    sink.dead.clear()
    ingest([path], new_kit(), ledger, which="again")
    assert {event.event_id for event in (*sink.events, *sink.dead)} == first


def test_gzip_and_plain_agree_on_what_they_say(nmea: Any, new_kit: NewKit, ledger: Ledger, sink: Any) -> None:
    path = nmea("x", 500)
    packed = path.with_name("x.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    ingest([path, packed], new_kit(), ledger)
    plain, unpacked = sink.seen[:500], sink.seen[500:]
    assert [bytes(event.payload) for event in plain] == [bytes(event.payload) for event in unpacked]
    assert [event.raw.offset for event in plain] == [event.raw.offset for event in unpacked]


@pytest.mark.parametrize("cut", [1, 500, 512, 513, 1500, 2990])
def test_an_interrupted_file_is_resumed_with_the_same_counters(
    nmea: Any, new_kit: NewKit, ledger: Ledger, sink: Any, cut: int
) -> None:
    path = nmea("x", 3000, tail="garbage\n" * 3)
    sink.room = cut
    kit = new_kit()
    source = FileSource(PathSupply([path]), Shelf(family="ais", ledger=ledger), kit)
    loop = Loop([source], kit)
    with pytest.raises(Unavailable):
        run_out(loop)
    # The daemon dies here: its outbox is gone.
    sink.room = None
    ingest([path], new_kit(), ledger)
    counters = [event.source_seq for event in sink.seen]
    assert set(counters) == set(range(1, 3001))
    assert len(counters) - 3000 <= 1024 + BATCH_MAX
    by_counter = {event.source_seq: event.event_id for event in sink.seen}
    assert all(by_counter[event.source_seq] == event.event_id for event in sink.seen)


def test_redis_away_holds_everything_and_loses_nothing(nmea: Any, kit: Kit, ledger: Ledger, sink: Any) -> None:
    source = FileSource(PathSupply([nmea("x", 2500)]), Shelf(family="ais", ledger=ledger), kit)
    loop = Loop([source], kit)
    for turn in range(200):
        sink.away = turn % 3 != 0
        try:
            loop.step(0)
        except Unavailable:
            assert kit.outbox.waiting <= 2 * 1024
    assert loop.ended
    assert [event.source_seq for event in sink.seen] == list(range(1, 2501))


def test_a_full_stream_slows_the_loop_without_degrading_it(
    nmea: Any, kit: Kit, ledger: Ledger, clock: FakeClock
) -> None:
    def full(encoded: Sequence[bytes]) -> None:
        raise StreamFull("publish to L3_IN: the stream is at its cap")

    held = msgspec.structs.replace(kit, outbox=Outbox(full, full))
    loop = Loop([FileSource(PathSupply([nmea("x", 10)]), Shelf(family="ais", ledger=ledger), held)], held)
    before = clock.monotonic()
    for _ in range(10):
        loop.step(1)
    assert loop.stats()["held_back"] >= 5
    assert clock.monotonic() > before
    assert held.outbox.waiting == 11


def test_an_unreadable_file_is_counted_and_the_next_one_read(
    nmea: Any, kit: Kit, ledger: Ledger, tmp_path: Path
) -> None:
    source = ingest([tmp_path / "missing", tmp_path, nmea("x", 5)], kit, ledger)
    assert source.files == 3
    assert source.totals.rejected == {"unreadable": 2}
    assert source.totals.accepted == 5


def test_a_truncated_gzip_keeps_what_it_had(nmea: Any, kit: Kit, ledger: Ledger, sink: Any) -> None:
    path = nmea("x.gz", 5000)
    path.write_bytes(gzip.compress(path.read_bytes())[:-20])
    source = ingest([path], kit, ledger)
    assert source.totals.accepted > 1000
    assert source.totals.rejected.get("truncated") == 1
    assert "end early" in (source.outcomes[0].error or "")


def test_a_parser_that_fails_is_one_reject() -> None:
    def failing() -> Iterator[Item]:
        yield Reject(reason=Reason.CHECKSUM)
        raise RecursionError("deep")

    items = list(guarded(failing()))
    assert [item.reason for item in items if isinstance(item, Reject)] == [Reason.CHECKSUM, Reason.BAD_PAYLOAD]


def test_only_the_first_hundred_rejects_of_a_minute_are_buried(
    nmea: Any, kit: Kit, ledger: Ledger, sink: Any
) -> None:
    bad = "!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*00\n"
    source = ingest([nmea("x", 1, tail=bad * 250)], kit, ledger)
    assert source.totals.rejected == {"checksum": 250}
    assert len(sink.dead) == 100
    assert len({event.event_id for event in sink.dead}) == 100


class Flood:
    """A datagram transport that always has something, from ever new peers."""

    error = None
    ended = False
    datagrams = True
    events_for_write = False

    def __init__(self) -> None:
        self.peer = 0

    def fileno(self) -> int | None:
        return None

    def due_s(self) -> float | None:
        return 0.0

    def read(self) -> Iterator[tuple[str, bytes | None]]:
        for _ in range(100):
            self.peer += 1
            yield f"10.0.0.{self.peer}:1", SENTENCE

    def lost(self) -> int:
        return 0

    def close(self) -> None:
        pass


def live(transport: Any, kit: Kit) -> LiveSource:
    from dsmil.sensors.ais_nmea import AisNmea

    return LiveSource(live_origin("ais:udp:1", "run", device=11), transport, AisNmea, kit=kit)


def test_peers_are_bounded(kit: Kit, sink: Any) -> None:
    source = live(Flood(), kit)
    for _ in range(10):
        source.pump()
    kit.outbox.flush()
    assert len(source._parsers) == PEERS_MAX
    assert len(sink.seen) == 1000


def test_datagrams_are_held_for_a_redis_that_is_away_up_to_a_bound(kit: Kit, sink: Any) -> None:
    loop = Loop([live(Flood(), kit)], kit)
    loop.step(0)
    sink.away = True
    for _ in range(1000):
        with pytest.raises(Unavailable):
            loop.step(0)
    assert HELD_MAX <= kit.outbox.waiting < HELD_MAX + 200
    sink.away = False
    loop.step(0)
    assert kit.outbox.waiting == 0
    assert [event.source_seq for event in sink.seen] == list(range(1, len(sink.seen) + 1))


def test_live_sources_speak_every_ten_seconds_even_when_silent(kit: Kit, sink: Any, clock: FakeClock) -> None:
    reader, writer = os.pipe()
    loop = Loop([live(Pipe(reader), kit)], kit)
    for _ in range(31):
        loop.step(0)
        clock.advance(1)
    told = [msgspec.json.decode(bytes(event.payload), type=SourceStats) for event in sink.stats]
    assert len(told) == 30 // STATS_EVERY_S
    assert all(row.live and row.last_data_ts is None for row in told)
    assert [event.source_seq for event in sink.stats] == [1, 2, 3]
    os.write(writer, SENTENCE[:20])
    loop.step(0)
    os.write(writer, SENTENCE[20:])
    os.close(writer)
    for _ in range(3):
        loop.step(0)
    assert loop.ended
    assert len(sink.seen) == 1
    loop.drain()
    assert loop.stats()["accepted"] == 1
    os.close(reader)


def test_a_growing_file_is_followed_across_restart_and_rotation(
    new_kit: NewKit, ledger: Ledger, sink: Any, clock: FakeClock, tmp_path: Path
) -> None:
    path = tmp_path / "eve.json"

    def row(number: int) -> bytes:
        return (
            b'{"timestamp":"2024-01-01T00:00:%02d.000000+0000","event_type":"alert","src_ip":"10.0.0.1",'
            b'"src_port":1,"dest_ip":"10.0.0.2","dest_port":2,"proto":"TCP","alert":{"signature_id":%d,'
            b'"signature":"s","severity":1}}\n' % (number, number)
        )

    def follow(source: TailSource, loop: Loop) -> None:
        for _ in range(4):
            loop.step(0)
            clock.advance(1)

    kit = new_kit()
    source = TailSource(path, "ndpi", kit, ledger)
    loop = Loop([source], kit)
    follow(source, loop)  # it is not there yet
    path.write_bytes(row(1) + row(2) + row(3)[:30])
    follow(source, loop)
    assert len(sink.seen) == 2
    with path.open("ab") as file:
        file.write(row(3)[30:])
    follow(source, loop)
    assert len(sink.seen) == 3

    kit = new_kit()  # a restart: on from where it was
    source = TailSource(path, "ndpi", kit, ledger)
    loop = Loop([source], kit)
    with path.open("ab") as file:
        file.write(row(4))
    follow(source, loop)
    path.rename(tmp_path / "eve.json.1")
    path.write_bytes(row(5))
    follow(source, loop)
    follow(source, loop)
    assert [event.source_seq for event in sink.seen] == [1, 2, 3, 4, 1]
    assert [event.raw.offset for event in sink.seen][:4] == [len(row(1)) * number for number in range(4)]
    assert len({event.event_id for event in sink.seen}) == 5
    source.close()


def test_a_pause_holds_the_work_and_is_looked_for_now_and_then(clock: FakeClock) -> None:
    class Work:
        steps = 0

        def step(self, timeout_s: float) -> int:
            self.steps += 1
            return 1

        def drain(self) -> None: ...

        def stats(self) -> dict[str, int]:
            return {"steps": self.steps}

    asked: list[object] = []
    paused: bool | Unavailable = False

    def read() -> bool:
        asked.append(paused)
        if isinstance(paused, Unavailable):
            raise paused
        return paused

    work = Work()
    held = Pausable(work, PauseSwitch(read, clock=clock), clock=clock)
    for _ in range(5):
        held.step(1)
    assert work.steps == 5
    assert len(asked) == 1
    paused = True
    clock.advance(LOOK_EVERY_S)
    before = clock.monotonic()
    assert held.step(2) == 0
    assert clock.monotonic() > before
    assert held.stats() == {"steps": 5, "paused": True}
    paused = False
    clock.advance(LOOK_EVERY_S)
    assert held.step(1) == 1
    clock.advance(LOOK_EVERY_S)
    paused = Unavailable("reach Redis: away")
    assert held.step(1) == 1, "an outage is the work's to notice"
    assert pause_key("l3") == "dsmil:pause:l3"


def test_directories_give_their_files_of_that_family(nmea: Any, tmp_path: Path) -> None:
    nmea("b.nmea", 1)
    (tmp_path / "expected").mkdir()
    nmea("expected/a.nmea", 1)
    (tmp_path / "readme").write_text("hello")
    assert list(expand([tmp_path], "ais")) == [tmp_path / "b.nmea"]
    assert list(expand([tmp_path / "readme"], "ais")) == [tmp_path / "readme"]
