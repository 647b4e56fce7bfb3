"""Reading the Hypergraph Interchange Format: files of XGI, HyperNetX and others, and our own.

What a foreign file says of a node or an edge becomes its metadata, unless it names our fields and they fit. What it
says of an incidence is kept in `metadata.hif` of the edge. An id that is a number becomes its digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Literal, TypeVar

import msgspec
from msgspec import Raw, Struct

from dsmil.events.graph import EntityId, Facts
from dsmil.graph.export.draft import Draft, EdgeLine, NodeLine, drafts_of, refuse
from dsmil.graph.export.hif import KEPT

HIF_BYTES_MAX = 256 << 20
"""The format is one document, so it is read whole; ours of 100,000 nodes and 200,000 edges takes half of this."""

Id = EntityId | int
Row = TypeVar("Row", bound=Struct)


class _Document(Struct, forbid_unknown_fields=True, rename={"network_type": "network-type"}):
    incidences: Raw
    network_type: Literal["undirected", "directed", "asc"] = "undirected"
    metadata: Facts = {}
    nodes: Raw = Raw(b"[]")
    edges: Raw = Raw(b"[]")


class _NodeRow(Struct, forbid_unknown_fields=True):
    node: Id
    weight: float | None = None
    attrs: Facts = {}


class _EdgeRow(Struct, forbid_unknown_fields=True):
    edge: Id
    weight: float | None = None
    attrs: Facts = {}


class _IncidenceRow(Struct, forbid_unknown_fields=True):
    edge: Id
    node: Id
    weight: float | None = None
    direction: Literal["head", "tail"] | None = None
    attrs: Facts = {}


def read_hif(source: BinaryIO, *, prefix: str = "") -> Iterator[Draft]:
    """The patches of a document, nodes first. `prefix` is put before every id, so that the edges 0, 1, 2 of two files
    stay apart. QueryError names the line that is wrong."""
    data = source.read(HIF_BYTES_MAX + 1)
    if len(data) > HIF_BYTES_MAX:
        raise refuse(1, f"longer than {HIF_BYTES_MAX >> 20} MiB", "NDJSON has no such bound")
    return _Reading(data, prefix).drafts()


class _Reading:
    """One document: its bytes tell the line of a fault."""

    def __init__(self, data: bytes, prefix: str) -> None:
        self._data = data
        self._prefix = prefix
        try:
            self._document = msgspec.json.decode(data, type=_Document)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise refuse(_line_of(data, error), error, "is it HIF 0.1.0?") from None
        self._own = "dsmil" in self._document.metadata

    def drafts(self) -> Iterator[Draft]:
        members, kept, first = self._memberships()
        for line, node in self._rows("nodes", _NodeRow):
            yield from self._node(node, line)
        named: set[str] = set()
        for line, edge in self._rows("edges", _EdgeRow):
            name = self._name(edge.edge)
            named.add(name)
            if name not in members:
                raise refuse(line, f"edge {edge.edge} has no incidence", "an edge has at least one member")
            yield from self._edge(edge, line, members[name], kept.get(name, {}))
        for name, nodes in members.items():
            if name not in named:
                bare = _EdgeRow(edge=name.removeprefix(self._prefix))
                yield from self._edge(bare, first[name], nodes, kept.get(name, {}))

    def _memberships(self) -> tuple[dict[str, list[str]], dict[str, Facts], dict[str, int]]:
        """Per edge: its members, what was said of them, the line that names it first."""
        members: dict[str, list[str]] = {}
        kept: dict[str, Facts] = {}
        first: dict[str, int] = {}
        for line, row in self._rows("incidences", _IncidenceRow):
            edge, node = self._name(row.edge), self._name(row.node)
            first.setdefault(edge, line)
            if node not in (held := members.setdefault(edge, [])):
                held.append(node)
            said = {"weight": row.weight, "direction": row.direction, "attrs": row.attrs or None}
            if said := {key: value for key, value in said.items() if value is not None}:
                kept.setdefault(edge, {})[node] = said
        return members, kept, first

    def _node(self, row: _NodeRow, line: int) -> list[Draft]:
        fields = {"type": "node", "id": self._name(row.node)}
        extra = {} if row.weight is None else {"weight": row.weight}
        return drafts_of(self._line(NodeLine, fields, row.attrs, line=line, extra=extra), line)

    def _edge(self, row: _EdgeRow, line: int, nodes: list[str], kept: Facts) -> list[Draft]:
        fields: Facts = {"type": "edge", "id": self._name(row.edge), "nodes": nodes}
        if row.weight is not None:
            fields["weight"] = row.weight
        ordered = row.attrs.get("nodes")
        attrs = {key: value for key, value in row.attrs.items() if key != "nodes"}
        if self._own and isinstance(ordered, list) and set(map(self._name, ordered)) == set(nodes):
            fields["nodes"] = list(map(self._name, ordered))
        elif ordered is not None and not self._own:
            attrs["nodes"] = ordered
        extra = {KEPT: kept} if kept else {}
        return drafts_of(self._line(EdgeLine, fields, attrs, line=line, extra=extra), line)

    def _line(self, shape: type[Row], fields: Facts, attrs: Facts, *, line: int, extra: Facts) -> Row:
        """`fields`, those of `attrs` that are ours, and all else, `extra` too, as metadata."""
        known = {name for name in shape.__struct_fields__ if name not in fields}
        ours = {key: value for key, value in attrs.items() if key in known}
        rest = {key: value for key, value in attrs.items() if key not in known and value is not None} | extra
        try:
            return msgspec.convert(_joined(fields, ours, rest), shape)
        except (msgspec.ValidationError, TypeError) as error:
            if self._own:
                raise refuse(line, error) from None
        try:
            said = {key: value for key, value in attrs.items() if value is not None}
            return msgspec.convert(_joined(fields, {}, said | extra), shape)
        except msgspec.ValidationError as error:
            raise refuse(line, error) from None

    def _rows(self, section: str, shape: type[Row]) -> Iterator[tuple[int, Row]]:
        """(line, row) of every row of a section. Lines are counted only where rows begin."""
        raw = bytes(getattr(self._document, section))
        try:
            rows = msgspec.json.decode(raw, type=list[Raw])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise refuse(self._line_at(self._data.find(raw)), f"{section}: {error}") from None
        decode = msgspec.json.Decoder(shape).decode
        place = max(0, self._data.find(raw)) if raw != b"[]" else 0
        line, counted = self._line_at(place), place
        for row in rows:
            text = bytes(row)
            place = self._data.find(text, place)
            line, counted = line + self._data.count(b"\n", counted, place), place
            place += len(text)
            try:
                found = decode(text)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise refuse(line, f"{section}: {error}") from None
            yield line, found

    def _line_at(self, place: int) -> int:
        return self._data.count(b"\n", 0, max(0, place)) + 1

    def _name(self, said: str | int) -> str:
        return f"{self._prefix}{said}"


def _joined(fields: Facts, ours: Facts, rest: Facts) -> Facts:
    """The fields of a line, with what else was said in its metadata."""
    if not rest:
        return ours | fields
    return ours | fields | {"metadata": {**ours.get("metadata", {}), **rest}}


def _line_of(data: bytes, error: Exception) -> int:
    """The line of a syntax error: msgspec names the byte."""
    _, _, tail = str(error).rpartition("(byte ")
    digits = tail.rstrip(")")
    return data.count(b"\n", 0, int(digits)) + 1 if digits.isdigit() else 1
