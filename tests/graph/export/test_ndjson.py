"""NDJSON loses nothing: what was exported folds into the very same graph, and a fault names its line."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsmil.errors import QueryError
from dsmil.events.envelope import EVENT_BYTES_MAX, decode, unpack
from dsmil.events.graph import EDGE_DELETE, EDGE_UPDATE, NODE_UPDATE, Patch, Seen
from dsmil.graph.export import export
from dsmil.graph.export.acts import acts
from dsmil.graph.export.draft import Draft
from dsmil.graph.export.read_ndjson import LINE_BYTES_MAX, read_ndjson
from dsmil.graph.fold import apply, fold
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.state import state_hash
from tests.graph.export.filling import NOW, Filling


def written(graph: Any) -> bytes:
    return b"".join(export("ndjson", graph))


def read(data: bytes | str) -> list[Draft]:
    return list(read_ndjson(io.BytesIO(data.encode() if isinstance(data, str) else data)))


def imported(data: bytes) -> Hypergraph:
    """As an import does it: through encoded events of a person."""
    graph = Hypergraph()
    for n, event in enumerate(acts(read(data), by="ada", path="g.ndjson", now=NOW + 1e6), 1):
        assert fold(graph, n, decode(event))
    return graph


def test_a_line_holds_one_entity_with_the_time_of_every_key(graph: Hypergraph) -> None:
    lines = [json.loads(line) for line in written(graph).splitlines()]
    assert len(lines) == len(graph.nodes) + len(graph.edges)
    ship = next(line for line in lines if line["id"] == "vessel:1")
    assert ship["type"] == "node" and ship["seen"] == [["ais:udp:10110", NOW - 60, NOW, 7]]
    assert ship["times"]["position"] == NOW and ship["times"]["labels.name"] == NOW - 60
    assert "metadata.note" in ship["times"] and "note" not in ship["metadata"], (
        "when it was taken away is held too"
    )


def test_an_import_makes_the_very_same_graph(graph: Hypergraph) -> None:
    again = imported(written(graph))
    assert state_hash(again) == state_hash(graph) and written(again) == written(graph)


KEYS = st.sampled_from(["a", "b", "c.d"])
FACTS = st.dictionaries(KEYS, st.none() | st.integers(0, 3) | st.text(max_size=3), max_size=2)
NAMES = st.sampled_from(["n1", "n2", "n3"])
TIMES = st.sampled_from([10.0, 20.0, 20.5, 30.0])
NODE = st.fixed_dictionaries(
    {"id": NAMES},
    optional={
        "kind": st.sampled_from(["entity", "vessel"]),
        "position": st.none() | st.tuples(st.floats(-90, 90), st.floats(-180, 180)),
        "frequency": st.none() | st.floats(0, 6000),
        "labels": FACTS,
        "metadata": FACTS,
        "seen": st.lists(st.builds(Seen, NAMES, TIMES, TIMES, st.integers(1, 3)), max_size=2).map(tuple),
        "times": st.dictionaries(st.sampled_from(["position", "labels.a", "kind"]), st.sampled_from([5.0, 10.0])),
        "by": st.sampled_from(["", "ada"]),
    },
)
EDGE = st.fixed_dictionaries(
    {"id": st.sampled_from(["e1", "e2"]), "nodes": st.lists(NAMES, min_size=1, max_size=3).map(tuple)},
    optional={"kind": st.just("link"), "weight": st.floats(0, 1), "labels": FACTS, "metadata": FACTS},
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.booleans(), NODE, EDGE, TIMES), max_size=12))
def test_any_graph_comes_back_exactly(steps: list[tuple[bool, dict[str, Any], dict[str, Any], float]]) -> None:
    graph = Hypergraph()
    for is_edge, node, edge, ts in steps:
        kind, facts = (EDGE_UPDATE, edge) if is_edge else (NODE_UPDATE, node)
        apply(graph, graph.sequence + 1, kind, Patch(**facts), ts=ts, ingest_ts=ts)
    assert state_hash(imported(written(graph))) == state_hash(graph)


def test_an_act_says_who_wrote_it_and_where_it_stood() -> None:
    (event,) = map(decode, acts(read('\n{"type": "node", "id": "a"}'), by="ada", path="x.ndjson", now=NOW))
    assert (event.source, event.ts, event.ingest_ts) == ("import:x.ndjson", NOW, NOW)
    assert event.raw is not None and (event.raw.path, event.raw.line) == ("x.ndjson", 2)
    assert unpack(event, Patch).by == "ada"


def test_a_line_by_hand_needs_its_id_alone() -> None:
    graph = imported(
        '\ufeff{"type": "node", "id": "a", "position": null}\r\n\n{"type":"edge","id":"e","nodes":["a","b"]}'.encode()
    )
    assert set(graph.nodes) == {"a", "b"} and graph.edges["e"].nodes == ("a", "b")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "truncated"),
        ("[]", "object"),
        ('{"id": "a"}', "type"),
        ('{"type": "node"}', "id"),
        ('{"type": "node", "id": ""}', "length"),
        ('{"type": "node", "id": "a", "colour": 1}', "colour"),
        ('{"type": "node", "id": "a", "position": [91, 0]}', "latitude"),
        ('{"type": "node", "id": "a", "position": [0, 180.5]}', "latitude|180"),
        ('{"type": "edge", "id": "a", "nodes": []}', "length"),
        ('{"type": "node", "id": "\ud800"}'.encode("utf-8", "surrogatepass").decode("latin-1"), "UTF|utf"),
        ('{"type": "node", "id": "a", "updated_at": 1e13}', "updated_at"),
        ('{"type": "node", "id": "a", "metadata": {"x": ' + "[" * 100_000, "nest|recursion|truncated"),
        ('{"type": "node", "id": "a", "metadata": {"x": ' + "[" * 40 + "]" * 40 + "}}", "nests deeper"),
        ('{"type": "node", "id": "a", "metadata": {"x": "' + "y" * EVENT_BYTES_MAX + '"}}', "too large"),
        ('{"type": "node", "id": "' + "y" * LINE_BYTES_MAX + '"}', "longer than"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_line(line: str, words: str) -> None:
    good = b'{"type": "node", "id": "a"}\n'
    with pytest.raises(QueryError, match=words) as caught:
        read(good + good + line.encode("latin-1", "replace") + b"\n")
    assert caught.value.line == 3 and "line 3" in str(caught.value)


def test_an_entity_too_large_for_one_event_is_told_in_several(filling: Filling) -> None:
    for n in range(30):
        filling.node("big", kind="thing", metadata={f"k{n}": "v" * 9000}, ts=NOW + n % 3)
    filling.node("big", labels={"name": "x"}, seen=(Seen("s", 1.0, 2.0, 3),), ts=NOW + 1)
    drafts = read(written(filling.graph))
    assert len(drafts) > 3
    for event in acts(drafts, by="ada", path="p", now=NOW):
        assert len(event) <= EVENT_BYTES_MAX
    assert state_hash(imported(written(filling.graph))) == state_hash(filling.graph)


def test_what_was_deleted_is_not_exported(filling: Filling) -> None:
    filling.edge("e", "a", "b")
    assert apply(filling.graph, 9, EDGE_DELETE, Patch(id="e"), ts=NOW, ingest_ts=NOW)
    assert b'"e"' not in written(filling.graph)
