"""Reading NDJSON: one node or edge a line, as `dsmil export --format ndjson` writes it or a person would."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from dsmil.graph.export.draft import Draft, EdgeLine, NodeLine, drafts_of, refuse

LINE_BYTES_MAX = 1 << 20
"""A longer line is no entity: all that is held of one is some kilobytes."""
_BOM = b"\xef\xbb\xbf"

_decoder = msgspec.json.Decoder(NodeLine | EdgeLine)


def read_ndjson(source: BinaryIO) -> Iterator[Draft]:
    """The patches of a file, line by line; empty lines are passed over. QueryError names the line that is wrong."""
    number = 0
    while line := source.readline(LINE_BYTES_MAX + 1):
        number += 1
        if len(line) > LINE_BYTES_MAX:
            raise refuse(number, f"longer than {LINE_BYTES_MAX} bytes")
        text = line.removeprefix(_BOM).strip() if number == 1 else line.strip()
        if text:
            yield from drafts_of(_told(text, number), number)


def _told(text: bytes, number: int) -> NodeLine | EdgeLine:
    try:
        told: NodeLine | EdgeLine = _decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise refuse(number, error, 'a line is {"type": "node"|"edge", "id": ...}') from None
    return told
