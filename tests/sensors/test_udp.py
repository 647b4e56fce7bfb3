"""UDP is taken as it comes; what the kernel had to throw away is counted, and a taken port is tried again."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from dsmil.clock import SYSTEM, FakeClock
from dsmil.sensors import udp
from dsmil.sensors.ais_nmea import AisNmea
from dsmil.sensors.source import Kit, LiveSource
from dsmil.sensors.stamp import live_origin
from dsmil.sensors.udp import Udp

SENTENCE = "!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5C"


@pytest.fixture
def listening() -> Any:
    opened = Udp("127.0.0.1", 0, clock=SYSTEM)
    assert opened.fileno() is not None
    yield opened
    opened.close()


def send(port: int, *datagrams: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in datagrams:
            sender.sendto(datagram, ("127.0.0.1", port))


def test_datagrams_come_with_their_peer(listening: Udp) -> None:
    send(listening.port, b"one", b"", b"two")
    got = list(listening.read())
    assert [data for _, data in got] == [b"one", b"two"]
    assert all(peer.startswith("127.0.0.1:") for peer, _ in got)
    assert listening.lost() == 0


def test_what_the_kernel_dropped_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp, "RECEIVE_BUFFER_BYTES", 4096)
    small = Udp("127.0.0.1", 0, clock=SYSTEM)
    try:
        assert small.fileno() is not None
        send(small.port, *[b"x" * 1000] * 200)
        taken = len(list(small.read()))
        # The count rides along with a later datagram.
        send(small.port, b"after")
        taken += len(list(small.read()))
        lost = small.lost()
    finally:
        small.close()
    assert lost > 0
    assert taken + lost == 201
    assert small.lost() == 0


def test_a_taken_port_is_tried_again(listening: Udp, clock: FakeClock) -> None:
    second = Udp("127.0.0.1", listening.port, clock=clock)
    assert second.fileno() is None
    assert "in use" in (second.error or "")
    assert 0 < (second.due_s() or 0) <= 0.5
    listening.close()
    assert second.fileno() is None
    clock.advance(1)
    assert second.fileno() is not None
    assert second.error is None
    second.close()


def test_a_datagram_ends_its_record(listening: Udp, kit: Kit, sink: Any) -> None:
    source = LiveSource(live_origin("ais:udp:1", "run", device=11), listening, AisNmea, kit=kit)
    send(listening.port, SENTENCE.encode(), SENTENCE.encode() + b"\r\n", b"garbage")
    assert source.pump() == 3
    kit.outbox.flush()
    assert [event.source_seq for event in sink.seen] == [1, 2]
    assert sink.seen[0].raw is not None
    assert (sink.seen[0].raw.peer or "").startswith("127.0.0.1:")
    counts = source.intake.counts
    assert counts.received + counts.ignored == 3


def test_lost_datagrams_leave_a_gap_in_the_counter(
    listening: Udp, kit: Kit, sink: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = LiveSource(live_origin("ais:udp:1", "run", device=11), listening, AisNmea, kit=kit)
    send(listening.port, SENTENCE.encode())
    source.pump()
    monkeypatch.setattr(listening, "_lost", 4)
    source.pump()
    send(listening.port, SENTENCE.encode())
    source.pump()
    kit.outbox.flush()
    assert [event.source_seq for event in sink.seen] == [1, 6]
    assert source.intake.counts.dropped == 4
