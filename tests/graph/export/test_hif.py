"""HIF is what its published schema says, and XGI reads it as the hypergraph it was."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import xgi

from dsmil.errors import QueryError
from dsmil.graph.export import export
from dsmil.graph.export.read_hif import read_hif
from dsmil.graph.fold import apply
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.state import state_hash
from tests.graph.export.filling import NOW, Filling


def _row(key: str, *more: str, **fields: Any) -> dict[str, Any]:
    names = {name: {"type": ["string", "integer"]} for name in (key, *more)}
    own = {"weight": {"type": "number"}, "attrs": {"type": "object"}, **fields}
    return {
        "type": "array",
        "items": {
            "type": "object",
            "properties": names | own,
            "required": [*names],
            "additionalProperties": False,
        },
    }


SCHEMA = {
    # The rules of HIF 0.1.0 (github.com/pszufe/HIF-standard, schemas/), in our own arrangement.
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {
        "network-type": {"enum": ["undirected", "directed", "asc"]},
        "metadata": {"type": "object"},
        "incidences": _row("edge", "node", direction={"enum": ["head", "tail"]}),
        "nodes": _row("node"),
        "edges": _row("edge"),
    },
    "required": ["incidences"],
    "additionalProperties": False,
}


OURS = '{"metadata": {"dsmil": {}},\n"nodes": '


def written(graph: Any) -> bytes:
    return b"".join(export("hif", graph))


def folded(data: bytes, *, prefix: str = "") -> Hypergraph:
    graph = Hypergraph()
    for n, draft in enumerate(read_hif(io.BytesIO(data), prefix=prefix), 1):
        kind = "graph.edge_update" if draft.is_edge else "graph.node_update"
        assert apply(graph, n, kind, draft.patch, ts=draft.ts or NOW, ingest_ts=NOW)
    return graph


def test_the_document_fits_the_published_schema(graph: Hypergraph) -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    document = json.loads(written(graph))
    jsonschema.validate(document, SCHEMA)
    assert (
        document["network-type"] == "undirected" and document["metadata"]["dsmil"]["sequence"] == graph.sequence
    )
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document | {"nodes": [{"id": 1}]}, SCHEMA)


def test_xgi_reads_the_same_hypergraph(graph: Hypergraph, tmp_path: Path) -> None:
    (tmp_path / "g.json").write_bytes(written(graph))
    read = xgi.read_hif(str(tmp_path / "g.json"))
    assert set(read.nodes) == set(graph.nodes)
    assert {edge: set(read.edges.members(edge)) for edge in read.edges} == {
        name: set(edge.nodes) for name, edge in graph.edges.items()
    }
    assert read.nodes["rf:abc"]["frequency"] == 433.92


def test_the_round_trip_through_xgi_is_exact(graph: Hypergraph, filling: Filling, tmp_path: Path) -> None:
    filling.edge("he:loop:1", "vessel:2", "vessel:1", "vessel:2", kind="loop")
    (tmp_path / "a.json").write_bytes(written(graph))
    xgi.write_hif(xgi.read_hif(str(tmp_path / "a.json")), str(tmp_path / "b.json"))
    jsonschema.validate(json.loads((tmp_path / "b.json").read_bytes()), SCHEMA)
    again = folded((tmp_path / "b.json").read_bytes())
    # XGI knows no weights of edges; all else comes back as it was.
    assert dict(again.nodes) == dict(graph.nodes)
    for name, edge in graph.edges.items():
        assert again.edges[name].nodes == edge.nodes and again.edges[name].metadata == edge.metadata


def test_our_own_document_folds_to_the_same_state(graph: Hypergraph) -> None:
    assert state_hash(folded(written(graph))) == state_hash(graph)
    first, again = json.loads(written(graph)), json.loads(written(folded(written(graph))))
    assert first | {"metadata": 0} == again | {"metadata": 0}


def test_a_directed_file_of_others_keeps_directions_weights_and_attributes() -> None:
    foreign = {
        "network-type": "directed",
        "metadata": {"name": "x"},
        "nodes": [
            {"node": 1, "weight": 2.5, "attrs": {"labels": "no object", "id": 7, "x": None}},
            {"node": "b"},
        ],
        "edges": [{"edge": 0, "weight": 3, "attrs": {"kind": "reaction", "nodes": "many"}}],
        "incidences": [
            {"edge": 0, "node": "b", "direction": "tail", "weight": 4, "attrs": {"role": "in"}},
            {"edge": 0, "node": 1, "direction": "head"},
            {"edge": 1, "node": 1, "direction": "tail"},
        ],
    }
    graph = folded(json.dumps(foreign).encode(), prefix="x:")
    assert graph.nodes["x:1"].metadata == {"labels": "no object", "id": 7, "weight": 2.5}
    edge = graph.edges["x:0"]
    assert (edge.kind, edge.weight, edge.nodes) == ("reaction", 3.0, ("x:b", "x:1"))
    assert edge.metadata["nodes"] == "many" and graph.edges["x:1"].nodes == ("x:1",)
    document = json.loads(written(graph))
    jsonschema.validate(document, SCHEMA)
    assert document["network-type"] == "directed"
    told = [{k: v for k, v in one.items() if k not in ("edge", "node")} for one in document["incidences"]]
    assert told == [{k: v for k, v in one.items() if k not in ("edge", "node")} for one in foreign["incidences"]]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('{"incidences": [\n{"edge": 1,\n"node"}]}', 3, "malformed"),
        ('{\n"nodes": []}', 1, "incidences"),
        ('{"incidences": [\n{"edge": 1, "node": 1},\n\n{"edge": 1}\n]}', 4, "`node`"),
        ('{"nodes": [\n{"node": 1},\n{"node": 1, "attr": {}}\n],\n"incidences": []}', 3, "attr"),
        ('{"edges":\n[{"edge": 1}], "incidences": []}', 2, "no incidence"),
        (OURS + '[{"node": "a", "attrs": {"position": [95, 0]}}], "incidences": []}', 2, "latitude"),
        (OURS + '[{"node": "a", "attrs": {"kind": 7}}], "incidences": []}', 2, "str"),
        ('{"network-type": "x", "incidences": []}', 1, "network-type"),
        ('{"extra": 1, "incidences": []}', 1, "extra"),
        ('{"incidences": 5}', 1, "array"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(QueryError, match=words) as caught:
        list(read_hif(io.BytesIO(text.encode())))
    assert caught.value.line == line and f"line {line}" in str(caught.value)


def test_size_and_depth_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = '{"incidences": [], "nodes": [{"node": 1, "attrs": {"x": ' + "[" * 50_000 + "]" * 50_000 + "}}]}"
    with pytest.raises(QueryError, match="nest"):
        list(read_hif(io.BytesIO(deep.encode())))
    many = {"incidences": [{"edge": "e", "node": n} for n in range(300)]}
    with pytest.raises(QueryError, match="256"):
        list(read_hif(io.BytesIO(json.dumps(many).encode())))
    monkeypatch.setattr("dsmil.graph.export.read_hif.HIF_BYTES_MAX", 10)
    with pytest.raises(QueryError, match="longer than"):
        list(read_hif(io.BytesIO(b'{"incidences": []}')))
