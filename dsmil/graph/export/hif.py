"""The graph as a hypergraph for XGI, HyperNetX, hypergraphx and others: the Hypergraph Interchange Format 0.1.0.

Every node and edge is listed with what is held of it in `attrs`, every membership is an incidence. The format is a
set of pairs, so the order of an edge's members, where one of them is there twice too, stands in `attrs.nodes`. What
an imported file said of its incidences is kept in `metadata.hif` of the edge and written back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dsmil.graph.entity import Edge, Facts, Node
from dsmil.graph.export.chosen import Chosen, held
from dsmil.graph.export.text import to_json

KEPT = "hif"
"""The metadata key: {member: {weight, direction, attrs}} as the file had them."""


def write(chosen: Chosen) -> Iterator[bytes]:
    """One document; `network-type` is directed only where every membership has a direction."""
    directed = bool(chosen.edges) and all(
        "direction" in incidence for edge in chosen.edges for incidence in _incidences(edge)
    )
    head = {
        "network-type": "directed" if directed else "undirected",
        "metadata": {"dsmil": {"sequence": chosen.sequence, "epoch": chosen.epoch, "ts": chosen.ts}},
    }
    yield to_json(head)[:-1]
    yield from _array("nodes", map(_node, chosen.nodes))
    yield from _array("edges", map(_edge, chosen.edges))
    yield from _array("incidences", (one for edge in chosen.edges for one in _incidences(edge, directed)))
    yield b"}\n"


def _array(name: str, rows: Iterable[Facts]) -> Iterator[bytes]:
    yield b',\n"%b":[' % name.encode()
    between = b"\n"
    for row in rows:
        yield between + to_json(row)
        between = b",\n"
    yield b"]"


def _node(node: Node) -> Facts:
    return {"node": node.id, "attrs": _without(held(node), "id")}


def _edge(edge: Edge) -> Facts:
    return {"edge": edge.id, "weight": edge.weight, "attrs": _without(held(edge), "id", "weight")}


def _without(facts: Facts, *keys: str) -> Facts:
    return {key: value for key, value in facts.items() if key not in keys}


def _incidences(edge: Edge, directed: bool = True) -> Iterator[Facts]:
    kept = edge.metadata.get(KEPT)
    for member in dict.fromkeys(edge.nodes):
        said = kept.get(member) if isinstance(kept, dict) else None
        yield {"edge": edge.id, "node": member, **_fitting(said if isinstance(said, dict) else {}, directed)}


def _fitting(said: Facts, directed: bool) -> Facts:
    """What the format knows of it: metadata may have been written by anybody."""
    fits: Facts = {}
    if isinstance(weight := said.get("weight"), int | float) and not isinstance(weight, bool):
        fits["weight"] = weight
    if directed and said.get("direction") in ("head", "tail"):
        fits["direction"] = said["direction"]
    if isinstance(attrs := said.get("attrs"), dict):
        fits["attrs"] = attrs
    return fits
