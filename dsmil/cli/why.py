"""`dsmil why ID`: what an event, a node or an edge was made from, down to the raw records.

From the audit log alone, so it answers for as long as history is kept, with Redis away too. A node or an edge is what
its events made of it: the newest of them are told, and each leads on by its refs, over the decision where there was
one, to the observations and their raw lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import Struct

from dsmil.cli.look import stamp, summary
from dsmil.cli.place import dir_option, settings_of
from dsmil.cli.show import emit, json_option
from dsmil.errors import DsmilError, Unavailable
from dsmil.events.enums import StreamName
from dsmil.runtime.logs import printable
from dsmil.store.chain import AuditRow
from dsmil.store.reader import AuditReader

DEPTH_MAX = 16
"""Links followed: from advice over alert, SOC event, fusion and decision to an observation they are five."""
EVENTS_MAX = 500
"""Events read for one answer: more nobody looks through."""
TOUCHES = 5
"""Events told of a node or edge: the newest say what it is now."""
DIGEST = "digest:"
"""How the last ref begins that stands for all those an event could not name (`events.ids.bounded_refs`)."""
NOT_FOLLOWED = f"not followed: beyond --depth, or the {EVENTS_MAX} events that are read at most"
NOT_THERE = "not in the audit log: its history was removed, or it was never stored (see `dsmil loss`)"


class Cause(Struct, kw_only=True, omit_defaults=True):
    """An event and what it was made from. `missing` says why it is not known; `again`: it is told above."""

    event_id: str
    kind: str = ""
    ts: float | None = None
    stream: str = ""
    source: str = ""
    severity: str = ""
    said: str = ""
    raw: dict[str, Any] | None = None
    missing: str = ""
    again: bool = False
    refs: list[Cause] = []


class _Touch(Struct):
    """Whom an event of the graph is of."""

    id: str


class _Known(Struct):
    """The rows that were found, and all ids that were looked for."""

    rows: dict[str, AuditRow]
    looked: set[str]
    told: set[str]


class _Payload(Struct):
    payload: _Touch


class _Refs(Struct):
    refs: list[str] = []
    payload: dict[str, Any] = {}


@click.command()
@click.argument("event_id", metavar="ID")
@click.option(
    "--depth", type=click.IntRange(0, DEPTH_MAX), default=DEPTH_MAX, show_default=True, help="Links to follow."
)
@click.option("-n", "--events", "touches", type=click.IntRange(1, 100), default=TOUCHES, show_default=True,
              help="Of a node or an edge: so many of its newest events.")  # fmt: skip
@dir_option
@json_option
def why(*, event_id: str, depth: int, touches: int, directory: Path | None, as_json: bool) -> None:
    """Show what ID was made from, and what that was made from, down to the raw records.

    ID is that of an event (`dsmil events --json` and `dsmil tap --json` show them) or that of a node or an edge of
    the graph. Exit 1 where the audit log has nothing of it.

    \b
    Examples:
      dsmil why 2f0c9a41d36be3c07a5d1c1be2b1f0aa
      dsmil why vessel:219000431
      dsmil why he:encounter:9f31c2
    """
    place = settings_of(directory).paths.audit
    if not place.is_dir():
        raise Unavailable(f"explain {event_id}: no directory {place}", hint="has the drainer run yet?")
    cause = explain(AuditReader(place), event_id, depth=depth, touches=touches)
    if as_json:
        emit(cause)
    else:
        _say(cause, 0)


def explain(audit: AuditReader, name: str, *, depth: int = DEPTH_MAX, touches: int = TOUCHES) -> Cause:
    """The tree of an event, or of a node or an edge; DsmilError where the audit has nothing of it."""
    known = _Known(audit.find_all([name]), {name}, set())
    if known.rows:
        _follow(audit, known, [name], depth)
        return _cause(name, known, depth)
    rows = list(islice(touching(audit, name), touches))
    if not rows:
        raise DsmilError(
            f"explain {name}: no such event in the audit log, and none that tells of such a node or edge",
            hint="`dsmil events --json` and `dsmil graph` show ids; what was just made is in the log a second later",
        )
    known.rows = {row.event_id: row for row in rows}
    known.looked.update(known.rows)
    _follow(audit, known, list(known.rows), depth - 1)
    newest = rows[0]
    what = "edge" if newest.kind.startswith("graph.edge") else "node"
    causes = [_cause(row.event_id, known, depth - 1) for row in rows]
    return Cause(event_id=name, kind=what, ts=newest.ts, stream=newest.stream, source=newest.source, refs=causes)


def touching(audit: AuditReader, entity_id: str) -> Iterator[AuditRow]:
    """The rows of the events that made a node or an edge what it is, the newest first."""
    for row in audit.holding(StreamName.GRAPH_EVENTS.value, b'"id":' + msgspec.json.encode(entity_id)):
        try:
            payload = msgspec.json.decode(row.data, type=_Payload).payload
        except msgspec.MsgspecError:
            continue
        if payload.id == entity_id:  # and no label of that name
            yield row


def _follow(audit: AuditReader, known: _Known, level: list[str], depth: int) -> None:
    for _ in range(depth):  # level by level, so that a segment is opened once for each
        asked = dict.fromkeys(ref for name in level if name in known.rows for ref in _refs(known.rows[name]))
        level = [ref for ref in asked if ref not in known.looked and not ref.startswith(DIGEST)]
        level = level[: EVENTS_MAX - len(known.looked)]
        if not level:
            break
        known.looked.update(level)
        known.rows |= audit.find_all(level)


def _refs(row: AuditRow) -> list[str]:
    """What an event was made from; an event of the graph also from the decision it names."""
    try:
        found = msgspec.json.decode(row.data, type=_Refs)
    except msgspec.MsgspecError:  # kept though it was no event
        return []
    metadata = found.payload.get("metadata") if row.stream == StreamName.GRAPH_EVENTS.value else None
    named = metadata.get("event_id") if isinstance(metadata, dict) else None
    return found.refs if not isinstance(named, str) or named in found.refs else [named, *found.refs]


def _cause(event_id: str, known: _Known, depth: int) -> Cause:
    row = known.rows.get(event_id)
    if row is None or depth < 0:
        return Cause(event_id=event_id, missing=_missing(event_id, known))
    cause = Cause(event_id=event_id, kind=row.kind, ts=row.ts, stream=row.stream, source=row.source)
    if event_id in known.told:
        cause.again = True
        return cause
    known.told.add(event_id)
    event = _event(row)
    cause.severity, cause.raw = event.get("severity", ""), event.get("raw")
    cause.said = row.fault or (event.get("payload") or {}).get("explanation") or summary(event)
    cause.refs = [_cause(ref, known, depth - 1) for ref in _refs(row)]
    return cause


def _missing(event_id: str, known: _Known) -> str:
    if event_id.startswith(DIGEST):
        return f"{event_id.split(':')[1]} more, which the event has no room to name"
    return NOT_THERE if event_id in known.looked and event_id not in known.rows else NOT_FOLLOWED


def _event(row: AuditRow) -> dict[str, Any]:
    try:
        event = msgspec.json.decode(row.data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        event = None
    return event if isinstance(event, dict) else {"raw": {"text": row.data[:2048].decode("utf-8", "replace")}}


def _say(cause: Cause, depth: int) -> None:
    indent = "  " * depth
    if cause.missing:
        click.echo(printable(f"{indent}{cause.event_id}  {cause.missing}"))
        return
    head = f"{stamp(cause.ts or 0.0)} {cause.stream:10} {cause.severity:8} {cause.kind:14} {cause.source}"
    click.echo(printable(f"{indent}{cause.event_id}  {head}{'  (told above)' if cause.again else ''}"))
    if cause.said:
        click.echo(printable(f"{indent}  {cause.said}"))
    if cause.raw:
        click.echo(printable(f"{indent}  raw: {_place(cause.raw)}"))
    for ref in cause.refs:
        _say(ref, depth + 1)


def _place(raw: dict[str, Any]) -> str:
    """Where a raw record stood, and its text."""
    words = [str(raw.get("path") or raw.get("peer") or "")]
    words += [f"{name} {raw[name]}" for name in ("line", "offset") if raw.get(name) is not None]
    return f"{', '.join(filter(None, words))}: {raw.get('text') or ''}"


COMMANDS: list[click.Command] = [why]
