"""`dsmil graph`: how much is in the graph, and its shape: paths, connected parts, who is central, one entity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dsmil.cli.look import stamp
from dsmil.cli.picture import as_of_option, opened
from dsmil.cli.place import dir_option, settings_of
from dsmil.cli.show import age, emit, json_option, table
from dsmil.clock import SYSTEM
from dsmil.errors import DsmilError
from dsmil.runtime.logs import printable

TOP = 5
MEMBERS_MAX = 20
"""Edges of a node that `show` lists."""


@click.group(invoke_without_command=True)
@as_of_option
@dir_option
@json_option
@click.pass_context
def graph(ctx: click.Context, *, as_of: float | None, directory: Path | None, as_json: bool) -> None:
    """Totals of the graph; with a command, its shape.

    \b
    Examples:
      dsmil graph
      dsmil graph show vessel:219000431
      dsmil graph path host:ip:192.0.2.7 svc:https
    """
    if ctx.invoked_subcommand is not None:
        if directory is not None or as_of is not None or as_json:
            raise click.UsageError(f"options go after the command: dsmil graph {ctx.invoked_subcommand} ...")
        return
    from dsmil.store.graphdb import snapshots

    settings = settings_of(directory)
    with opened(settings, as_of) as (_, picture):
        totals = _totals(picture)
    made = snapshots(settings.paths.graph_db)
    totals["snapshot_age_s"] = SYSTEM.now() - made[0].created_ts if made else None
    if as_json:
        emit(totals)
        return
    click.echo(
        f"sequence {totals['sequence_id']}, last event {stamp(totals['ts'])}, epoch {totals['epoch'] or '-'}"
    )
    click.echo(f"newest snapshot: {age(totals['snapshot_age_s'])} old" if made else "no snapshot yet")
    rows = [(what, kind, n) for what in ("nodes", "edges") for kind, n in totals[what].items()]
    table(("what", "kind", "number"), rows)
    if totals["central"]:
        table(("central node", "edges"), [(row["id"], row["degree"]) for row in totals["central"]])


@graph.command()
@click.argument("start", metavar="A")
@click.argument("end", metavar="B")
@as_of_option
@dir_option
@json_option
def path(*, start: str, end: str, as_of: float | None, directory: Path | None, as_json: bool) -> None:
    """A way of fewest edges from node A to node B. Exit 1 where there is none.

    \b
    Example:
      dsmil graph path vessel:219000431 rf:9f31c2ab44d01e7c
    """
    from dsmil.graph.algorithms import shortest_path

    with opened(settings_of(directory), as_of) as (_, picture):
        found = shortest_path(picture, start, end)
        kinds = [(picture.nodes.get(name) or picture.edges[name]).kind for name in found or ()]
    if found is None:
        raise DsmilError(f"find a path from {start} to {end}: they are not connected")
    if as_json:
        emit({"path": found, "edges": len(found) // 2})
        return
    for place, (name, kind) in enumerate(zip(found, kinds, strict=True)):
        click.echo(printable(f"  {name}  ({kind})" if place % 2 else f"{name}  ({kind})"))


@graph.command("components")
@click.option("-n", "--limit", type=click.IntRange(1), default=10, show_default=True, help="At most this many.")
@click.option("--s", "shared", type=click.IntRange(1), help="Groups of edges instead, by S shared members each.")
@as_of_option
@dir_option
@json_option
def components_(
    *, limit: int, shared: int | None, as_of: float | None, directory: Path | None, as_json: bool
) -> None:
    """The connected parts of the graph, the largest first.

    \b
    Examples:
      dsmil graph components
      dsmil graph components --s 2
    """
    from dsmil.graph.algorithms import components, s_components

    with opened(settings_of(directory), as_of) as (_, picture):
        found = components(picture) if shared is None else s_components(picture, shared)
    if as_json:
        emit({"count": len(found), "components": [{"size": len(part), "ids": part} for part in found[:limit]]})
        return
    table(("size", "members"), [(len(part), _shown(part)) for part in found[:limit]])
    click.echo(f"{len(found)} in all", err=True)


@graph.command()
@click.option("-n", "--limit", type=click.IntRange(1), default=10, show_default=True, help="At most this many.")
@click.option("--by", type=click.Choice(["degree", "eigenvector"]), default="degree", show_default=True,
              help="Edges of a node, or how central those are that it shares edges with.")  # fmt: skip
@as_of_option
@dir_option
@json_option
def central(*, limit: int, by: str, as_of: float | None, directory: Path | None, as_json: bool) -> None:
    """The most central nodes.

    \b
    Example:
      dsmil graph central --by eigenvector -n 20
    """
    from dsmil.graph.algorithms import degree_centrality, eigenvector_centrality

    with opened(settings_of(directory), as_of) as (_, picture):
        values: dict[str, Any] = (degree_centrality if by == "degree" else eigenvector_centrality)(picture)
        top = sorted(values.items(), key=lambda one: (-one[1], one[0]))[:limit]
        rows = [{"id": name, "kind": picture.nodes[name].kind, by: value} for name, value in top]
    if as_json:
        emit(rows)
        return
    table(("node", "kind", by), [(row["id"], row["kind"], f"{row[by]:.6g}") for row in rows])


@graph.command()
@click.argument("name", metavar="ID")
@as_of_option
@dir_option
@json_option
def show(*, name: str, as_of: float | None, directory: Path | None, as_json: bool) -> None:
    """One node or edge with everything known of it. Exit 1 where there is none.

    \b
    Example:
      dsmil graph show vessel:219000431 --as-of 1200
    """
    with opened(settings_of(directory), as_of) as (_, picture):
        entity = picture.nodes.get(name) or picture.edges.get(name)
        joined = sorted(picture.memberships(name))
        kinds = {edge_id: picture.edges[edge_id].kind for edge_id in joined}
    if entity is None:
        raise DsmilError(f"show {name}: there is no node or edge of that id", hint="`dsmil query` finds ids")
    told = entity.to_dict() | ({"edges": joined} if "position" in entity.to_dict() else {})
    if as_json:
        emit(told)
        return
    rows = [(key, value) for key, value in _flat(told) if not key.startswith("edges")]
    table(("key", "value"), rows)
    for edge_id in joined[:MEMBERS_MAX]:
        click.echo(printable(f"in {edge_id}  ({kinds[edge_id]})"))
    if len(joined) > MEMBERS_MAX:
        click.echo(f"and in {len(joined) - MEMBERS_MAX} more edges")


def _totals(picture: Any) -> dict[str, Any]:
    from dsmil.graph.algorithms import degree_centrality

    kinds: dict[str, dict[str, int]] = {"nodes": {}, "edges": {}}
    for what, entities in (("nodes", picture.nodes), ("edges", picture.edges)):
        for entity in entities.values():
            kinds[what][entity.kind] = kinds[what].get(entity.kind, 0) + 1
    degrees = sorted(degree_centrality(picture).items(), key=lambda one: (-one[1], one[0]))
    return {
        "sequence_id": picture.sequence, "epoch": picture.epoch, "ts": picture.ts,
        "nodes": dict(sorted(kinds["nodes"].items())), "edges": dict(sorted(kinds["edges"].items())),
        "central": [{"id": name, "degree": degree} for name, degree in degrees[:TOP] if degree],
    }  # fmt: skip


def _flat(value: Any, key: str = "") -> list[tuple[str, Any]]:
    """The leaves of nested objects, under dotted keys as the query language has them."""
    if isinstance(value, dict) and value:
        return [leaf for name, item in value.items() for leaf in _flat(item, f"{key}.{name}" if key else name)]
    if key.endswith(("created_at", "updated_at", "timestamp")) and isinstance(value, float):
        return [(key, stamp(value))]
    return [(key, value)]


def _shown(part: list[str]) -> str:
    more = len(part) - TOP
    return ", ".join(part[:TOP]) + (f" and {more} more" if more > 0 else "")


COMMANDS: list[click.Command] = [graph]
