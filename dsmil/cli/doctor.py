"""`dsmil doctor`: what is wrong with a suite or its machine, each finding with its mend.

`--fix` does only what cannot lose anything: makes directories and sets their rights, starts what is down (but for
its settings), sets Redis's eviction policy and append-only file, creates the groups.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import click
from msgspec.structs import replace

from dsmil import config
from dsmil.cli.checks import graph, hot, installation, machine, places, rights, server, suite, units
from dsmil.cli.checks.finding import ORDER, Finding, guarded, in_order
from dsmil.cli.checks.site import GROUP, PROGRAM, SETUP, Site
from dsmil.cli.place import dir_option, redis_of, settings_of
from dsmil.cli.show import emit, json_option
from dsmil.config import Settings
from dsmil.errors import ConfigError, DsmilError, Unavailable
from dsmil.runtime.logs import printable

ROOT = Path("/")


@click.command()
@dir_option
@click.option("--fix", is_flag=True, help="Mend what can be mended safely.")
@json_option
def doctor(directory: Path | None, fix: bool, as_json: bool) -> None:
    """Look for what is wrong, each finding with its mend. Exit 1 when something fails."""
    findings = in_order(examine(directory, fix=fix))
    if as_json:
        emit(findings)
    else:
        show(findings)
    if any(row.verdict == "fail" for row in findings):
        sys.exit(1)


def examine(directory: Path | None, *, fix: bool, root: Path = ROOT) -> list[Finding]:
    """All checks of the suite in `directory`, or of the configured one and its machine."""
    site = Site(directory=directory, fix=fix, root=root, installed=_installed(directory, root))
    try:
        site = replace(site, settings=settings_of(directory))
    except ConfigError as error:
        broken = Finding("configuration", "fail", str(error.args[0]), error.hint)
        return [broken, *_of_machine(site)]
    found = [Finding("configuration", "ok", "all keys known and in range"), *_of_machine(site)]
    found += guarded("permissions", places.places(site))
    found += guarded("tmpfs", hot.hot(site))
    found += guarded("machine", machine.machine(site))
    # Last: what was started above may need the time.
    return found + list(_of_redis(site))


def show(findings: list[Finding]) -> None:
    """One line a finding for people."""
    width = max((len(row.check) for row in findings), default=0)
    for row in findings:
        mend = f"  -> {row.mend}" if row.mend else ""
        click.echo(printable(f"{row.verdict:5}  {row.check:{width}}  {row.said}{mend}"))
    counts = Counter(row.verdict for row in findings)
    click.echo(", ".join(f"{counts[verdict]} {verdict}" for verdict in ORDER if counts[verdict]))


def as_admin(site: Site) -> Settings:
    """The settings to reach Redis with: the administrator's account where the caller may read its password."""
    redis = site.settings.redis
    if not (site.installed and redis.username and not redis.url and os.access(site.admin_file, os.R_OK)):
        return site.settings
    return replace(site.settings, redis=replace(redis, username="admin", password_file=str(site.admin_file)))


def _installed(directory: Path | None, root: Path) -> bool:
    """Whether the configured suite is the installed one: somebody's environment may point elsewhere."""
    if directory is not None or not os.path.lexists(root / PROGRAM):
        return False
    try:
        return not config.load().origins["paths.data"].startswith("environment")
    except ConfigError:
        return True


def _of_machine(site: Site) -> Iterator[Finding]:
    yield from guarded("installation", installation.program(site))
    yield from guarded("new defaults", installation.waiting(site))
    yield from guarded("units", units.units(site))
    if site.installed:
        yield from guarded("membership", places.member(GROUP))


def _of_redis(site: Site) -> Iterator[Finding]:
    try:
        with redis_of(as_admin(site)) as client:
            yield from guarded("redis", server.server(client, site))
            yield from guarded("redis settings", server.settings(client, site))
            yield from guarded("redis users", chain(rights.users(client, site), rights.refused(client, site)))
            daemons, streams, now = suite.read(client)
            yield from suite.daemons([row for row in daemons if units.belongs(site, row.daemon)], site)
            yield from guarded("restart", installation.forgotten_restart(site, daemons))
            yield from guarded("streams", suite.streams(client, streams, site, now))
            yield from guarded("graph", graph.snapshot(client, daemons, site, now))
            yield from guarded("api", graph.api(daemons, site))
            yield from guarded("sources", suite.sources(client, now))
            yield from guarded("dead letters", suite.letters(client))
            yield from guarded("losses", suite.losses(client, site, now))
    except DsmilError as error:
        yield _unreached(site, error)


def _unreached(site: Site, error: DsmilError) -> Finding:
    said, mend = str(error.args[0]), error.hint
    if site.installed and isinstance(error, Unavailable):
        refused = any(word in said for word in ("username-password", "WRONGPASS", "NOAUTH"))
        mend = SETUP if refused else "systemctl status dsmil-redis; journalctl -u dsmil-redis -n 20"
    return Finding("redis", "fail", said, mend)


COMMANDS = (doctor,)
