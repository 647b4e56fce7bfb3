"""A TCP client never blocks, comes back after every kind of loss with growing waits, and drops nothing."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from dsmil.clock import SYSTEM, FakeClock
from dsmil.sensors.ais_nmea import AisNmea
from dsmil.sensors.source import Kit, LiveSource
from dsmil.sensors.stamp import live_origin
from dsmil.sensors.tcp import CONNECT_S_MAX, StreamClient, tcp_client
from dsmil.sensors.wait import CAP_S, Wait

SENTENCE = b"!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5C\n"


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(5)
        yield listening


def ready(client: StreamClient) -> None:
    """Wait until the client's descriptor has something to say."""
    fd = client.fileno()
    assert fd is not None
    poll = select.poll()
    poll.register(fd, select.POLLOUT if client.events_for_write else select.POLLIN)
    assert poll.poll(5000)


def connected(client: StreamClient, server: socket.socket) -> socket.socket:
    client.fileno()
    peer, _ = server.accept()
    while client.events_for_write:
        ready(client)
        assert list(client.read()) == []
    return peer


def test_it_reads_what_comes(server: socket.socket) -> None:
    client = tcp_client(*server.getsockname(), clock=SYSTEM)
    with connected(client, server) as peer:
        peer.sendall(b"abc")
        ready(client)
        assert list(client.read()) == [(f"127.0.0.1:{server.getsockname()[1]}", b"abc")]
        assert client.error is None
    client.close()


def test_a_peer_that_hangs_up_is_tried_again(server: socket.socket, clock: FakeClock) -> None:
    client = tcp_client(*server.getsockname(), clock=clock)
    connected(client, server).close()
    ready(client)
    assert [data for _, data in client.read()] == [None]
    assert "closed by the peer" in (client.error or "")
    assert client.fileno() is None
    clock.advance(1)
    with connected(client, server):
        assert client.error is None
    client.close()


def test_a_refused_connection_waits_longer_each_time(clock: FakeClock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closing:
        address = closing.getsockname()
    client = tcp_client(*address, clock=clock)
    waits = []
    for _ in range(4):
        if client.fileno() is not None:
            ready(client)
            list(client.read())
        assert "refused" in (client.error or "")
        waits.append(client.due_s() or 0.0)
        clock.advance(waits[-1])
    assert waits[0] <= 0.5
    assert waits[-1] > 2 * waits[0]
    client.close()


def test_silence_ends_a_connection(server: socket.socket, clock: FakeClock) -> None:
    client = tcp_client(*server.getsockname(), clock=clock, idle_s=60)
    with connected(client, server):
        assert client.due_s() == 60
        clock.advance(59)
        assert list(client.read()) == []
        clock.advance(1)
        assert client.due_s() == 0
        assert [data for _, data in client.read()] == [None]
        assert "silent for 60 s" in (client.error or "")
    client.close()


def test_an_endless_connect_is_given_up(clock: FakeClock) -> None:
    # A full backlog leaves a connection half made.
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        blockers = [socket.create_connection(listening.getsockname(), timeout=5)]
        client = tcp_client(*listening.getsockname(), clock=clock)
        client.fileno()
        if not client.events_for_write:
            pytest.skip("this kernel completes a connection beyond the backlog")
        clock.advance(CONNECT_S_MAX)
        list(client.read())
        if client.error is None:
            pytest.skip("this kernel completes a connection beyond the backlog")
        assert "no answer" in client.error
        for blocker in blockers:
            blocker.close()
        client.close()


def test_an_unknown_host_is_no_crash(clock: FakeClock) -> None:
    client = tcp_client("no-such-host.invalid", 1, clock=clock)
    assert client.fileno() is None
    assert client.error
    client.close()


def test_a_lost_connection_settles_its_parser(server: socket.socket, kit: Kit, sink: Any) -> None:
    client = tcp_client(*server.getsockname(), clock=SYSTEM)
    source = LiveSource(live_origin("ais:tcp:x", "run", device=11), client, AisNmea, kit=kit)
    with connected(client, server) as peer:
        peer.sendall(SENTENCE + SENTENCE[:20])
    ready(client)
    source.pump()
    while client.error is None:
        ready(client)
        source.pump()
    kit.outbox.flush()
    assert len(sink.seen) == 1
    # The torn sentence is settled, not held for the next connection.
    counts = source.intake.counts
    assert counts.received + counts.ignored == 2
    assert counts.last_error is not None


def test_waits_double_up_to_the_cap(clock: FakeClock) -> None:
    wait = Wait(clock)
    assert wait.over()
    for _ in range(20):
        wait.again()
    assert CAP_S / 2 <= wait.left_s() <= CAP_S
    assert not wait.over()
    wait.clear()
    assert wait.over()
