"""`dsmil snapshot` lists what is kept and lets the projector take one now."""

from __future__ import annotations

import threading

from dsmil.clock import SYSTEM
from dsmil.fabric.projected import TAKE_SNAPSHOT
from dsmil.fabric.wire import Wire
from tests.cli.world import NOW, World


def test_the_list_is_newest_first(world: World) -> None:
    assert world.json("snapshot", "list") == []
    world.snapshot(NOW + 10)
    world.delete("vessel:3")
    world.snapshot(NOW + 20)
    rows = world.json("snapshot", "list")
    assert [(row["sequence"], row["nodes"], row["created_ts"]) for row in rows] == [
        (10, 5, NOW + 20),
        (9, 6, NOW + 10),
    ]
    assert "2023-11-14" in world.run("snapshot", "list").stdout


def test_taking_one_asks_the_projector_and_waits_until_it_is_kept(world: World) -> None:
    asked: list[object] = []

    def projector() -> None:
        wire = Wire(world.settings.redis.address(), name="projector")
        deadline = SYSTEM.monotonic() + 20.0
        while not (wish := wire.call("GETDEL", TAKE_SNAPSHOT)):
            assert SYSTEM.monotonic() < deadline
            SYSTEM.sleep(0.01)
        asked.append(wish)
        world.snapshot(SYSTEM.now())
        wire.close()

    worker = threading.Thread(target=projector)
    worker.start()
    try:
        told = world.json("snapshot", "take")
    finally:
        worker.join()
    assert told["sequence"] == 9 and told["nodes"] == 6 and len(asked) == 1


def test_without_a_projector_it_says_so_and_the_wish_does_not_stay(world: World) -> None:
    world.snapshot(NOW)
    done = world.run("snapshot", "take", "--wait", "0.2")
    assert done.exit_code == 69 and "dsmil-projector" in done.stderr
    left = world.wire.call("PTTL", TAKE_SNAPSHOT)
    assert isinstance(left, int) and left <= 2000
