"""`dsmil audit verify` and `dsmil loss`: whether the log is what was written, and what is known to be missing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from dsmil.cli.place import dir_option, settings_of
from dsmil.cli.show import emit, json_option, table
from dsmil.errors import Unavailable
from dsmil.store.loss import read_losses
from dsmil.store.verify import Report, verify


@click.group("audit")
def audit() -> None:
    """The durable log of every event."""


@audit.command("verify")
@dir_option
@json_option
@click.pass_context
def verify_(ctx: click.Context, directory: Path | None, as_json: bool) -> None:
    """Check chain, segments and anchors; exit 1 and name the first bad row where something is wrong."""
    place = settings_of(directory).paths.audit
    if not place.is_dir():
        raise Unavailable(f"verify the audit log: no directory {place}", hint="has the drainer run yet?")
    report = verify(place)
    if as_json:
        emit({**msgspec.to_builtins(report), "path": str(place)})
    else:
        _say(report, place)
    ctx.exit(0 if report.ok else 1)


def _say(report: Report, place: Path) -> None:
    counted = f"{report.rows} rows in {report.segments} segments, {report.anchors} anchors"
    click.echo(f"{place}: {'intact' if report.ok else 'NOT WHAT WAS WRITTEN'}: {counted}")
    if report.rows_after_anchor:
        click.echo(f"the last {report.rows_after_anchor} rows are covered by no anchor yet")
    if report.faults:
        table(("segment", "row", "fault"), [(fault.segment, fault.seq, fault.what) for fault in report.faults])


@click.command("loss")
@dir_option
@json_option
def loss(directory: Path | None, as_json: bool) -> None:
    """List what is known to be lost, newest first."""
    place = settings_of(directory).paths.audit
    if not place.is_dir():
        raise Unavailable(f"list losses: no directory {place}", hint="has the drainer run yet?")
    rows = read_losses(place)
    if as_json:
        emit(rows)
        return
    if not rows:
        click.echo("no losses are known")
        return
    columns = ("when", "kind", "stream", "reader", "from", "to", "count", "detail")
    table(
        columns,
        [(_when(r.ts), r.kind, r.stream, r.reader, r.first_id, r.last_id, r.count, r.detail) for r in rows],
    )


def _when(ts: float) -> str:
    return datetime.fromtimestamp(ts, UTC).isoformat(timespec="seconds")


COMMANDS: list[click.Command] = [audit, loss]
