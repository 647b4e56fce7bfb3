"""`dsmil export` writes any part of the graph at any moment, whole or not at all; `dsmil import` reads it back."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
from pathlib import Path
from typing import Any, cast

import pytest
import xgi

from dsmil.cli.export import FORMATS
from dsmil.events.envelope import decode, unpack
from dsmil.events.graph import Patch
from dsmil.fabric import graphstream
from dsmil.graph.bootstrap import open_graph
from dsmil.graph.entity import Edge, Node
from dsmil.graph.export import MEDIA_TYPES
from tests.cli.world import World

SHIPS = 'FIND NODES WHERE kind = "vessel"'


def test_every_format_is_offered(world: World) -> None:
    assert set(FORMATS) == set(MEDIA_TYPES)
    for form in FORMATS:
        done = world.run("export", "--format", form)
        assert done.exit_code == 0 and "vessel:1" in done.stdout and done.stdout.endswith("\n"), form
        assert "\x1b" not in done.stdout and done.stderr == ""
    assert world.run("export", "--format", "xml").exit_code == 2


def test_a_query_and_a_moment_choose_what_is_written(world: World) -> None:
    ships = json.loads(world.run("export", "--format", "geojson", SHIPS).stdout)
    assert [one["id"] for one in ships["features"]] == ["vessel:1", "vessel:2", "vessel:3"]
    assert ships["features"][0]["geometry"]["coordinates"] == [12.7, 55.8]
    then = json.loads(world.run("export", "--format", "geojson", SHIPS, "--as-of", "2").stdout)
    assert [one["geometry"]["coordinates"] for one in then["features"]] == [[12.6, 55.7], [12.61, 55.71]]
    assert then["dsmil"]["sequence"] == 2
    both = world.run("export", "--format", "csv", "-", stdin='FIND SUBGRAPH\nWHERE kind = "vessel"')
    assert [row["id"] for row in csv.DictReader(io.StringIO(both.stdout))][-1] == "he:meet:1"
    assert world.run("export", "--format", "csv", f"{SHIPS} RETURN count").exit_code == 2


def test_a_file_stands_there_whole_or_as_it_was(world: World, tmp_path: Path) -> None:
    target = tmp_path / "out.hif.json"
    target.write_text("before")
    mask = os.umask(0o022)
    try:
        assert world.run("export", "--format", "hif", "-o", str(target)).exit_code == 0
    finally:
        os.umask(mask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert set(xgi.read_hif(str(target)).edges) == {"he:meet:1", "he:heard:1", "flow:1"}
    whole = target.read_bytes()
    assert world.run("export", "--format", "hif", "-o", str(target), "FIND NODES WHERE =").exit_code == 2
    assert target.read_bytes() == whole and [path.name for path in tmp_path.glob(".out*")] == []
    done = world.run("export", "--format", "hif", "-o", str(tmp_path / "no" / "out"))
    assert done.exit_code == 69 and "No such file" in done.stderr


def content(world: World) -> tuple[dict[str, Node], dict[str, Edge]]:
    graph = open_graph(world.settings, world.wire)
    return dict(graph.nodes), dict(graph.edges)


def test_what_was_exported_and_wiped_comes_back_the_same(world: World, tmp_path: Path) -> None:
    """NDJSON loses nothing, and an entity brought back stands as it stood, times and all."""
    file = tmp_path / "all.ndjson"
    assert world.run("export", "--format", "ndjson", "-o", str(file)).exit_code == 0
    before = content(world)
    for name in before[0]:
        world.delete(name)
    assert content(world) == ({}, {})
    told = world.json("import", str(file))
    assert (told["format"], told["nodes"], told["edges"], told["events"]) == ("ndjson", 6, 3, 9)
    assert told["sequence_id"] == graphstream.look(world.wire).last == world.sequence + 9
    assert content(world) == before


def test_hif_of_others_is_read_and_told_by_its_content(world: World, tmp_path: Path) -> None:
    peer = xgi.Hypergraph([["a", "b"], ["b", "c", "d"]])
    xgi.write_hif(peer, str(tmp_path / "peer.json"))
    told = world.json("import", str(tmp_path / "peer.json"), "--prefix", "peer:")
    assert (told["format"], told["edges"]) == ("hif", 2)
    nodes, edges = content(world)
    assert {"peer:a", "peer:d"} <= set(nodes) and set(edges["peer:1"].nodes) == {"peer:b", "peer:c", "peer:d"}


def test_an_import_is_an_act_of_whoever_runs_it(world: World) -> None:
    done = world.run("import", "-", stdin='{"type": "node", "id": "mark:1", "labels": {"name": "Buoy"}}\n')
    assert done.exit_code == 0 and "1 nodes, 0 edges published, up to sequence 10" in done.stdout
    ((_, (_, data)),) = cast(Any, world.wire.call("XRANGE", "GRAPH_EVENTS", "0-10", "0-10"))
    event = decode(data)
    assert unpack(event, Patch).by.startswith("cli:") and event.source == "import:-"
    assert content(world)[0]["mark:1"].seen[0].source == "import:-"


@pytest.mark.parametrize("form", ["ndjson", "hif"])
def test_of_a_file_with_a_fault_nothing_is_published(form: str, world: World, tmp_path: Path) -> None:
    file = tmp_path / "bad"
    if form == "ndjson":
        file.write_text('{"type": "node", "id": "mark:1"}\n' * 3 + '{"type": "node"}\n')
    else:
        file.write_text('{"incidences": [\n{"edge": 1, "node": 2},\n\n{"edge": 1}]}')
    done = world.run("import", str(file))
    assert done.exit_code == 2 and "line 4" in done.stderr, done.output
    assert graphstream.look(world.wire).last == world.sequence


@pytest.mark.parametrize(
    "data", [b"[" * 200_000, b'{"incidences": ' + b"[" * 200_000, b'{"edge": "\xff"}', b"\xff\n"]
)
def test_a_file_that_is_no_text_or_nests_without_end_is_refused_by_line(
    data: bytes, world: World, tmp_path: Path
) -> None:
    (tmp_path / "hostile").write_bytes(data)
    done = world.run("import", str(tmp_path / "hostile"))
    assert done.exit_code == 2 and "line 1" in done.stderr and "Traceback" not in done.output


def test_a_dry_run_counts_and_publishes_nothing(world: World, tmp_path: Path) -> None:
    file = tmp_path / "a.ndjson"
    file.write_text('{"type": "edge", "id": "e", "nodes": ["a", "b"]}\n')
    told = world.json("import", str(file), "--dry-run")
    assert told == {"file": str(file), "format": "ndjson", "nodes": 0, "edges": 1, "dry_run": True}
    assert graphstream.look(world.wire).last == world.sequence


def test_a_missing_file_and_a_stream_nobody_made_are_told_with_the_mend(world: World, tmp_path: Path) -> None:
    assert world.run("import", str(tmp_path / "none")).exit_code == 2
    world.wire.call("FLUSHALL")
    done = world.run("import", "-", stdin='{"type": "node", "id": "a"}')
    assert done.exit_code == 69 and "dsmil-projector" in done.stderr
