"""A graph as a whole: filling one at once, and telling whether two are the same."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b

import msgspec

from dsmil.graph.entity import Edge, Node
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.picture import Picture

_encode = msgspec.msgpack.Encoder(order="deterministic").encode


def restore(  # noqa: PLR0913 - all but one are keywords
    graph: Hypergraph, *, sequence: int, ts: float, epoch: str, nodes: Iterable[Node], edges: Iterable[Edge]
) -> None:
    """Fill an empty graph with what stood after event `sequence`, which came in at `ts` (Unix seconds)."""
    assert len(graph.nodes) + len(graph.edges) == 0, "restore into a graph that is not empty"
    with untracked():
        graph.fill(nodes, edges)
    graph.epoch, graph.sequence, graph.ts = epoch, sequence, ts
    graph.version += 1
    graph.undo.begin(sequence, ts)


def rewind(graph: Hypergraph, sequence: int) -> None:
    """Let the numbers go on after an earlier one, as the stream does when Redis has lost its end; what is known
    stays. Moments before now cannot be looked at any more."""
    graph.sequence = sequence
    graph.version += 1
    graph.undo.begin(sequence, graph.ts)


def state_hash(picture: Picture) -> str:
    """BLAKE2b-256 over all nodes and edges in the order of their ids, times and provenance included; what number
    they have reached is left out."""
    digest = blake2b(digest_size=32)
    for entities in (picture.nodes, picture.edges):
        for entity_id in sorted(entities):
            digest.update(_bytes(entities[entity_id]))
        digest.update(b"|")
    return digest.hexdigest()


def _bytes(entity: Node | Edge) -> bytes:
    try:
        return _encode(entity)
    except OverflowError:  # a fact of it is a whole number beyond 64 bits, which JSON alone can hold
        return msgspec.json.encode(entity, order="deterministic")


@contextmanager
def untracked() -> Iterator[None]:
    """Without the garbage collector, which would look at hundreds of thousands of new objects over and over."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def relax_collector() -> None:
    """For a process that holds a graph: look for garbage seldom. Entities form no cycles and live long, and looking
    through them costs a quarter of the time it takes to fold events in."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
