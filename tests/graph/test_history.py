"""A moment further back than the engine remembers is made of a snapshot and the audit log, or said to be gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dsmil import config
from dsmil.graph import history
from dsmil.graph.bootstrap import of_audit, open_graph
from dsmil.graph.picture import TooOld
from dsmil.graph.state import state_hash
from dsmil.store.graphdb import GraphDb, snapshots
from tests.cli.world import NOW, World, harbour


@pytest.fixture
def world(redis_socket: str, tmp_path: Path) -> Iterator[World]:
    made = World(config.private_settings(tmp_path, f"unix://{redis_socket}"))
    harbour(made)
    made.delete("vessel:2")
    yield made
    made.close()


def test_every_moment_is_that_of_the_engine_with_and_without_snapshots(world: World) -> None:
    graph = open_graph(world.settings, world.wire)
    expected = [state_hash(graph.as_of(sequence)) for sequence in range(11)]
    for _ in range(2):
        for sequence, hash_ in enumerate(expected):
            then = history.picture_at(world.settings, sequence)
            assert (state_hash(then), then.sequence) == (hash_, sequence)
        world.snapshot(NOW + 50)
        world.node("vessel:4", kind="vessel")
        world.snapshot(NOW + 60)
    assert "vessel:4" in history.picture_at(world.settings, 11).nodes


def test_a_time_is_that_of_the_last_event_that_had_come_in(world: World) -> None:
    assert history.sequence_at(world.settings, NOW + 3.5) == 3
    assert history.sequence_at(world.settings, NOW + 1e9) == 10
    with pytest.raises(TooOld, match="before the earliest kept moment"):
        history.sequence_at(world.settings, NOW)


def test_a_torn_snapshot_gives_way_to_an_older_one_or_to_the_whole_log(world: World) -> None:
    world.snapshot(NOW + 50)
    database = GraphDb(world.settings.paths.graph_db)
    about = snapshots(world.settings.paths.graph_db)[0]
    database.keep(about, b"torn", last=9, hours=0)
    database.close()
    assert state_hash(history.picture_at(world.settings, 10)) == state_hash(of_audit(world.settings.paths.audit))


def test_what_is_not_kept_is_said_with_what_is(world: World) -> None:
    world.snapshot(NOW + 50)
    for path in world.settings.paths.audit.glob("segment-*"):
        path.unlink()
    with pytest.raises(TooOld, match="kept from sequence 10 on"):
        history.picture_at(world.settings, 5)
    world.settings.paths.graph_db.unlink()
    with pytest.raises(TooOld, match="neither a snapshot nor the audit log"):
        history.picture_at(world.settings, 5)
