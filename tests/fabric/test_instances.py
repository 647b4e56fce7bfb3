"""Which instances there are is read off what they write beside their heartbeats."""

from __future__ import annotations

import pytest
import redis

from dsmil.clock import FakeClock
from dsmil.fabric import instances
from dsmil.fabric.instances import Entered
from dsmil.fabric.topology import full_name, is_full_name, is_instance
from dsmil.fabric.wire import Wire

NAME = "ais-playback@harbour"


def test_names() -> None:
    assert full_name("ais-playback", "harbour") == NAME
    assert full_name("ais-playback", "") == "ais-playback"
    assert is_instance("a-1") and not is_instance("") and not is_instance("A") and not is_instance("a" * 33)
    assert is_full_name(NAME) and is_full_name("net-parser@1")
    for wrong in ("ais-playback", "ais-playback@", "l3@x", "projector@x", "x@y", f"{NAME}@z", "ais-playback@ä"):
        assert not is_full_name(wrong), wrong


@pytest.mark.live
def test_one_is_entered_with_its_heartbeat_and_taken_out_when_stopped(
    redis_socket: str, clock: FakeClock
) -> None:
    client = redis.Redis(unix_socket_path=redis_socket)
    written: list[dict[str, object]] = []
    wire = Wire(f"unix://{redis_socket}")
    entered = Entered(wire, NAME, clock=clock)
    entered.open()
    assert instances.known(client, clock.now()) == []
    entered.beside(written.append)({"state": "ready"})
    assert written == [{"state": "ready"}]
    assert instances.known(client, clock.now()) == [NAME]
    assert instances.known(client, clock.now() + 86_399) == [NAME], "one that died is missed for a day"
    assert instances.known(client, clock.now() + 86_401) == []
    entered.close()
    assert instances.known(client, clock.now()) == []
    wire.close()
    client.close()


@pytest.mark.live
def test_what_others_wrote_there_is_passed_over(redis_socket: str, clock: FakeClock) -> None:
    client = redis.Redis(unix_socket_path=redis_socket)
    now = str(int(clock.now()))
    odd = {"l3": now, b"\xff": now, "ais-playback@x": "soon", "rf-ingest@b": now, "rf-ingest@a": now}
    client.hset(instances.KEY, mapping=odd)  # type: ignore[arg-type]
    assert instances.known(client, clock.now()) == ["rf-ingest@a", "rf-ingest@b"]
    client.close()
