"""A picture as bytes and back: what one process knew, for another that begins.

    DSMILGS1 | BLAKE2b-256 of all that follows | zlib of MessagePack

The layout is for speed: rows are arrays, an edge names its nodes by their row, and what many entities share is
written once. A torn or changed snapshot is refused by its sum before anything of it is believed.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from sys import intern
from typing import Any

import msgspec
from msgspec import Struct

from dsmil.errors import Corrupt
from dsmil.events.graph import Seen
from dsmil.graph.entity import Edge, Facts, Node
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.picture import Picture
from dsmil.graph.stamps import Shape, shared
from dsmil.graph.state import restore, untracked

MAGIC = b"DSMILGS1"
"""The last digit is the version of the layout."""
DIGEST = 32
LEVEL = 1
"""Of zlib: a third of the size for a second less than the default takes."""
WIDE = 1
"""Extension code of a whole number beyond 64 bits: JSON may hold one, MessagePack has none."""
INT_MIN, INT_MAX = -(2**63), 2**64 - 1
_START = len(MAGIC) + DIGEST


class _NodeRow(Struct, array_like=True, gc=False):
    """A `Node`; `shape` is the row of its `fresh`."""

    id: str
    kind: str
    position: tuple[float, ...] | None
    frequency: float | None
    labels: Facts
    metadata: Facts
    created_at: float
    updated_at: float
    shape: int
    times: dict[str, float]
    seen: tuple[Seen, ...]


class _EdgeRow(Struct, array_like=True, gc=False):
    """An `Edge`; `nodes` are rows of its nodes."""

    id: str
    kind: str
    nodes: tuple[int, ...]
    weight: float
    labels: Facts
    metadata: Facts
    created_at: float
    timestamp: float
    shape: int
    times: dict[str, float]
    seen: tuple[Seen, ...]


class _Body(Struct, array_like=True):
    sequence: int
    ts: float
    epoch: str
    recent: dict[str, int]
    shapes: list[tuple[str, ...]]
    nodes: list[_NodeRow]
    edges: list[_EdgeRow]


class Loaded(Struct, frozen=True):
    """What a snapshot held. `recent` are the ids of the events folded in last, with their numbers."""

    sequence: int
    ts: float
    epoch: str
    recent: dict[str, int]
    nodes: list[Node]
    edges: list[Edge]

    def restored(self) -> Hypergraph:
        """A live graph that begins with it."""
        graph = Hypergraph(epoch=self.epoch)
        restore(graph, sequence=self.sequence, ts=self.ts, epoch=self.epoch, nodes=self.nodes, edges=self.edges)
        return graph


def _narrow(code: int, data: memoryview) -> int:
    """A number of `_wide` as it was."""
    if code != WIDE:
        raise msgspec.ValidationError(f"extension {code} is none of ours")
    return int.from_bytes(data, "big", signed=True)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Body, ext_hook=_narrow).decode


def encode(picture: Picture, recent: Mapping[str, int] | None = None) -> bytes:
    """The whole of a picture."""
    with untracked():
        shapes: dict[Shape, int] = {}
        rows: dict[str, int] = {}
        nodes = list(_node_rows(picture.nodes.values(), shapes, rows))
        edges = list(_edge_rows(picture.edges.values(), shapes, rows))
        words = [tuple(sorted(shape)) for shape in shapes]
        body = _Body(picture.sequence, picture.ts, picture.epoch, dict(recent or {}), words, nodes, edges)
        packed = zlib.compress(_packed(body), LEVEL)
    return MAGIC + blake2b(packed, digest_size=DIGEST).digest() + packed


def decode(data: bytes) -> Loaded:
    """What a snapshot holds; Corrupt says what is wrong with it."""
    if not data.startswith(MAGIC):
        raise Corrupt("read snapshot: it does not begin as one", hint="made by another version, or torn")
    packed = memoryview(data)[_START:]
    if blake2b(packed, digest_size=DIGEST).digest() != data[len(MAGIC) : _START]:
        raise Corrupt("read snapshot: its checksum does not fit", hint="it is torn, or was changed")
    try:
        with untracked():
            return _loaded(_decode(zlib.decompress(packed)))
    except (zlib.error, msgspec.MsgspecError, IndexError) as error:
        raise Corrupt(f"read snapshot: {error}", hint="made by another version") from None


def checksum(data: bytes) -> str:
    """The sum a snapshot carries, as hexadecimal digits."""
    return data[len(MAGIC) : _START].hex()


def _packed(body: _Body) -> bytes:
    try:
        return _encode(body)
    except OverflowError:  # a fact somewhere is such a number; hardly any graph has one, so nobody looks before
        rows: list[_NodeRow | _EdgeRow] = [*body.nodes, *body.edges]
        for row in rows:
            row.labels, row.metadata = _wide(row.labels), _wide(row.metadata)
        return _encode(body)


def _wide(value: Any) -> Any:
    """A value whose whole numbers beyond 64 bits are extensions."""
    if isinstance(value, dict):
        return {key: _wide(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_wide(each) for each in value]
    if type(value) is int and not INT_MIN <= value <= INT_MAX:
        return msgspec.msgpack.Ext(WIDE, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))
    return value


def _node_rows(nodes: Iterable[Node], shapes: dict[Shape, int], rows: dict[str, int]) -> Iterable[_NodeRow]:
    for node in nodes:
        rows[node.id] = len(rows)
        yield _NodeRow(
            node.id, node.kind, node.position, node.frequency, node.labels, node.metadata, node.created_at,
            node.updated_at, shapes.setdefault(node.fresh, len(shapes)), node.times, node.seen,
        )  # fmt: skip


def _edge_rows(edges: Iterable[Edge], shapes: dict[Shape, int], rows: dict[str, int]) -> Iterable[_EdgeRow]:
    for edge in edges:
        yield _EdgeRow(
            edge.id, edge.kind, tuple([rows[node_id] for node_id in edge.nodes]), edge.weight, edge.labels,
            edge.metadata, edge.created_at, edge.timestamp, shapes.setdefault(edge.fresh, len(shapes)), edge.times,
            edge.seen,
        )  # fmt: skip


def _loaded(body: _Body) -> Loaded:
    shapes = [shared(frozenset(words)) for words in body.shapes]
    nodes = [_node(row, shapes) for row in body.nodes]
    ids = [node.id for node in nodes]
    edges = [_edge(row, shapes, ids) for row in body.edges]
    return Loaded(body.sequence, body.ts, body.epoch, body.recent, nodes, edges)


def _node(row: _NodeRow, shapes: list[Shape]) -> Node:
    return Node(
        row.id, intern(row.kind), row.position, row.frequency, row.labels or _NOTHING, row.metadata or _NOTHING,
        row.created_at, row.updated_at, shapes[row.shape], row.times or _NOTHING, row.seen,
    )  # fmt: skip


def _edge(row: _EdgeRow, shapes: list[Shape], ids: list[str]) -> Edge:
    return Edge(
        row.id, intern(row.kind), tuple([ids[number] for number in row.nodes]), row.weight,
        row.labels or _NOTHING, row.metadata or _NOTHING, row.created_at, row.timestamp, shapes[row.shape],
        row.times or _NOTHING, row.seen,
    )  # fmt: skip


_NOTHING: dict[str, Any] = {}
"""Shared by all that have none; entities' dicts are never written to."""
