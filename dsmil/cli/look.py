"""Looking into a running suite: events, streams, tap, top, dlq.

Everything here only reads, but `dlq retry` and `dlq drop`, so it may be run beside any work.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from dsmil.cli.follow import Row, follow, newest
from dsmil.cli.place import dir_option, redis_of, settings_of
from dsmil.cli.show import age, cell, emit, json_option, table
from dsmil.clock import SYSTEM
from dsmil.events.enums import Severity, StreamName
from dsmil.runtime.logs import printable
from dsmil.watch import readings

T = TypeVar("T")

STREAM_NAMES = [name.value for name in StreamName]
LINE_PAYLOAD_CHARS = 200


def _severities(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> frozenset[Severity]:
    try:
        return frozenset(map(Severity.parse, values)) or frozenset(Severity)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@dir_option
@click.option("-s", "--severity", "severities", multiple=True, callback=_severities,
              help="Only of exactly this one: LOW, MEDIUM, HIGH or CRITICAL; may be repeated.")  # fmt: skip
@click.option(
    "-n", "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="At most this many."
)
@click.option("--stream", type=click.Choice(STREAM_NAMES, case_sensitive=False), multiple=True,
              help="Only of this stream; may be repeated.")  # fmt: skip
@json_option
def events(
    *,
    directory: Path | None,
    severities: frozenset[Severity],
    limit: int,
    stream: tuple[str, ...],
    as_json: bool,
) -> None:
    """The newest events, oldest of them first."""
    with redis_of(settings_of(directory)) as client:
        rows = newest(client, stream or STREAM_NAMES, limit, severities=severities)
    if as_json:
        emit([row.event | {"stream": row.stream, "stream_id": row.id} for row in rows])
        return
    table(
        ("time", "stream", "severity", "kind", "device", "source", "what"),
        [
            (stamp(row.event["ts"]), row.stream, row.event.get("severity", "LOW"), row.event["kind"],
             row.event["source_device"], row.event["source"], summary(row.event))
            for row in rows
        ],
    )  # fmt: skip


@click.command()
@dir_option
@json_option
def streams(directory: Path | None, as_json: bool) -> None:
    """Every stream: length, entries ever added, and each group's pending entries and lag."""
    with redis_of(settings_of(directory)) as client:
        rows = readings.streams(client, SYSTEM.now())
    if as_json:
        emit(rows)
        return
    table(
        ("stream", "length", "added", "group", "pending", "lag"),
        [cells for row in rows for cells in _stream_cells(row)],
    )


def _stream_cells(row: readings.StreamReading) -> list[tuple[Any, ...]]:
    heads: list[tuple[Any, ...]] = [(row.stream, row.length, row.added)]
    heads += [("", "", "")] * (len(row.groups) - 1)
    tails: list[tuple[Any, ...]] = [(group.group, group.pending, age(group.lag_s)) for group in row.groups]
    return [head + tail for head, tail in zip(heads, tails or [("-", "-", "-")], strict=True)]


@click.command()
@dir_option
@click.option("--where", "text", default="", help='Only what fits, e.g. \'severity >= "HIGH" AND kind = "soc"\'.')
@click.option("--stream", type=click.Choice(STREAM_NAMES, case_sensitive=False), multiple=True,
              help="Only of this stream; may be repeated.")  # fmt: skip
@click.option("--from-start", is_flag=True, help="Begin with the oldest retained event instead of the next one.")
@click.option("-n", "--limit", type=click.IntRange(1), default=None, help="End after this many.")
@json_option
def tap(  # noqa: PLR0913 - one per option
    *,
    directory: Path | None,
    text: str,
    stream: tuple[str, ...],
    from_start: bool,
    limit: int | None,
    as_json: bool,
) -> None:
    """Follow live events, one line each, until Ctrl-C. Survives a restart of Redis."""
    from dsmil.query import compile_predicate

    fits = compile_predicate(text).matches if text.strip() else lambda event: True
    settings = settings_of(directory)
    shown = 0
    rows = follow(settings.redis, stream or STREAM_NAMES, from_start=from_start, clock=SYSTEM, say=_say)
    for row in interruptible(rows):
        if not fits(row.event):
            continue
        if as_json:
            emit(row.event | {"stream": row.stream, "stream_id": row.id})
        else:
            click.echo(line(row))
        sys.stdout.flush()
        shown += 1
        if shown == limit:
            return


def interruptible(items: Iterator[T]) -> Iterator[T]:
    """The items until Ctrl-C, which is how such a command is meant to end."""
    try:
        yield from items
    except KeyboardInterrupt:
        return


def _say(text: str) -> None:
    click.echo(f"tap: {printable(text)}", err=True)


@click.command()
@dir_option
@click.option("-n", "--count", type=click.IntRange(1), default=None, help="End after this many refreshes.")
@click.option(
    "--every", "every_s", type=click.FloatRange(0.1, 60), default=1.0, show_default=True, help="Seconds."
)
@json_option
def top(directory: Path | None, count: int | None, every_s: float, as_json: bool) -> None:
    """Daemons and streams with rates, refreshed each second until Ctrl-C."""
    from dsmil.cli.top import live, screens

    frames = interruptible(screens(settings_of(directory), clock=SYSTEM, every_s=every_s, count=count))
    if as_json:
        for frame in frames:
            emit(frame)
    elif sys.stdout.isatty():
        live(frames)
    else:
        for frame in frames:
            table(("stream", "length", "per s", "pending", "lag"), [row.cells() for row in frame.streams])
            table(("daemon", "state", "lag", "memory", "error"), [row.cells() for row in frame.daemons])


def _entry_ids(ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
    for word in [value] if isinstance(value, str) else value:
        if not re.fullmatch(r"[0-9]{1,20}-[0-9]{1,20}", word):
            raise click.BadParameter(f"{word!r} is no id such as 1700000000000-0; see `dsmil dlq list`")
    return value


@click.group()
def dlq() -> None:
    """Dead letters: what could not be handled, and why."""


@dlq.command("list")
@dir_option
@click.option("-n", "--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
@click.option("--all", "settled", is_flag=True, help="Also those that were retried or dropped.")
@json_option
def dlq_list(directory: Path | None, limit: int, settled: bool, as_json: bool) -> None:
    """The newest dead letters first."""
    from dsmil.fabric.deadletter import Letters

    with redis_of(settings_of(directory)) as client:
        rows = Letters(client).list_(limit, settled=settled)
    if as_json:
        emit([_letter_json(letter_id, letter) for letter_id, letter in rows])
        return
    table(
        ("id", "from", "entry", "tries", "error"),
        [
            (letter_id, letter.group or letter.reason, f"{letter.stream} {letter.id}".strip(), letter.failures,
             letter.error)
            for letter_id, letter in rows
        ],
    )  # fmt: skip


def _letter_json(letter_id: str, letter: Any) -> dict[str, Any]:
    """The letter's own id stands in `id`, that of the entry it buries in `entry_id`."""
    fields: dict[str, Any] = msgspec.structs.asdict(letter)
    return {"id": letter_id, "entry_id": fields.pop("id"), **fields}


@dlq.command("show")
@dir_option
@click.argument("letter_id", metavar="ID", callback=_entry_ids)
@json_option
def dlq_show(directory: Path | None, letter_id: str, as_json: bool) -> None:
    """One dead letter with everything known of it."""
    from dsmil.fabric.deadletter import Letters

    with redis_of(settings_of(directory)) as client:
        event, letter = Letters(client).show(letter_id)
    whole = event.to_dict() | {"id": letter_id, "payload": msgspec.structs.asdict(letter)}
    if as_json:
        emit(whole)
        return
    for key, value in (whole["payload"] | {key: whole[key] for key in ("event_id", "source", "raw")}).items():
        if value not in ("", None):
            click.echo(f"{key:12} {printable(str(value))}")


@dlq.command("retry")
@dir_option
@click.argument("letter_ids", metavar="ID...", nargs=-1, required=True, callback=_entry_ids)
@json_option
def dlq_retry(directory: Path | None, letter_ids: tuple[str, ...], as_json: bool) -> None:
    """Put the buried entries back on their streams."""
    from dsmil.fabric.deadletter import Letters

    with redis_of(settings_of(directory)) as client:
        letters = Letters(client)
        done = {letter_id: letters.retry(letter_id) for letter_id in letter_ids}
    if as_json:
        emit(done)
    else:
        for letter_id, new_id in done.items():
            click.echo(f"{letter_id} put back as {new_id}")


@dlq.command("drop")
@dir_option
@click.argument("letter_ids", metavar="ID...", nargs=-1, required=True, callback=_entry_ids)
@json_option
def dlq_drop(directory: Path | None, letter_ids: tuple[str, ...], as_json: bool) -> None:
    """Settle dead letters without a retry; the audit keeps them."""
    from dsmil.fabric.deadletter import Letters

    with redis_of(settings_of(directory)) as client:
        letters = Letters(client)
        for letter_id in letter_ids:
            letters.drop(letter_id)
    if as_json:
        emit({"dropped": letter_ids})
    else:
        click.echo(f"{len(letter_ids)} dropped")


def stamp(ts: float) -> str:
    """A time for people, UTC; the bare seconds where the calendar does not reach."""
    try:
        return datetime.fromtimestamp(ts, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{ts:.0f}"


def summary(event: dict[str, Any]) -> str:
    """What a decision or security event says, else the payload as `key=value` words; as much as fits a line."""
    payload = event.get("payload") or {}
    if payload.get("decision") and payload.get("explanation"):
        return _cut(f"{payload['decision']}: {payload['explanation']}")
    words = (
        f"{key}={value if isinstance(value, str | int | float) else msgspec.json.encode(value).decode()}"
        for key, value in payload.items()
        if value not in (None, "", [], {})
    )
    return _cut(" ".join(words))


def _cut(text: str) -> str:
    return text if len(text) <= LINE_PAYLOAD_CHARS else text[: LINE_PAYLOAD_CHARS - 1] + "…"


def line(row: Row) -> str:
    """An event on one line."""
    event = row.event
    head = f"{stamp(event['ts'])} {row.stream:12} {event.get('severity', 'LOW'):8} {event['kind']:16}"
    return printable(f"{head} {cell(event['source'])} {summary(event)}")


COMMANDS = (events, streams, tap, top, dlq)
