"""`dsmil ingest`, `decode`, `replay`, `pause`, `resume`: files into the picture, and holding the daemons still.

Ingesting publishes straight to the suite's Redis with the daemons' own code and ledger; it needs the suite's
Redis, not its ingest daemons.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dsmil.cli.decode import decode
from dsmil.cli.place import dir_option, redis_of, settings_of
from dsmil.cli.show import emit, json_option
from dsmil.errors import ConfigError
from dsmil.fabric.topology import DAEMONS, is_full_name
from dsmil.runtime.logs import printable
from dsmil.sensors.formats import FAMILIES
from dsmil.sensors.pace import parse_speed
from dsmil.sensors.pause import pause_key

if TYPE_CHECKING:
    from dsmil.cli.feeding import Job

DAEMON_OF = {"ais": "ais-playback", "nmap": "net-parser", "ndpi": "net-parser", "rf": "rf-ingest"}
"""Whose device stands on the events of a family."""


@click.command()
@click.argument("family", type=click.Choice(FAMILIES))
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--again", is_flag=True, help="Publish known content once more, under the same ids.")
@dir_option
@json_option
def ingest(*, family: str, paths: tuple[str, ...], again: bool, directory: Path | None, as_json: bool) -> None:
    """Ingest PATHs (files, directories, - for stdin) and wait until all of it is published.

    Exits 0 when every record was accepted, 1 when some were rejected, 2 when a file cannot be read.
    """
    from dsmil.cli.feeding import feed

    job = feed(
        settings_of(directory), family, paths, daemon=DAEMON_OF[family], which="again" if again else "first"
    )
    _report(job, as_json)


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--speed", default="1", show_default=True, help="0.1 to 1000 times the recording's pace, or max.")
@click.option(
    "--loop", "rounds", type=click.IntRange(0), default=1, show_default=True, help="Rounds; 0 for ever."
)
@dir_option
@json_option
def replay(*, paths: tuple[str, ...], speed: str, rounds: int, directory: Path | None, as_json: bool) -> None:
    """Play AIS recordings again, as new events, at their own pace and under the shared playback pointer."""
    from dsmil.cli.feeding import feed

    job = feed(
        settings_of(directory),
        "ais",
        paths,
        daemon=DAEMON_OF["ais"],
        which="next",
        rounds=rounds,
        speed=(parse_speed(speed),),
    )
    _report(job, as_json)


@click.command()
@click.argument("daemon")
@dir_option
@json_option
def pause(daemon: str, directory: Path | None, as_json: bool) -> None:
    """Let DAEMON read nothing new until it is resumed; what feeds it waits, UDP drops and counts."""
    with redis_of(settings_of(directory)) as redis:
        redis.set(pause_key(_known(daemon)), "1")
    if as_json:
        emit({"daemon": daemon, "paused": True})
    else:
        click.echo(f"{daemon}: paused")


@click.command()
@click.argument("daemon")
@dir_option
@json_option
def resume(daemon: str, directory: Path | None, as_json: bool) -> None:
    """Let a paused DAEMON go on."""
    with redis_of(settings_of(directory)) as redis:
        was = redis.delete(pause_key(_known(daemon)))
    if as_json:
        emit({"daemon": daemon, "paused": False, "was_paused": bool(was)})
    else:
        click.echo(f"{daemon}: {'resumed' if was else 'was not paused'}")


def _known(daemon: str) -> str:
    known = [each.name for each in DAEMONS if each.shipped]
    if daemon not in known and not is_full_name(daemon):
        raise ConfigError(f"find daemon {daemon}: none of that name", hint=f"known: {', '.join(known)}")
    return daemon


def _report(job: Job, as_json: bool) -> None:
    if as_json:
        emit(job.told())
    else:
        for line in _lines(job.told()):
            click.echo(printable(line))
    for error in job.errors():
        click.echo(printable(error), err=True)
    sys.exit(job.status())


def _lines(told: dict[str, Any]) -> Sequence[str]:
    reasons = " ".join(f"{reason}={count}" for reason, count in sorted(told["rejected"].items()))
    rejected = sum(told["rejected"].values())
    return [
        f"{told['family']}: files={told['files']} received={told['received']} accepted={told['accepted']}"
        f" rejected={rejected} ignored={told['ignored']} published={told['published']} {reasons}".rstrip()
    ]


COMMANDS: list[click.Command] = [ingest, decode, replay, pause, resume]
