"""The documented names answer with the documented values, and never raise."""

from __future__ import annotations

import msgspec
import pytest
import redis

from dsmil import SOCRouter
from dsmil.clock import FakeClock
from dsmil.runtime.health import Heartbeat, State
from dsmil.soc.facade import SHRINKClient, SOCRouterConfig

NOWHERE = "http://127.0.0.1:9"


def test_without_anything_running_it_still_tells_what_it_is() -> None:
    router = SOCRouter(SOCRouterConfig(redis_host="127.0.0.1", redis_port=9, shrink_url=NOWHERE))
    stats = router.get_stats()
    assert (stats["device_id"], stats["token_base"], stats["layer"]) == (52, "0x809C", 8)
    assert (stats["uptime"], stats["processed"], stats["published"], stats["shrink"]) == (0.0, 0, 0, False)
    assert stats["running"] is False


def test_shrink_away_is_false_and_empty() -> None:
    client = SHRINKClient(NOWHERE)
    assert (client.check_availability(), client.get_metrics(), client.get_alerts()) == (False, {}, [])


@pytest.mark.live
def test_a_living_daemons_counts_are_given(redis_socket: str, clock: FakeClock) -> None:
    beat = Heartbeat(
        daemon="soc-router", pid=1, state=State.READY, since=clock.now() - 60, state_since=clock.now(),
        now=clock.now(), stats={"processed": 45, "published": 42},
    )  # fmt: skip
    with redis.Redis(unix_socket_path=redis_socket) as server:
        server.set("dsmil:hb:soc-router", msgspec.json.encode(beat))
    router = SOCRouter(SOCRouterConfig(redis_url=f"unix://{redis_socket}", shrink_url=NOWHERE), clock=clock)
    stats = router.get_stats()
    assert (stats["uptime"], stats["processed"], stats["published"], stats["running"]) == (60.0, 45, 42, True)
    clock.advance(120)
    assert router.get_stats()["running"] is False
