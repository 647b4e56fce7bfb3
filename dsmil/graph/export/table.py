"""Nodes and edges as one table, for spreadsheets and data frames (CSV, RFC 4180).

Column `type` says which a row is. Labels, metadata and members are JSON in a cell. No cell spans lines, and none can
be taken for a formula; a number stays a number, so a western longitude still has its minus.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import chain, islice

from dsmil.graph.entity import Edge, Node
from dsmil.graph.export.chosen import Chosen
from dsmil.graph.export.text import to_cell

COLUMNS = (
    "type", "id", "kind", "lat", "lon", "alt_m", "frequency_mhz", "nodes", "weight", "created_at", "updated_at",
    "labels", "metadata",
)  # fmt: skip
"""`created_at` and `updated_at` are Unix seconds; those of an edge are the first and the last time it was seen."""


ROWS_PAGE = 20
"""Rows written at a time."""


def write(chosen: Chosen) -> Iterator[bytes]:
    """A head line, then a line for each."""
    rows = chain([COLUMNS], map(_node, chosen.nodes), map(_edge, chosen.edges))
    while page := list(islice(rows, ROWS_PAGE)):
        out = io.StringIO()
        # Every text in quotes: a semicolon in a name parts no cells where that is the separator.
        lines = csv.writer(out, lineterminator="\r\n", quoting=csv.QUOTE_NONNUMERIC)
        lines.writerows(map(to_cell, row) for row in page)
        yield out.getvalue().encode()


def _node(node: Node) -> tuple[object, ...]:
    lat, lon, alt_m = (*(node.position or ()), None, None, None)[:3]
    told = node.to_dict()
    return (
        "node", node.id, node.kind, lat, lon, alt_m, node.frequency, None, None, node.created_at, node.updated_at,
        told["labels"], told["metadata"],
    )  # fmt: skip


def _edge(edge: Edge) -> tuple[object, ...]:
    told = edge.to_dict()
    return (
        "edge", edge.id, edge.kind, None, None, None, None, edge.nodes, edge.weight, edge.created_at, edge.timestamp,
        told["labels"], told["metadata"],
    )  # fmt: skip
