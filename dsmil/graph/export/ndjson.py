"""One node or edge a line, with everything that is held of it: what `dsmil import` makes the same graph of again.

A line is `{"type": "node"|"edge", ...}` and the fields of `Node` or `Edge` by their names; `times` says when each key
was seen, `seen` are the provenance rows [source, first_ts, last_ts, count]. Nodes come before edges.
"""

from __future__ import annotations

from collections.abc import Iterator

from dsmil.graph.export.chosen import Chosen, held
from dsmil.graph.export.text import to_json


def write(chosen: Chosen) -> Iterator[bytes]:
    """The lines."""
    for node in chosen.nodes:
        yield to_json({"type": "node"} | held(node)) + b"\n"
    for edge in chosen.edges:
        yield to_json({"type": "edge"} | held(edge)) + b"\n"
