"""The table is CSV as RFC 4180 has it, one row an entity, and no cell of it is a formula."""

from __future__ import annotations

import csv
import io
import json

import pytest

from dsmil.graph.export import export
from dsmil.graph.export.table import COLUMNS
from dsmil.graph.hypergraph import Hypergraph
from tests.graph.export.filling import Filling


def text_of(graph: Hypergraph) -> str:
    return b"".join(export("csv", graph)).decode()


def rows(graph: Hypergraph) -> dict[str, dict[str, str]]:
    read = csv.DictReader(io.StringIO(text_of(graph), newline=""), strict=True)
    assert read.fieldnames == list(COLUMNS)
    return {row["id"]: row for row in read}


def test_every_row_is_one_line_ended_by_crlf_with_all_columns(graph: Hypergraph) -> None:
    lines = text_of(graph).split("\r\n")
    assert lines.pop() == "" and len(lines) == 1 + len(graph.nodes) + len(graph.edges)
    assert not any("\n" in line or "\r" in line for line in lines)
    assert {len(line) for line in csv.reader(lines, strict=True)} == {len(COLUMNS)}


def test_a_row_tells_what_is_held_of_an_entity(graph: Hypergraph) -> None:
    found = rows(graph)
    ship, link = found["vessel:2"], found["he:encounter:1"]
    assert [ship[key] for key in ("type", "kind", "lat", "lon", "alt_m")] == [
        "node",
        "vessel",
        "53.0",
        "-179.75",
        "3.0",
    ]
    assert found["rf:abc"]["frequency_mhz"] == "433.92" and found["rf:abc"]["lat"] == "0.0"
    assert (
        json.loads(link["nodes"]) == ["vessel:1", "vessel:2"] and link["weight"] == "0.75" and link["lat"] == ""
    )
    assert json.loads(link["labels"]) == {"a b": 1} and float(link["created_at"]) < float(link["updated_at"])


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "＝", "＋", "－", "＠", "\t=", "\r="])
def test_no_cell_is_a_formula(first: str, filling: Filling) -> None:
    """OWASP's list, and the wide forms a spreadsheet takes for the same."""
    filling.node(f"{first}1+1|cmd", kind=f"{first}cmd()")
    line = text_of(filling.graph).split("\r\n")[1]
    cells = next(csv.reader([line]))
    assert not any(cell.startswith(tuple("=+-@＝＋－＠\t\r")) for cell in cells), cells
    if len(first) == 1:
        assert cells[1] == f"'{first}1+1|cmd"
    assert line.count('"') >= 2 * 6, "texts stand in quotes, so that a semicolon parts nothing"
