"""The parsers measured alone: bytes of a file in, records counted, beside another parser of the same bytes.

Apart from the other tasks, so that the memory measured is the parser's and not that of a client of Redis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dsmil.bench.figures import Sample
from dsmil.bench.stopwatch import Stopwatch

CHUNK = 64 * 1024
"""As files are read."""


def parse(path: str, parser: str, rounds: int = 1) -> Sample:
    """Bytes of a file through a parser, `rounds` times; items are bytes."""
    data, build = Path(path).read_bytes(), PARSERS[parser]
    records = 0
    watch = Stopwatch()
    for _ in range(rounds):
        records += build([data[at : at + CHUNK] for at in range(0, len(data), CHUNK)])
    return watch.read(len(data) * rounds, records=records)


def _ais(chunks: Sequence[bytes]) -> int:
    from dsmil.sensors.ais_nmea import AisNmea

    return _drained(AisNmea(), chunks)


def _nmap(chunks: Sequence[bytes]) -> int:
    from dsmil.sensors.nmap_xml import NmapXml

    return _drained(NmapXml(), chunks)


def _drained(parser: Any, chunks: Sequence[bytes]) -> int:
    return sum(sum(1 for _ in parser.feed(chunk)) for chunk in chunks) + sum(1 for _ in parser.close())


def _pyais(chunks: Sequence[bytes]) -> int:
    from pyais.stream import IterMessages

    count = 0
    for message in IterMessages(b"".join(chunks).splitlines()):
        message.decode()
        count += 1
    return count


def _expat(chunks: Sequence[bytes]) -> int:
    from xml.parsers.expat import ParserCreate

    parser, seen = ParserCreate(), [0]
    parser.StartElementHandler = lambda *_: seen.__setitem__(0, seen[0] + 1)
    for chunk in chunks:
        parser.Parse(chunk)
    parser.Parse(b"", True)
    return seen[0]


PARSERS: dict[str, Callable[[Sequence[bytes]], int]] = {
    "ais": _ais, "pyais": _pyais, "nmap": _nmap, "expat": _expat,
}  # fmt: skip
