"""`dsmil export` and `dsmil import`: the graph out to other programs, and in from them.

What is written to a file stands there whole or not at all. What is read is checked to its end before any of it is
published, so a file with a fault in its last line changes nothing.
"""

from __future__ import annotations

import os
import pwd
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from dsmil.cli.picture import Progress, as_of_option, moment_in, opened, playback_ts, text_of
from dsmil.cli.place import dir_option, settings_of
from dsmil.cli.show import emit, json_option
from dsmil.clock import SYSTEM
from dsmil.config import Settings
from dsmil.errors import QueryError, Unavailable
from dsmil.runtime.logs import printable

if TYPE_CHECKING:
    from dsmil.graph.export.draft import Draft
    from dsmil.graph.picture import Picture

FORMATS = ("geojson", "csv", "ndjson", "hif", "stix")
READABLE = ("ndjson", "hif")
BATCH = 500
"""Events published at once: Redis serves nobody else meanwhile."""
SNIFF_BYTES = 64 * 1024
"""A first line of NDJSON is shorter, or it is no NDJSON we would read."""
SECONDS_MAX, ENTITIES_MAX = 300.0, 10_000_000
"""What an export may take: nobody waits for it but who asked."""


@click.command("export")
@click.option("--format", "form", type=click.Choice(FORMATS), required=True, help="What to write.")
@click.argument("text", metavar="[QUERY]", required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="A file instead of stdout.")
@as_of_option
@dir_option
def export_(
    *, form: str, text: str | None, output: Path | None, as_of: float | None, directory: Path | None
) -> None:
    """Write the graph, or what QUERY finds (- reads it from stdin), for other programs.

    geojson for maps, csv for spreadsheets, ndjson to import again without loss, hif for XGI and other hypergraph
    tools, stix for threat intelligence platforms.

    \b
    Examples:
      dsmil export --format geojson 'FIND NODES WHERE kind = "vessel" SINCE 1h' -o ships.geojson
      dsmil export --format ndjson --as-of 2024-05-01T12:00:00Z > then.ndjson
    """
    from dsmil.graph.export import export
    from dsmil.query.parse import parse_query

    asked = parse_query(text_of(text)) if text is not None else None
    settings = settings_of(directory)
    with opened(settings, moment_in(asked, as_of)) as (_, picture):
        part = {} if asked is None else _found(settings, picture, asked)
        pieces = export(form, picture, **part)
    progress = Progress("export")
    with _target(output) as out:
        written = 0
        for piece in pieces:
            written += out.write(piece)
            progress.say(f"{written / 1e6:.1f} MB")
    progress.end()


@click.command("import")
@click.argument("file", metavar="FILE")
@click.option(
    "--format", "form", type=click.Choice(READABLE), help="What FILE is; told by its content if not given."
)
@click.option("--prefix", default="", help="Put before every id of an HIF file: files of others count from 0.")
@click.option("--dry-run", is_flag=True, help="Check the file and publish nothing.")
@dir_option
@json_option
def import_(  # noqa: PLR0913 - one per option
    *, file: str, form: str | None, prefix: str, dry_run: bool, directory: Path | None, as_json: bool
) -> None:
    """Publish the nodes and edges of FILE (- is stdin), NDJSON or HIF, as acts of yours.

    Nothing is published of a file with a fault: exit 2 names the line. What is there already is patched.

    \b
    Examples:
      dsmil import then.ndjson
      dsmil import senate.hif.json --prefix senate: --dry-run
    """
    settings = settings_of(directory)
    with _source(file) as source:
        form = form or _sniffed(source)
        counts = _checked(_drafts(form, source, prefix))
        if not dry_run:
            source.seek(0)
            counts |= publish(settings, _drafts(form, source, prefix), path=file)
    summary = {"file": file, "format": form, **counts, "dry_run": dry_run}
    if as_json:
        emit(summary)
        return
    verb = "would be published" if dry_run else f"published, up to sequence {counts['sequence_id']}"
    click.echo(printable(f"{file}: {counts['nodes']} nodes, {counts['edges']} edges {verb}"))


def publish(settings: Settings, drafts: Iterable[Draft], *, path: str) -> dict[str, int]:
    """Publish drafts in batches, at the stream's pace: {events, sequence_id}. Unavailable where Redis is away or no
    projector has made the graph's stream."""
    from dsmil.events.enums import StreamName
    from dsmil.fabric import graphstream
    from dsmil.fabric.publisher import Publisher
    from dsmil.fabric.wire import Wire
    from dsmil.graph.export.acts import acts

    wire = Wire(settings.redis.address(), name="import")
    try:
        if not graphstream.look(wire).epoch:
            raise Unavailable(
                "publish to GRAPH_EVENTS: the projector has not made it yet", hint="is dsmil-projector running?"
            )
        publisher, progress = Publisher(wire, StreamName.GRAPH_EVENTS), Progress("import")
        events = acts(drafts, by=f"cli:{_login()}", path=path, now=SYSTEM.now())
        while batch := list(islice(events, BATCH)):
            publisher.publish(batch, wait=SYSTEM.sleep)
            progress.say(f"{publisher.published} events")
        progress.end()
        return {"events": publisher.published, "sequence_id": graphstream.look(wire).last}
    finally:
        wire.close()


def _found(settings: Settings, picture: Picture, asked: Any) -> dict[str, Any]:
    from dsmil.graph.budget import Limits
    from dsmil.graph.run import run

    if asked.returns == "count" or asked.explain:
        raise QueryError(
            "export query: it answers with no nodes or edges", hint="leave out RETURN count and EXPLAIN"
        )
    limits = Limits(page=ENTITIES_MAX, entities=ENTITIES_MAX, seconds=SECONDS_MAX)
    result = run(picture, asked, now=SYSTEM.now(), playback_ts=playback_ts(settings), limits=limits)
    return {"nodes": result.nodes, "edges": result.edges}


@contextmanager
def _target(output: Path | None) -> Iterator[BinaryIO]:
    """Stdout, or a file that comes to be when all of it is written."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        with tempfile.NamedTemporaryFile(dir=output.parent, prefix=f".{output.name}.", delete=False) as part:
            try:
                yield part  # type: ignore[misc] # it is one
                part.flush()
                os.fchmod(part.fileno(), 0o666 & ~_umask())
                os.fsync(part.fileno())
                os.replace(part.name, output)
            except BaseException:
                os.unlink(part.name)
                raise
    except OSError as error:
        raise Unavailable(f"write {output}: {error.strerror}", hint="nothing of it was left there") from None


def _umask() -> int:
    """The process's umask: a temporary file is made for its owner alone."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


@contextmanager
def _source(file: str) -> Iterator[BinaryIO]:
    """A file that can be read twice: a pipe is kept in a temporary one."""
    if file == "-":
        with tempfile.TemporaryFile() as kept:
            while piece := sys.stdin.buffer.read(SNIFF_BYTES):
                kept.write(piece)
            kept.seek(0)
            yield kept
        return
    try:
        opened_file = Path(file).open("rb")  # noqa: SIM115 - closed below, outside of this try
    except OSError as error:
        raise click.UsageError(f"read {file}: {error.strerror}") from None
    with opened_file as source:
        yield source


def _sniffed(source: BinaryIO) -> str:
    import msgspec

    first = source.readline(SNIFF_BYTES).removeprefix(b"\xef\xbb\xbf").strip()
    while first == b"" and (line := source.readline(SNIFF_BYTES)):
        first = line.strip()
    source.seek(0)
    try:
        told = msgspec.json.decode(first)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):  # a document goes on over lines
        return "hif"
    return "ndjson" if isinstance(told, dict) and told.get("type") in ("node", "edge") else "hif"


def _drafts(form: str, source: BinaryIO, prefix: str) -> Iterator[Draft]:
    from dsmil.graph.export.read_hif import read_hif
    from dsmil.graph.export.read_ndjson import read_ndjson

    return read_hif(source, prefix=prefix) if form == "hif" else read_ndjson(source)


def _checked(drafts: Iterable[Draft]) -> dict[str, int]:
    """Read all of it: {nodes, edges}; QueryError where a line is wrong."""
    seen: dict[bool, set[str]] = {False: set(), True: set()}
    for draft in drafts:
        seen[draft.is_edge].add(draft.patch.id)
    return {"nodes": len(seen[False]), "edges": len(seen[True])}


def _login() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


COMMANDS: list[click.Command] = [export_, import_]
