"""`dsmil graph` tells how much there is, one entity whole, and the shape: paths, parts, who is central."""

from __future__ import annotations

from dsmil.clock import SYSTEM
from tests.cli.world import NOW, World


def test_totals_are_by_kind_with_sequence_snapshot_age_and_central_nodes(world: World) -> None:
    found = world.json("graph")
    assert found["nodes"] == {"emitter": 1, "entity": 1, "host": 1, "vessel": 3}
    assert found["edges"] == {"ais.rendezvous": 1, "flow": 1, "heard": 1}
    assert (found["sequence_id"], found["ts"], found["snapshot_age_s"]) == (9, NOW + 9, None)
    assert found["central"][0] == {"id": "vessel:2", "degree": 2}
    assert "no snapshot yet" in world.run("graph").stdout
    world.snapshot(SYSTEM.now() - 300)
    shown = world.run("graph")
    assert shown.exit_code == 0 and "sequence 9" in shown.stdout and "newest snapshot: 5 min old" in shown.stdout
    assert "ais.rendezvous" in shown.stdout and "vessel:2" in shown.stdout
    assert world.json("graph", "--as-of", "2")["nodes"] == {"vessel": 2}


def test_options_before_a_command_are_not_lost_silently(world: World) -> None:
    done = world.run("graph", "--as-of", "2", "central")
    assert done.exit_code == 2 and "after the command" in done.stderr


def test_a_path_leads_through_edges(world: World) -> None:
    found = world.json("graph", "path", "vessel:1", "rf:abc")
    assert found == {"path": ["vessel:1", "he:meet:1", "vessel:2", "he:heard:1", "rf:abc"], "edges": 2}
    shown = world.run("graph", "path", "vessel:1", "rf:abc").stdout.splitlines()
    assert shown[:2] == ["vessel:1  (vessel)", "  he:meet:1  (ais.rendezvous)"]
    done = world.run("graph", "path", "vessel:1", "vessel:3")
    assert done.exit_code == 1 and "not connected" in done.stderr
    done = world.run("graph", "path", "vessel:1", "nobody")
    assert done.exit_code == 1 and "nobody" in done.stderr


def test_components_are_the_largest_first_and_s_walks_group_edges(world: World) -> None:
    found = world.json("graph", "components", "-n", "2")
    assert found["count"] == 3
    assert found["components"][0] == {"size": 3, "ids": ["rf:abc", "vessel:1", "vessel:2"]}
    assert len(found["components"]) == 2
    edges = world.json("graph", "components", "--s", "1")
    assert edges["components"][0] == {"size": 2, "ids": ["he:heard:1", "he:meet:1"]}
    assert "rf:abc, vessel:1, vessel:2" in world.run("graph", "components").stdout


def test_the_central_nodes_by_degree_and_by_eigenvector(world: World) -> None:
    assert world.json("graph", "central", "-n", "1") == [{"id": "vessel:2", "kind": "vessel", "degree": 2}]
    (top,) = world.json("graph", "central", "-n", "1", "--by", "eigenvector")
    assert top["id"] == "vessel:2" and 0.3 < top["eigenvector"] < 0.5
    assert world.json("graph", "central", "--as-of", "5", "-n", "1")[0]["degree"] == 1
    assert "vessel:2" in world.run("graph", "central").stdout


def test_one_entity_is_shown_whole_at_any_moment(world: World) -> None:
    told = world.json("graph", "show", "vessel:1")
    assert told["position"] == [55.8, 12.7] and told["edges"] == ["he:meet:1"]
    assert world.json("graph", "show", "vessel:1", "--as-of", "1")["position"] == [55.7, 12.6]
    assert world.json("graph", "show", "flow:1")["nodes"] == ["host:ip:192.0.2.1", "host:ip:192.0.2.2"]
    shown = world.run("graph", "show", "vessel:1").stdout
    assert "\x1b" not in shown and "labels.name" in shown and "in he:meet:1  (ais.rendezvous)" in shown
    done = world.run("graph", "show", "vessel:9")
    assert done.exit_code == 1 and "no node or edge" in done.stderr
