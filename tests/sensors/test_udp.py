"""UDP is taken as it comes; what the kernel had to throw away is counted, and a taken port is tried again."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from dsmil.clock import SYSTEM, FakeClock
from dsmil.errors import ConfigError
from dsmil.sensors import udp
from dsmil.sensors.ais_nmea import AisNmea
from dsmil.sensors.source import Kit, LiveSource
from dsmil.sensors.stamp import live_origin
from dsmil.sensors.udp import Udp, given, names, shown

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


def passed(family: int = socket.AF_INET, *, size: int = 0) -> int:
    """The descriptor of a bound socket, as systemd hands it over."""
    opened = socket.socket(family, socket.SOCK_DGRAM)
    if size:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    opened.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
    return opened.detach()


@pytest.fixture
def taken(clock: FakeClock) -> Iterator[Udp]:
    (udp_,) = given([passed()], clock=clock, unit="dsmil-x.socket")
    yield udp_
    udp_.close()


def test_a_passed_socket_is_used_with_what_queued_in_it_before() -> None:
    fd = passed()
    port = socket.socket(fileno=os.dup(fd)).getsockname()[1]
    send(port, b"before")
    (taken,) = given([fd], clock=SYSTEM, unit="dsmil-x.socket")
    assert taken.fileno() == fd and taken.port == port and taken.due_s() is None
    send(port, b"after")
    assert [data for _, data in taken.read()] == [b"before", b"after"]
    taken.close()
    assert taken.fileno() is None and taken.due_s() is None, "it opens no port of its own"


def test_a_passed_socket_of_ipv6() -> None:
    (taken,) = given([passed(socket.AF_INET6)], clock=SYSTEM, unit="dsmil-x.socket")
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"six", ("::1", taken.port))
    ((peer, data),) = taken.read()
    assert data == b"six" and peer.startswith("[::1]:")
    assert names("ais", [taken]) == [f"ais:udp:{taken.port}"]
    taken.close()


def test_drops_of_an_earlier_life_are_not_counted_again() -> None:
    fd = passed(size=4096)
    (first,) = given([os.dup(fd)], clock=SYSTEM, unit="dsmil-x.socket")
    port = first.port
    send(port, *[b"x" * 1000] * 100)
    first.close()
    (second,) = given([fd], clock=SYSTEM, unit="dsmil-x.socket")
    queued = len(list(second.read()))
    send(port, b"after")
    assert len(list(second.read())) == 1 and queued < 100
    assert second.lost() == 0
    send(port, *[b"x" * 1000] * 100)
    taken = len(list(second.read()))
    send(port, b"last")
    assert len(list(second.read())) == 1
    assert second.lost() == 100 - taken > 0
    second.close()


class Broken:
    """A socket whose next read fails so."""

    def __init__(self, real: socket.socket, number: int) -> None:
        self._real, self.number = real, number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def recvmsg(self, size: int, extra: int) -> Any:
        if self.number:
            number, self.number = self.number, 0
            raise OSError(number, os.strerror(number))
        return self._real.recvmsg(size, extra)


def test_a_passed_socket_outlives_an_error_that_passes(
    taken: Udp, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    fd = taken.fileno()
    monkeypatch.setattr(taken, "_socket", Broken(taken._socket, errno.ENOBUFS))  # type: ignore[arg-type]
    assert list(taken.read()) == []
    assert "buffer space" in (taken.error or "") and f"127.0.0.1:{taken.port}" in (taken.error or "")
    assert taken.fileno() is None and 0 < (taken.due_s() or 0) <= 0.5
    send(taken.port, b"waits")
    clock.advance(1)
    assert taken.fileno() == fd and taken.due_s() == 0
    assert [data for _, data in taken.read()] == [b"waits"]
    assert taken.error is None and taken.due_s() is None


def test_a_passed_socket_that_is_lost_is_said_to_be(
    taken: Udp, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taken, "_socket", Broken(taken._socket, errno.EBADF))  # type: ignore[arg-type]
    assert list(taken.read()) == []
    assert "restart this daemon" in (taken.error or "")
    clock.advance(100)
    assert taken.fileno() is None and taken.due_s() is None and list(taken.read()) == []


def test_what_is_no_udp_socket_is_a_wrong_configuration(tmp_path: Any) -> None:
    file = os.open(tmp_path / "file", os.O_CREAT | os.O_RDWR)
    stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    local = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    for fd in (file, stream.fileno(), local.fileno()):
        with pytest.raises(ConfigError, match="ListenDatagram=host:port in dsmil-x.socket"):
            given([fd], clock=SYSTEM, unit="dsmil-x.socket")
    os.close(file)
    stream.close()
    local.close()


def test_two_sockets_of_one_port_have_two_names(clock: FakeClock) -> None:
    found = [Udp(host, port, clock=clock) for host, port in (("10.0.0.1", 7), ("::1", 7), ("::1", 8))]
    assert names("rf", found) == ["rf:udp:10.0.0.1:7", "rf:udp:[::1]:7", "rf:udp:8"]
    assert shown(("::ffff:10.0.0.1", 9, 0, 0)) == "10.0.0.1:9"
