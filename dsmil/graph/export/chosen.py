"""What an export is of: some nodes and edges, held as they are now.

Entities are frozen, so holding them costs a reference each; a view of the graph would change under a slow reader.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from dsmil.graph.entity import Edge, Facts, Node
from dsmil.graph.picture import Picture
from dsmil.graph.stamps import spread


class Chosen(Struct, frozen=True):
    """`others` are the members of `edges` that were not chosen themselves: where a line ends must be known."""

    epoch: str
    sequence: int
    ts: float
    nodes: list[Node]
    edges: list[Edge]
    others: dict[str, Node]


def choose(picture: Picture, nodes: Iterable[Node] | None, edges: Iterable[Edge] | None) -> Chosen:
    """Hold `nodes` and `edges` in the order of their ids; all of the picture's where null."""
    some = sorted(picture.nodes.values() if nodes is None else nodes, key=_id)
    links = sorted(picture.edges.values() if edges is None else edges, key=_id)
    named = {member for edge in links for member in edge.nodes}.difference(node.id for node in some)
    others = {name: node for name in sorted(named) if (node := picture.nodes.get(name)) is not None}
    return Chosen(picture.epoch, picture.sequence, picture.ts, some, links, others)


def held(entity: Node | Edge) -> Facts:
    """Everything that is held of an entity, by the names of its fields; `times` says when each key was seen."""
    facts: Facts = msgspec.structs.asdict(entity)
    last_ts = entity.timestamp if isinstance(entity, Edge) else entity.updated_at
    stamps = spread(facts.pop("fresh"), entity.times, last_ts)
    return facts | {"times": dict(sorted(stamps.items()))}


def _id(entity: Node | Edge) -> str:
    return entity.id
