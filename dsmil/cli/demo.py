"""`dsmil demo`: the whole suite on one directory, fed with a story or with real recordings, and the sums.

The story's vessels, radios, hosts and its SHRINK are made up (`dsmil.scenarios`) and the demo says so. With
`--data` nothing is made up: only the recordings named run through.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from dsmil.cli.playing import Feed, Watch, arguments, drop, recordings, story_of
from dsmil.cli.show import emit, json_option
from dsmil.clock import SYSTEM
from dsmil.config import Settings, load
from dsmil.runtime import logs

STORY_SPEED = "300"
"""A hundred minutes in twenty seconds."""
PRIVATE = {
    "DSMIL_AIS_PLAYBACK_UDP": "", "DSMIL_RF_INGEST_SYSLOG": "", "DSMIL_NET_PARSER_NDPID": "", "LOG_LEVEL": "WARNING",
}  # fmt: skip
"""A demo opens no port for sensors and joins no receiver."""


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Play the recordings in DIR instead of the story.")
@click.option(
    "--speed",
    default=None,
    help="0.1 to 1000 times the recordings' pace, or max [default: 300; max with --data].",
)
@click.option("--exit", "leave", is_flag=True, help="End when everything is through, with the sums.")
@click.option(
    "--dir", "directory", type=click.Path(path_type=Path, file_okay=False), help="Keep everything in DIR."
)
@click.option("--seed", default=1, show_default=True, help="Seed of the story.")
@json_option
def demo(  # noqa: PLR0913 - one parameter an option
    *, data: Path | None, speed: str | None, leave: bool, directory: Path | None, seed: int, as_json: bool
) -> None:
    """Show the whole suite at work: every daemon, a private Redis, one directory.

    With --exit: exits 0 only when every received record is accounted for and the audit log is whole.
    """
    from dsmil.cli.place import settings_of
    from dsmil.cli.stack import private_suite
    from dsmil.cli.suite import LISTEN, api_address

    logs.setup("demo", "WARNING")
    began = SYSTEM.monotonic()
    with ExitStack() as stack:
        place = stack.enter_context(_place(directory))
        feed = recordings(data, speed) if data is not None else story_of(stack, place, speed or STORY_SPEED, seed)
        say = (lambda text: None) if as_json else click.echo
        say(feed.note or f"Playing {sum(map(len, feed.files.values()))} recordings of {data}.")
        listen = api_address(load().settings.api.listen)
        suite = private_suite(
            place, extra_env={**PRIVATE, "SHRINK_URL": feed.shrink_url, LISTEN: listen},
            args_by_daemon=arguments(feed),
        )  # fmt: skip
        stack.enter_context(suite)
        settings = settings_of(place)
        watch = Watch(suite, settings, feed, say)
        watch.until_ready()
        drop(feed, settings.paths.drop)
        watch.until_through()
        report, good = _report(watch, feed, began)
        if as_json:
            emit(report)
        else:
            _show(report, place)
        if not leave:
            click.echo(
                f"\nThe suite stays up in {place}, its API at http://{listen}: try `dsmil status --dir {place}`."
            )
            click.echo("Ctrl-C ends it" + ("." if directory else ", and removes the directory."))
            watch.until_interrupted()
            return
    sys.exit(0 if good else 1)


@contextmanager
def _place(directory: Path | None) -> Iterator[Path]:
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        yield directory.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="dsmil-") as folder:
        yield Path(folder)


def _report(watch: Watch, feed: Feed, began: float) -> tuple[dict[str, Any], bool]:
    from dsmil.cli import sums
    from dsmil.cli.feeding import reading_options
    from dsmil.cli.ingest import DAEMON_OF
    from dsmil.cli.place import redis_of
    from dsmil.store.reader import AuditReader
    from dsmil.store.verify import verify
    from dsmil.watch import readings

    settings = watch.settings
    elapsed = SYSTEM.monotonic() - began
    with redis_of(settings) as client:
        streams = {row.stream: row for row in readings.streams(client, SYSTEM.now())}
    audit = AuditReader(settings.paths.audit)
    checked = sums.reckon(feed.files, audit, reading_options(settings), DAEMON_OF)
    whole = verify(settings.paths.audit)
    accepted = sum(one.accepted for one in checked.inputs.values())
    graph = _graph(settings)
    checked.disagree += sums.compare(graph["nodes"], checked.named)
    report = {
        "duration_s": round(elapsed, 3),
        "events_per_s": round(accepted / elapsed, 1),
        "inputs": checked.inputs,
        "skipped": dict(feed.skipped),
        "streams": {
            name: {"added": row.added, "pending": row.pending, "lag_s": row.lag_s}
            for name, row in streams.items()
            if row.added
        },
        "decisions": sums.decisions(audit),
        "soc_events": sums.soc_events(audit),
        "graph": graph,
        "audit": {
            "rows": audit.count(), "distinct": audit.distinct(), "chain_ok": whole.ok,
            "path": str(settings.paths.audit),
        },
        "dead_letters": streams["DEAD_LETTER"].added,
        "lost": checked.lost,
    }  # fmt: skip
    closed = all(one.received == one.accepted + sum(one.rejected.values()) for one in checked.inputs.values())
    for line in (*checked.disagree, *(f"lost event {one}" for one in checked.lost_ids)):
        click.echo(f"demo: {line}", err=True)
    for fault in whole.faults:
        click.echo(f"demo: audit {fault.segment} row {fault.seq}: {fault.what}", err=True)
    return report, closed and whole.ok and not checked.lost and not checked.disagree


def _graph(settings: Settings) -> dict[str, Any]:
    """What is in the graph now, by kind."""
    from dsmil.cli.picture import opened

    with opened(settings, None) as (graph, _):
        counters = graph.counters
        return {"nodes": counters.node_kinds, "edges": counters.edge_kinds, "sequence_id": graph.sequence}


def _show(report: Mapping[str, Any], place: Path) -> None:
    """The sums for people."""
    from dsmil.cli.show import table

    click.echo()
    table(
        ("input", "files", "received", "accepted", "rejected", "ignored"),
        [
            (family, one.files, one.received, one.accepted,
             ", ".join(f"{reason} {n}" for reason, n in sorted(one.rejected.items())) or 0, one.ignored)
            for family, one in report["inputs"].items()
        ],
    )  # fmt: skip
    click.echo()
    table(("decision", "made"), list(report["decisions"].items()))
    click.echo()
    table(("SOC events", ""), list(report["soc_events"].items()))
    click.echo()
    table(("graph", "nodes"), list(report["graph"]["nodes"].items()))
    click.echo()
    table(("graph", "edges"), list(report["graph"]["edges"].items()))
    audit = report["audit"]
    click.echo(
        f"\nAudit: {audit['rows']} rows, {audit['distinct']} distinct, chain "
        f"{'whole' if audit['chain_ok'] else 'BROKEN'}; lost {report['lost']}; "
        f"dead letters {report['dead_letters']}; {report['duration_s']:.1f} s, "
        f"{report['events_per_s']:.0f} records a second."
    )


COMMANDS = (demo,)
