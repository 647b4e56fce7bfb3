"""`dsmil demo`: the whole suite on one directory, fed with a story or with real recordings, and the sums.

The story's vessels, radios, hosts and its SHRINK are made up (`dsmil.scenarios`) and the demo says so. With
`--data` nothing is made up: only the recordings named run through.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import click
from msgspec import Struct

from dsmil.cli.show import emit, json_option
from dsmil.clock import SYSTEM
from dsmil.errors import DsmilError
from dsmil.runtime import logs
from dsmil.store.sqlite import connect_readonly

STORY_SPEED = "300"
"""A hundred minutes in twenty seconds."""
QUIET_CHECKS = 3
"""Looks in a row at which nobody has anything left to do."""
LOOK_S = 0.5
FEED_S_MAX = 1800.0
"""Longest a demo may take to run dry; real recordings at their own pace are ended by hand."""
NOWHERE = "http://127.0.0.1:1"
"""A SHRINK that is not there: recordings are shown as they are."""
PRIVATE = {
    "DSMIL_AIS_PLAYBACK_UDP": "", "DSMIL_RF_INGEST_SYSLOG": "", "DSMIL_NET_PARSER_NDPID": "", "LOG_LEVEL": "WARNING",
}  # fmt: skip
"""A demo opens no port and joins no receiver."""


class Feed(Struct, frozen=True):
    """What is played: files by family, the SHRINK they go with, and what was passed over."""

    files: Mapping[str, Sequence[Path]]
    shrink_url: str
    speed: str
    skipped: Mapping[str, str] = {}
    note: str = ""


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
def demo(  # noqa: PLR0913, PLR0917 - one parameter an option
    data: Path | None, speed: str | None, leave: bool, directory: Path | None, seed: int, as_json: bool
) -> None:
    """Show the whole suite at work: every daemon, a private Redis, one directory.

    With --exit: exits 0 only when every received record is accounted for and the audit log is whole.
    """
    from dsmil.cli.place import settings_of
    from dsmil.cli.stack import private_suite

    logs.setup("demo", "WARNING")
    began = SYSTEM.monotonic()
    with ExitStack() as stack:
        place = stack.enter_context(_place(directory))
        feed = _recordings(data, speed) if data is not None else _story(stack, place, speed or STORY_SPEED, seed)
        say = (lambda text: None) if as_json else click.echo
        say(feed.note or f"Playing {sum(map(len, feed.files.values()))} recordings of {data}.")
        suite = private_suite(
            place, extra_env={**PRIVATE, "SHRINK_URL": feed.shrink_url}, args_by_daemon=_arguments(feed)
        )
        stack.enter_context(suite)
        settings = settings_of(place)
        watch = _Watch(suite, settings, feed, say)
        watch.until_ready()
        watch.until_through()
        report, good = _report(watch, feed, began)
        if as_json:
            emit(report)
        else:
            _show(report, place)
        if not leave:
            click.echo(f"The suite stays up in {place}: try `dsmil status --dir {place}`. Ctrl-C ends it.")
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


def _recordings(data: Path, speed: str | None) -> Feed:
    from dsmil.cli import inventory

    found = inventory.take(data)
    if not any(found.files.values()):
        raise DsmilError(
            f"play {data}: no recording in it", hint="AIS, Nmap XML, nDPI, EVE, rtl_433, SigMF, sweeps"
        )
    return Feed(found.files, NOWHERE, speed or "max", found.skipped)


def _story(stack: ExitStack, place: Path, speed: str, seed: int) -> Feed:
    from dsmil.scenarios import story
    from dsmil.scenarios.stress import StressServer
    from dsmil.sensors.pace import parse_speed

    written = story.write(place / "story", seed=seed, start_ts=SYSTEM.now() - story.DURATION_S)
    rate = parse_speed(speed)
    server = stack.enter_context(StressServer(written.crisis_s / rate if rate else 0.0))
    files = {family: list(paths) for family, paths in written.files.items()}
    note = (
        f"Made up for this demo: {story.VESSELS} vessels, 9 radios, 13 hosts, a SHRINK with a crisis (seed {seed}).\n"
        f"Real: every adapter, every daemon, Redis, the databases. {story.DURATION_S / 60:.0f} minutes at {speed}x."
    )
    bundled = _bundled()
    for family, paths in bundled.items():
        files[family] += paths
    if any(bundled.values()):
        note += f"\nBeside it: {sum(map(len, bundled.values()))} real recordings (tests/golden/ATTRIBUTION.md)."
    return Feed(files, server.url, speed, {}, note)


def _bundled() -> dict[str, list[Path]]:
    """The committed recordings, where this is a checkout. Only those without a long time axis play at a pace."""
    import dsmil
    from dsmil.cli import inventory

    golden = Path(dsmil.__file__).parent.parent / "tests" / "golden"
    found = inventory.take(golden).files if golden.is_dir() else {}
    return {family: paths for family, paths in found.items() if family in ("nmap", "ndpi")}


def _arguments(feed: Feed) -> dict[str, list[str]]:
    from dsmil.cli.ingest import DAEMON_OF

    arguments: dict[str, list[str]] = {}
    for family, paths in feed.files.items():
        if paths:
            given = arguments.setdefault(DAEMON_OF[family], [])
            given += [str(path.absolute()) for path in paths]
    for name in ("ais-playback", "rf-ingest"):
        if name in arguments:
            arguments[name] += ["--speed", feed.speed]
    return arguments


class _Watch:
    """Keeps the suite going while it plays, tells SOC events as they come, and sees when nothing is left."""

    def __init__(self, suite: Any, settings: Any, feed: Feed, say: Callable[[str], None]) -> None:
        self.suite = suite
        self.settings = settings
        self._say = say
        self._expected = {
            (sha256, family) for family, paths in feed.files.items() for sha256 in map(_sha256, paths) if sha256
        }
        self._last = "0-0"

    def until_ready(self) -> None:
        """Every daemon READY, or an error that says which is not."""
        if not self.suite.wait_ready(60.0):
            slow = [f"{name} ({fate})" for name, fate in self.suite.fates.items() if fate != "ready"]
            raise DsmilError(f"start demo: not ready: {', '.join(slow)}", hint=f"see {self.suite.directory}/log")

    def until_through(self) -> None:
        """Every file published, every group caught up, the audit level with the streams."""
        from dsmil.cli.place import redis_of

        until, quiet, before = SYSTEM.monotonic() + FEED_S_MAX, 0, -1
        with redis_of(self.settings) as client:
            while quiet < QUIET_CHECKS:
                if SYSTEM.monotonic() > until:
                    raise DsmilError(f"wait for demo: not through after {FEED_S_MAX:.0f} s", hint="--speed max")
                self._poll(LOOK_S)
                self._tell(client)
                added, waiting = self._state(client)
                quiet = quiet + 1 if added == before and not waiting else 0
                before = added

    def until_interrupted(self) -> None:
        """Until Ctrl-C or SIGTERM."""
        try:
            while True:
                self._poll(LOOK_S)
        except KeyboardInterrupt:
            return

    def _poll(self, seconds: float) -> None:
        until = SYSTEM.monotonic() + seconds
        while (left := until - SYSTEM.monotonic()) > 0:
            self.suite.poll(min(left, 0.1))

    def _state(self, client: Any) -> tuple[int, bool]:
        """(entries added to all streams, whether anybody still has something to do)."""
        from dsmil.cli import readings

        if self._files_open():
            return -1, True
        rows = readings.streams(client, SYSTEM.now())
        behind = any(row.pending or row.lag_s for row in rows)
        return sum(row.added for row in rows), behind

    def _files_open(self) -> bool:
        """Whether a file is not wholly published yet, by the ledger the ingest daemons keep."""
        path = self.settings.paths.ingest_db
        if not path.exists():
            return True
        with closing(connect_readonly(path)) as ledger:
            rows = ledger.execute("SELECT sha256, family FROM files WHERE state <> 'open'").fetchall()
        return not self._expected <= set(rows)

    def _tell(self, client: Any) -> None:
        from dsmil.events.envelope import FIELD, decode, unpack
        from dsmil.events.soc import SocPayload

        reply = client.xrange("SOC_EVENTS", min=f"({self._last}", count=500)
        for entry_id, fields in reply:
            self._last = entry_id.decode()
            event = decode(fields[FIELD])
            if event.kind == "soc":
                said = unpack(event, SocPayload)
                up = f" (raised by {', '.join(said.escalated_by)})" if said.escalated_by else ""
                self._say(logs.printable(f"{event.severity:8} {said.decision:22} {said.explanation}{up}"))


def _sha256(path: Path) -> str:
    """What the ledger knows a file by; empty where it cannot be read."""
    from dsmil.sensors.files import Broken, hashing, open_regular

    try:
        with open_regular(path) as file:
            return next(digest for digest in hashing(file) if digest)
    except Broken:
        return ""


def _report(watch: _Watch, feed: Feed, began: float) -> tuple[dict[str, Any], bool]:
    from dsmil.cli import readings, sums
    from dsmil.cli.feeding import reading_options
    from dsmil.cli.ingest import DAEMON_OF
    from dsmil.cli.place import redis_of
    from dsmil.store.reader import AuditReader
    from dsmil.store.verify import verify

    settings = watch.settings
    elapsed = SYSTEM.monotonic() - began
    with redis_of(settings) as client:
        streams = {row.stream: row for row in readings.streams(client, SYSTEM.now())}
    audit = AuditReader(settings.paths.audit)
    checked = sums.reckon(feed.files, audit, reading_options(settings), DAEMON_OF)
    whole = verify(settings.paths.audit)
    accepted = sum(one.accepted for one in checked.inputs.values())
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
        "graph": {"nodes": {}, "edges": {}, "sequence_id": 0},
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
    audit = report["audit"]
    click.echo(
        f"\nAudit: {audit['rows']} rows, {audit['distinct']} distinct, chain "
        f"{'whole' if audit['chain_ok'] else 'BROKEN'}; lost {report['lost']}; "
        f"dead letters {report['dead_letters']}; {report['duration_s']:.1f} s, {report['events_per_s']:.0f} records a second."
    )


COMMANDS = (demo,)
