"""`dsmil snapshot list|take`: whole pictures of the graph from which every engine begins."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from dsmil.cli.look import stamp
from dsmil.cli.place import dir_option, redis_of, settings_of
from dsmil.cli.show import age, emit, json_option, table
from dsmil.clock import SYSTEM
from dsmil.errors import Unavailable

WAIT_S = 30.0
"""A picture of 100,000 nodes and 200,000 edges takes the projector a few seconds."""
LOOK_S = 0.1
"""Between two looks into graph.db."""


@click.group()
def snapshot() -> None:
    """Snapshots of the graph: what the projector keeps of them, and taking one now."""


@snapshot.command("list")
@dir_option
@json_option
def list_(directory: Path | None, as_json: bool) -> None:
    """The snapshots that are kept, newest first; the past reaches back to the oldest.

    \b
    Example:
      dsmil snapshot list --json
    """
    from dsmil.store.graphdb import snapshots

    rows = snapshots(settings_of(directory).paths.graph_db)
    if as_json:
        emit([msgspec.structs.asdict(row) for row in rows])
        return
    now = SYSTEM.now()
    table(
        ("sequence", "made", "age", "last event", "nodes", "edges", "MB"),
        [
            (row.sequence, stamp(row.created_ts), age(now - row.created_ts), stamp(row.ts), row.nodes, row.edges,
             row.bytes / 1e6)
            for row in rows
        ],
    )  # fmt: skip


@snapshot.command()
@click.option(
    "--wait", "wait_s", type=click.FloatRange(0.1, 600), default=WAIT_S, show_default=True, help="Seconds."
)
@dir_option
@json_option
def take(wait_s: float, directory: Path | None, as_json: bool) -> None:
    """Let the projector take a snapshot now, and wait until it is kept.

    \b
    Example:
      dsmil snapshot take && dsmil snapshot list
    """
    from dsmil.fabric.projected import TAKE_SNAPSHOT
    from dsmil.store.graphdb import snapshots

    settings = settings_of(directory)
    asked, end = SYSTEM.now(), SYSTEM.monotonic() + wait_s
    with redis_of(settings) as redis:
        redis.set(
            TAKE_SNAPSHOT, repr(asked), ex=int(wait_s) + 1
        )  # a wish nobody hears is not granted a day later
        while not (made := [one for one in snapshots(settings.paths.graph_db) if one.created_ts >= asked]):
            if SYSTEM.monotonic() > end:
                raise Unavailable(
                    f"take snapshot: none was kept within {wait_s:g} s", hint="is dsmil-projector running?"
                )
            SYSTEM.sleep(LOOK_S)
    if as_json:
        emit(msgspec.structs.asdict(made[0]))
    else:
        click.echo(f"kept: sequence {made[0].sequence}, {made[0].nodes} nodes, {made[0].edges} edges")


COMMANDS: list[click.Command] = [snapshot]
