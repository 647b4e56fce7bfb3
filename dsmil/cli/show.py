"""What commands print: JSON for programs, tables for people.

Text from outside (vessel names, banners) passes `printable`, so it can never move a cursor or recolour a screen.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click
import msgspec

from dsmil.runtime.logs import printable

F = TypeVar("F", bound=Callable[..., Any])

CELL_CHARS_MAX = 120


def json_option(command: F) -> F:
    """`--json`, as parameter `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")(command)


def emit(value: Any) -> None:
    """One JSON value on one line of stdout."""
    click.echo(msgspec.json.encode(value, enc_hook=str).decode())


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Rows under headings: drawn on a terminal, aligned columns elsewhere."""
    cells = [[cell(value) for value in row] for row in rows]
    if sys.stdout.isatty():
        from rich.console import Console

        Console().print(drawn(columns, cells))
        return
    widths = [max([len(name), *(len(row[i]) for row in cells)]) for i, name in enumerate(columns)]
    for row in [list(columns), *cells]:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def drawn(columns: Sequence[str], cells: Iterable[Sequence[str]], title: str | None = None) -> Any:
    """A rich table; its texts are taken literally, never as markup."""
    from rich.table import Table
    from rich.text import Text

    shape = Table(*columns, title=title, title_justify="left")
    for row in cells:
        shape.add_row(*(Text(text) for text in row))
    return shape


def cell(value: Any) -> str:
    """A value as the text of one cell."""
    if value is None:
        return "-"
    text = printable(f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value))
    return text if len(text) <= CELL_CHARS_MAX else text[: CELL_CHARS_MAX - 1] + "…"


def age(seconds: float | None) -> str:
    """A time span for people: `0.4 s`, `12 s`, `3 min`, `5 h`, `2 d`."""
    if seconds is None:
        return "-"
    for limit, size, unit in ((1, 1, "s"), (120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if abs(seconds) < limit:
            return f"{seconds / size:.1f} {unit}" if limit == 1 else f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"
