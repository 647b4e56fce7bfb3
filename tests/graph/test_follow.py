"""A graph that follows the stream holds what the projector holds, says when it cannot, begins anew after a loss."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest

from dsmil.clock import SYSTEM
from dsmil.errors import Unavailable
from dsmil.fabric.private import PrivateRedis
from dsmil.fabric.wire import Wire
from dsmil.graph.follow import Follower
from dsmil.graph.state import state_hash
from tests.graph.suite import Suite, seen

pytestmark = pytest.mark.live


@pytest.fixture
def follower(suite: Suite) -> Iterator[Follower]:
    made = Follower(suite.settings, Wire(suite.settings.redis.address(), name="follower"), clock=SYSTEM)
    yield made
    made.stop()


def catch_up(follower: Follower, steps: int = 8) -> None:
    for _ in range(steps):
        follower.step(0.001)


def test_it_begins_with_all_there_is_and_keeps_up(suite: Suite, follower: Follower) -> None:
    suite.add([seen(n) for n in range(1, 11)])
    suite.rest()
    suite.projector.snapshot()
    suite.add([seen(n) for n in range(11, 16)])
    catch_up(follower)
    assert (follower.graph.sequence, follower.generation, follower.away) == (15, 1, "")
    suite.add([seen(n) for n in range(16, 21)])
    assert follower.wait_for(20, 10.0)
    assert state_hash(follower.graph) == state_hash(suite.rest())
    assert (follower.generation, follower.graph.epoch) == (1, suite.epoch())


def test_row_24_what_one_process_publishes_another_applies(suite: Suite, follower: Follower) -> None:
    """And who publishes to a Redis that is away is told so."""
    follower.start()
    code = f"""
        from dsmil.fabric.wire import Wire
        from dsmil.fabric.publisher import Publisher
        from dsmil.events.enums import StreamName
        from tests.graph.suite import seen
        wire = Wire({suite.settings.redis.address()!r})
        Publisher(wire, StreamName.GRAPH_EVENTS).publish([seen(n) for n in range(1, 201)])
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, cwd=".")
    assert follower.wait_for(200, 20.0)
    with follower.lock:
        assert state_hash(follower.graph) == state_hash(suite.rest())


def test_row_24_a_publisher_is_told_that_redis_is_away(
    suite: Suite, follower: Follower, tmp_path: object
) -> None:
    from dsmil.events.enums import StreamName
    from dsmil.fabric.publisher import Publisher

    with pytest.raises(Unavailable):
        Publisher(Wire("unix:///nowhere/redis.sock"), StreamName.GRAPH_EVENTS).publish([seen(1)])
    suite.redis.delete("GRAPH_EVENTS")
    with pytest.raises(Unavailable, match="not"):
        Publisher(Wire(suite.settings.redis.address()), StreamName.GRAPH_EVENTS).publish([seen(1)])


def test_a_wait_that_is_in_vain_ends(suite: Suite, follower: Follower) -> None:
    catch_up(follower)
    assert not follower.wait_for(5, 0.05)
    follower.start()
    assert not follower.wait_for(5, 0.05)
    suite.add([seen(n) for n in range(1, 6)])
    assert follower.wait_for(5, 10.0)


@pytest.mark.parametrize("lost", ["FLUSHALL", "DEL GRAPH_EVENTS"])
def test_after_a_loss_it_begins_anew_with_the_numbers_of_the_stream(
    suite: Suite, follower: Follower, lost: str
) -> None:
    suite.add([seen(n) for n in range(1, 11)])
    suite.rest()
    suite.write_audit()
    catch_up(follower)
    suite.redis.execute_command(*lost.split())  # type: ignore[no-untyped-call]
    catch_up(follower)
    assert (follower.graph.sequence, follower.generation) == (10, 1), "the old graph answers meanwhile"
    suite.rest()
    suite.add([seen(11)])
    catch_up(follower)
    assert (follower.graph.sequence, follower.generation) == (1_000_001, 2)
    assert state_hash(follower.graph) == state_hash(suite.rest())


def test_another_event_under_its_number_is_seen_when_the_connection_was_lost(
    suite: Suite, follower: Follower
) -> None:
    suite.add([seen(n) for n in range(1, 11)])
    suite.write_audit()
    catch_up(follower)
    suite.redis.delete("GRAPH_EVENTS")
    for number in range(1, 11):
        suite.redis.xadd("GRAPH_EVENTS", {"event": seen(number if number < 8 else 50 + number)}, id=f"0-{number}")
    follower._wire.close()
    catch_up(follower)
    assert follower.generation == 2
    assert sum(row.count for node in follower.graph.nodes.values() for row in node.seen) == 13


def test_a_hole_makes_it_begin_anew_once(suite: Suite, follower: Follower) -> None:
    suite.add([seen(n) for n in range(1, 6)])
    catch_up(follower)
    suite.add([seen(n) for n in range(6, 9)])
    suite.redis.xdel("GRAPH_EVENTS", "0-6")
    catch_up(follower)
    assert (follower.graph.sequence, follower.generation) == (8, 2)


def test_without_redis_it_says_so_and_goes_on_by_itself(tmp_path: object, suite: Suite) -> None:
    place = suite.settings.paths.data / "own"
    place.mkdir(parents=True)
    with PrivateRedis(place) as server:
        other = Suite(place, str(server.socket), clock=suite.clock)
        other.rest()
        other.add([seen(1)])
        follower = Follower(other.settings, Wire(server.url, name="follower"), clock=SYSTEM)
        follower.start()
        assert follower.wait_for(1, 20.0)
        server.stop()
        until = SYSTEM.monotonic() + 20.0
        while not follower.away:
            assert SYSTEM.monotonic() < until
            follower.wait_for(2, 0.05)
        server.start()
        other.wire.close()
        other.rest()
        other.add([seen(2)])
        assert follower.wait_for(2, 20.0)
        assert follower.away == ""
        follower.stop()
        other.close()
