"""A detector daemon killed again and again tells what an undisturbed one tells, each decision once.

`DSMIL_TEST_KILLS=20` gives the full measure; without it five kills over one story.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from dsmil.clock import SYSTEM
from dsmil.events.decision import Decision
from dsmil.events.envelope import decode, unpack

pytestmark = pytest.mark.live
STEP_S_MAX = 60.0
FEW = 5


def fill(place: Any, stream: str, events: list[bytes]) -> None:
    """The same entries under the same ids, whoever reads them."""
    pipe = place.redis.pipeline(transaction=False)
    for number, data in enumerate(events, 1):
        pipe.xadd(stream, {"event": data}, id=f"1700000000000-{number}")
    pipe.execute()


def handled(place: Any, stream: str, group: str) -> int:
    """How many entries the group has read and acknowledged."""
    if not place.redis.exists(stream):
        return 0
    found = [one for one in place.redis.xinfo_groups(stream) if one["name"] == group.encode()]
    return (found[0]["entries-read"] or 0) - found[0]["pending"] if found else 0


def until(place: Any, look: Callable[[], Any], *, within_s: float = STEP_S_MAX) -> None:
    deadline = SYSTEM.monotonic() + within_s
    while not look():
        assert SYSTEM.monotonic() < deadline, place.words()
        SYSTEM.sleep(0.005)


def through(place: Any, daemon: str, streams: dict[str, int]) -> bool:
    return all(handled(place, stream, daemon) >= count for stream, count in streams.items())


def told(place: Any, stream: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """All event ids of a stream, and (decision, entities, refs, score) of each once, sorted."""
    events = [decode(fields[b"event"]) for _, fields in place.redis.xrange(stream)]
    said = [(event, unpack(event, Decision)) for event in {one.event_id: one for one in events}.values()]
    rows = sorted((one.decision, one.entities, event.refs, one.score) for event, one in said)
    return [event.event_id for event in events], rows


def kill_at(place: Any, child: Any, look: Callable[[], Any]) -> None:
    until(place, look)
    assert child.poll() is None, place.words()
    child.send_signal(signal.SIGKILL)
    child.wait()


def killed_through(place: Any, daemon: str, streams: dict[str, int], *, times: int, seed: int) -> None:
    """Start, kill and start again: two kills of three once so much is done, the third at any moment of the start
    or the replay."""
    chance, total = Random(seed), sum(streams.values())
    for number in range(times):
        child = place.start(daemon)
        if number % 3 == 2:
            after = SYSTEM.monotonic() + chance.uniform(0.0, 2.0)
            kill_at(place, child, lambda after=after: SYSTEM.monotonic() >= after)
        else:
            goal = int(total * (number + chance.random()) / times)
            kill_at(place, child, lambda goal=goal: sum(handled(place, s, daemon) for s in streams) >= goal)
    place.start(daemon)
    until(place, lambda: through(place, daemon, streams))


def stop(place: Any, daemon: str) -> None:
    child = place.children[-1]
    until(place, lambda: f'"pid":{child.pid},'.encode() in (place.redis.get(f"dsmil:hb:{daemon}") or b""))
    child.terminate()
    assert child.wait(15) == 0


@pytest.mark.timeout(1200)
def test_l3_killed_while_consuming(alone: Any, recorded: Any, kills: int) -> None:
    events = recorded(3 if kills > FEW else 1)
    calm, harried = alone("calm"), alone("harried")
    for place in (calm, harried):
        fill(place, "L3_IN", events)
    calm.start("l3")
    until(calm, lambda: through(calm, "l3", {"L3_IN": len(events)}))
    stop(calm, "l3")
    killed_through(harried, "l3", {"L3_IN": len(events)}, times=max(kills, FEW), seed=20)
    stop(harried, "l3")
    ids, want = told(calm, "L3_OUT")
    seen, got = told(harried, "L3_OUT")
    assert len(want) > 60
    assert got == want
    assert len(seen) == len(set(seen)) == len(ids), "each decision once"


@pytest.mark.timeout(1200)
def test_l4_killed_while_consuming(alone: Any, recorded: Any, kills: int) -> None:
    events = recorded(1)
    calm, harried = alone("calm"), alone("harried")
    fill(calm, "L3_IN", events)
    calm.start("l3")
    until(calm, lambda: through(calm, "l3", {"L3_IN": len(events)}))
    stop(calm, "l3")
    decisions = [fields[b"event"] for _, fields in calm.redis.xrange("L3_OUT")]
    fill(harried, "L3_IN", events)
    fill(harried, "L3_OUT", decisions)
    streams = {"L3_IN": len(events), "L3_OUT": len(decisions)}
    calm.start("l4")
    until(calm, lambda: through(calm, "l4", streams))
    stop(calm, "l4")
    killed_through(harried, "l4", streams, times=max(kills, FEW), seed=21)
    stop(harried, "l4")
    _, want = told(calm, "L4_OUT")
    seen, got = told(harried, "L4_OUT")
    assert want
    assert len(seen) == len(set(seen)), "each decision once"
    assert got == want
