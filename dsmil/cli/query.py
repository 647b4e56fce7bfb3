"""`dsmil query` and `dsmil diff`: asking the graph, and what of an answer changed between two moments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dsmil.cli.picture import (
    as_of_option,
    changes,
    moment_in,
    opened,
    playback_ts,
    show_edges,
    show_nodes,
    text_of,
)
from dsmil.cli.place import dir_option, settings_of
from dsmil.cli.show import emit, json_option, table
from dsmil.clock import SYSTEM
from dsmil.runtime.logs import printable

if TYPE_CHECKING:
    from dsmil.graph.diff import Diff
    from dsmil.graph.run import Result

LIMIT, LIMIT_MAX = 100, 100_000
"""What one answer shows unless asked otherwise, and at most: `dsmil export` has no such bound."""


@click.command()
@click.argument("text", metavar="TEXT")
@as_of_option
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1, LIMIT_MAX),
    default=LIMIT,
    show_default=True,
    help="At most this many.",
)
@click.option("--cursor", help="Go on where the answer with this cursor ended.")
@click.option("--explain", is_flag=True, help="Tell which index would be asked instead of the answer.")
@dir_option
@json_option
def query(  # noqa: PLR0913 - one per option
    *,
    text: str,
    as_of: float | None,
    limit: int,
    cursor: str | None,
    explain: bool,
    directory: Path | None,
    as_json: bool,
) -> None:
    """Ask the graph. TEXT is a query, or - to read it from stdin.

    \b
    Examples:
      dsmil query 'FIND NODES WHERE kind = "vessel" WITHIN 5km OF [55.7, 12.6] SINCE 1h'
      dsmil query 'FIND EDGES WHERE kind = "ais.rendezvous"' --as-of 2024-05-01T12:00:00Z
      dsmil query 'FIND NEIGHBORS OF "host:ip:192.0.2.7" DEPTH 2' --json
    """
    from msgspec.structs import replace

    from dsmil.graph.run import run
    from dsmil.query.parse import parse_query

    asked = parse_query(text_of(text))
    settings = settings_of(directory)
    with opened(settings, moment_in(asked, as_of)) as (_, picture):
        result = run(
            picture,
            replace(asked, explain=asked.explain or explain),
            now=SYSTEM.now(),
            playback_ts=playback_ts(settings),
            page=limit,
            cursor=cursor,
        )
    if result.plan is not None:
        _show_plan(result.plan, as_json)
    elif as_json:
        emit(told(result))
    else:
        _show(result, counting=asked.returns == "count")


@click.command()
@click.argument("text", metavar="TEXT")
@click.option("--from", "start", type=click.IntRange(0), required=True, help="Changes after this sequence,")
@click.option("--to", "end", type=click.IntRange(0), help="up to this one; now where it is not given.")
@dir_option
@json_option
def diff(*, text: str, start: int, end: int | None, directory: Path | None, as_json: bool) -> None:
    """Show what changed in the answer to TEXT between two sequences (`dsmil graph` tells the present one).

    \b
    Example:
      dsmil diff 'FIND SUBGRAPH WHERE kind = "vessel"' --from 1200 --to 1800
    """
    from dsmil.query.parse import parse_query

    asked = parse_query(text_of(text))
    found = changes(settings_of(directory), asked, start=start, end=end)
    if as_json:
        emit(found.to_dict())
        return
    click.echo(f"from sequence {found.from_sequence} to {found.to_sequence} ({found.timestamp})")
    rows = [*_rows("node", found.nodes), *_rows("edge", found.edges)]
    if rows:
        table(("change", "what", "id", "kind"), rows)
    click.echo(_counts(found))


def told(result: Result) -> dict[str, Any]:
    """A result as the API tells it (contract 7)."""
    return {
        "nodes": [node.to_dict() for node in result.nodes],
        "edges": [edge.to_dict() for edge in result.edges],
        "count": result.count,
        "cursor": result.cursor,
        "sequence_id": result.sequence,
    }


def _show(result: Result, *, counting: bool) -> None:
    if counting:
        click.echo(result.count)
        return
    if result.nodes:
        show_nodes(result.nodes)
    if result.edges:
        show_edges(result.edges)
    shown = len(result.nodes) + len(result.edges)
    click.echo(f"{shown} shown, {result.count} fit, at sequence {result.sequence}", err=True)
    if result.cursor:
        click.echo(f"more: --cursor {result.cursor}", err=True)


def _show_plan(plan: Any, as_json: bool) -> None:
    if as_json:
        emit(plan.to_dict())
        return
    for line in plan.explain():
        click.echo(printable(line))


def _rows(what: str, changes: Any) -> list[tuple[str, str, str, str]]:
    rows = [("+", what, one.id, one.kind) for one in changes.created]
    rows += [("~", what, one.id, one.kind) for one in changes.updated]
    return rows + [("-", what, name, "") for name in changes.deleted]


def _counts(found: Diff) -> str:
    parts = ((found.nodes, "nodes"), (found.edges, "edges"))
    words = (
        f"{len(part.created)} {name} created, {len(part.updated)} updated, {len(part.deleted)} deleted"
        for part, name in parts
    )
    return "; ".join(words)


COMMANDS: list[click.Command] = [query, diff]
