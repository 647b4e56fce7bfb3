"""Stamping names a file's records by their place, the same at every reading, and a network's by run and counter."""

from __future__ import annotations

import pytest

from dsmil.events import ids
from dsmil.events.ais import Position
from dsmil.events.enums import TsBasis
from dsmil.events.envelope import EVENT_BYTES_MAX, TEXT_MAX, Event, decode
from dsmil.events.net import Host, Port, Script
from dsmil.sensors.record import Observation, Reason, Reject
from dsmil.sensors.stamp import Stamper, file_origin, live_origin, source_name

SHA = "ab" * 32


def seen(offset: int = 0, ts: float | None = 5.0, text: str = "raw") -> Observation:
    return Observation(
        kind="ais.position", payload=Position(mmsi=1, msg_type=1), ts=ts, offset=offset, line=1, text=text
    )


def stamped(stamper: Stamper, observation: Observation, peer: str | None = None) -> Event:
    made = stamper.stamp(observation, now_s=1000.0, peer=peer)
    assert isinstance(made, bytes)
    return decode(made)


def test_a_file_record_is_named_by_its_place() -> None:
    origin = file_origin("ais:file:x", SHA, device=11, path="/in/x")
    first, second = Stamper(origin), Stamper(origin)
    one = [stamped(first, seen(offset)) for offset in (0, 50, 100)]
    two = [stamped(second, seen(offset)) for offset in (0, 50, 100)]
    assert one == two
    assert [event.source_seq for event in one] == [1, 2, 3]
    assert one[1].event_id == ids.file_record(SHA, 50, 0, 0)
    assert one[0].source_epoch == f"{SHA[:16]}.0"
    assert one[0].raw is not None
    assert (one[0].raw.path, one[0].raw.offset, one[0].raw.line, one[0].raw.text) == ("/in/x", 0, 1, "raw")


def test_pages_and_a_parser_that_comes_back_never_share_an_id() -> None:
    stamper = Stamper(file_origin("nmap:x", SHA, device=5))
    offsets = [0, 0, 0, 500, 500, 0, 0, 500, 900, 0]
    named = [stamped(stamper, seen(offset)).event_id for offset in offsets]
    assert len(set(named)) == len(named)


def test_a_new_round_makes_new_events() -> None:
    first = stamped(Stamper(file_origin("ais:file:x", SHA, device=11)), seen())
    again = stamped(Stamper(file_origin("ais:file:x", SHA, device=11, loop=1)), seen())
    assert first.event_id != again.event_id
    assert again.source_epoch.endswith(".1")


def test_a_record_without_a_time_says_so() -> None:
    event = stamped(Stamper(file_origin("ais:file:x", SHA, device=11)), seen(ts=None))
    assert (event.ts, event.ts_basis, event.ingest_ts) == (1000.0, TsBasis.INGEST, 1000.0)


def test_a_network_record_carries_its_peer_and_no_place() -> None:
    stamper = Stamper(live_origin("ais:udp:10110", "run1", device=11))
    event = stamped(stamper, seen(offset=7), peer="10.0.0.1:999")
    assert event.event_id == ids.network("ais:udp:10110", "run1", 1)
    assert event.raw is not None
    assert (event.raw.peer, event.raw.offset, event.raw.line) == ("10.0.0.1:999", None, None)


def test_a_loss_leaves_a_gap() -> None:
    stamper = Stamper(live_origin("ais:udp:10110", "run1", device=11))
    stamped(stamper, seen())
    stamper.skip(3)
    assert stamped(stamper, seen()).source_seq == 5


def test_raw_text_is_cut_and_always_encodes() -> None:
    stamper = Stamper(file_origin("ais:file:x", SHA, device=11))
    event = stamped(stamper, seen(text="é" * 3000))
    assert event.raw is not None
    assert len((event.raw.text or "").encode()) <= TEXT_MAX
    assert stamped(stamper, seen(offset=1, text="bad \udc80 byte")).raw is not None


@pytest.mark.parametrize("ts", [-1.0, 1e18, float("nan"), float("inf")])
def test_an_impossible_time_is_a_reject(ts: float) -> None:
    stamper = Stamper(file_origin("ais:file:x", SHA, device=11))
    made = stamper.stamp(seen(ts=ts), now_s=1000.0)
    assert isinstance(made, Reject)
    assert made.reason is Reason.OUT_OF_RANGE
    assert stamper.seq == 0


def test_what_is_too_large_for_an_event_is_a_reject() -> None:
    ports = tuple(
        Port(proto="tcp", port=n, state="open", scripts=(Script(id="x", output="y" * 1000),)) for n in range(100)
    )
    observation = Observation(kind="net.host", payload=Host(ip="1.2.3.4", ports=ports), records=1)
    made = Stamper(file_origin("nmap:x", SHA, device=5)).stamp(observation, now_s=1.0)
    assert isinstance(made, Reject)
    assert made.reason is Reason.OVERSIZED
    assert str(EVENT_BYTES_MAX) in made.detail


def test_source_names_are_bounded_and_printable() -> None:
    assert source_name("nmap", "scan.xml") == "nmap:scan.xml"
    assert source_name("ais", "log.nmea") == "ais:file:log.nmea"
    hostile = source_name("rf", "\x1b[31m" + "x" * 1000 + "\udcff")
    assert "\x1b" not in hostile
    assert len(hostile) < 512
    hostile.encode()
