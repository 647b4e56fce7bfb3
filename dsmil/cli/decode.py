"""`dsmil decode`: what a parser sees in a file, as JSON lines, without Redis.

The same parsers and the same reading of files as the daemons use; only nothing is stamped or published. Memory
stays bounded: rows leave as they are made.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import Struct

from dsmil.runtime.logs import printable
from dsmil.sensors.files import Broken, open_regular
from dsmil.sensors.formats import FAMILIES
from dsmil.sensors.reading import Reading
from dsmil.sensors.record import Item, Observation, Reason, Tally

ROWS_BYTES = 256 * 1024
"""Output gathered before it is written."""


class _Raw(Struct, frozen=True, gc=False):
    path: str
    offset: int
    line: int
    text: str


class _Row(Struct, frozen=True, gc=False):
    kind: str
    ts: float | None
    payload: Struct
    raw: _Raw


@click.command()
@click.argument("family", type=click.Choice(FAMILIES))
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--timezone", default="UTC", show_default=True, help="Zone of times that name none.")
@click.option("--json", is_flag=True, expose_value=False, help="As always: there is no other form.")
def decode(family: str, paths: tuple[str, ...], timezone: str) -> None:
    """Print the observations in PATHs (- is stdin) as JSON lines.

    Exits 0 when every record was accepted, 1 when some were rejected, 2 when a file cannot be read.
    """
    options = _options(timezone)
    status = 0
    try:
        for path in paths:
            status = max(status, _decode(family, path, options))
    except BrokenPipeError:
        # Whoever read has enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


def _options(timezone: str) -> dict[str, dict[str, Any]]:
    from dsmil.config.sources import zone

    try:
        tz = zone(timezone)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--timezone") from None
    return {name: {"tz": tz} for name in ("nmea", "csv", "rtl433", "rtl433-csv", "sweep")}


def _decode(family: str, path: str, options: dict[str, dict[str, Any]]) -> int:
    tally = Tally()
    try:
        file = io.FileIO(0, closefd=False) if path == "-" else open_regular(path)
    except Broken as broken:
        _say(f"{path}: {broken}")
        return 2
    with file:
        place = None if path == "-" else Path(path)
        reading = Reading(file, family, Path(path).name, path=place, options=options)
        items: Iterator[Item] = reading
        if family == "nmap":
            from dsmil.sensors.nmap_pages import join_pages

            items = join_pages(reading)
        _write(items, tally, path)
    rejected = " ".join(f"{reason}={count}" for reason, count in sorted(tally.rejected.items()))
    _say(
        f"{path}: received={tally.received} accepted={tally.accepted} ignored={tally.ignored}"
        f" rejected={sum(tally.rejected.values())} {rejected}".rstrip()
    )
    if reading.error:
        _say(f"{path}: {reading.error}")
    return 2 if Reason.UNREADABLE in tally.rejected else 1 if tally.rejected else 0


def _write(items: Iterable[Item], tally: Tally, path: str) -> None:
    encode = msgspec.json.Encoder().encode
    out = sys.stdout.buffer
    rows: list[bytes] = []
    size = 0
    for item in items:
        tally.add(item)
        if isinstance(item, Observation):
            raw = _Raw(path, item.offset, item.line, _text(item.text))
            row = encode(_Row(item.kind, item.ts, item.payload, raw))
            rows.append(row)
            size += len(row)
            if size >= ROWS_BYTES:
                out.write(b"\n".join(rows) + b"\n")
                rows, size = [], 0
    if rows:
        out.write(b"\n".join(rows) + b"\n")
    out.flush()


def _text(text: str) -> str:
    # A lone surrogate has no UTF-8.
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _say(line: str) -> None:
    click.echo(printable(line), err=True)
