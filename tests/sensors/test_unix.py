"""A UNIX socket is read like a TCP peer: nDPId's frames, across a lost connection."""

from __future__ import annotations

import select
import socket
from pathlib import Path
from typing import Any

import pytest

from dsmil.clock import SYSTEM
from dsmil.errors import ConfigError
from dsmil.sensors.ndpid import NdpidFrames
from dsmil.sensors.source import Kit, LiveSource
from dsmil.sensors.stamp import live_origin
from dsmil.sensors.unix import unix_client

FLOW = (
    b'{"flow_event_id":1,"flow_event_name":"new","thread_id":0,"packet_id":1,"source":"x","alias":"y",'
    b'"flow_id":7,"flow_state":"info","l3_proto":"ip4","src_ip":"10.0.0.1","dst_ip":"10.0.0.2",'
    b'"src_port":1000,"dst_port":443,"l4_proto":"tcp","thread_ts_usec":1700000000000000}\n'
)
FRAME = b"%05d%b" % (len(FLOW), FLOW)


def test_frames_arrive_through_the_socket(tmp_path: Path, kit: Kit, sink: Any) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        server.settimeout(5)
        client = unix_client(str(path), clock=SYSTEM)
        source = LiveSource(live_origin(f"ndpid:{path}", "run", device=5), client, NdpidFrames, kit=kit)
        assert source.fileno() is not None
        peer, _ = server.accept()
        with peer:
            peer.sendall(FRAME + FRAME[:10])
            peer.sendall(FRAME[10:])
        while client.error is None:
            assert select.select([source.fileno()], [], [], 5)[0]
            source.pump()
    source.close()
    kit.outbox.flush()
    counts = source.intake.counts
    assert counts.received + counts.ignored == 2
    assert sum(counts.rejected.values()) == 0
    assert all(event.kind == "net.flow" for event in sink.seen)


def test_a_missing_socket_is_tried_again(tmp_path: Path) -> None:
    client = unix_client(str(tmp_path / "none"), clock=SYSTEM)
    assert client.fileno() is None
    assert "No such file" in (client.error or "")


def test_a_path_the_kernel_cannot_hold_is_refused() -> None:
    with pytest.raises(ConfigError, match="shorter path"):
        unix_client("/" + "x" * 200, clock=SYSTEM)
