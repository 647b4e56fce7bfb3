"""The graph, or any part of it, in the formats that other programs read.

What is written is held from the moment `export` is called: the graph may go on changing while it is read out.
Texts in it come from whoever transmits, so no format lets them act on a reader: see `text`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from dsmil.errors import QueryError
from dsmil.graph.entity import Edge, Node
from dsmil.graph.export import geojson, hif, ndjson, stix, table
from dsmil.graph.export.chosen import Chosen, choose
from dsmil.graph.picture import Picture

CHUNK_BYTES = 64 * 1024
"""Size of a piece: few enough system calls, and never much in memory."""

MEDIA_TYPES: dict[str, str] = {
    "geojson": "application/geo+json",
    "csv": "text/csv; charset=utf-8; header=present",
    "ndjson": "application/x-ndjson",
    "hif": "application/json",
    "stix": "application/stix+json;version=2.1",
}
"""Every format, and what HTTP calls it."""

_WRITERS: dict[str, Callable[[Chosen], Iterator[bytes]]] = {
    "geojson": geojson.write,
    "csv": table.write,
    "ndjson": ndjson.write,
    "hif": hif.write,
    "stix": stix.write,
}


def export(
    form: str, picture: Picture, *, nodes: Iterable[Node] | None = None, edges: Iterable[Edge] | None = None
) -> Iterator[bytes]:
    """`nodes` and `edges` of `picture` in the format `form`, in pieces; all of either where it is not given.

    QueryError where there is no such format. The pieces hold whole UTF-8 when joined, and are the same bytes for
    the same picture.
    """
    write = _WRITERS.get(form)
    if write is None:
        raise QueryError(
            f"export as {form!r}: no such format", expected=tuple(_WRITERS), hint=", ".join(_WRITERS)
        )
    return _gathered(write(choose(picture, nodes, edges)))


def _gathered(parts: Iterator[bytes]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for part in parts:
        held.append(part)
        size += len(part)
        if size >= CHUNK_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)
