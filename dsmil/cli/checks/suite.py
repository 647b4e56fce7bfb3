"""The suite by its own word: daemons, streams and their groups, sources, dead letters, losses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from dsmil.cli.checks.finding import Finding, mended
from dsmil.cli.checks.site import Site
from dsmil.cli.show import age
from dsmil.clock import SYSTEM
from dsmil.events.enums import StreamName
from dsmil.fabric.client import ensure_topology
from dsmil.fabric.deadletter import Letters
from dsmil.fabric.topology import BY_NAME, groups_of
from dsmil.runtime.health import State
from dsmil.store.loss import read_losses
from dsmil.watch import readings

if TYPE_CHECKING:
    from redis import Redis

FUTURE_S_MAX = 60.0
"""A stream id further ahead was set by hand or by a wrong clock, and pins all later ids (reliability 2.1)."""
LAG_S_MAX = 60.0
LETTERS_MAX = 1000
LOSSES_BACK_S = 86_400.0
SILENT_S_MAX = 900.0
"""A live source that had data, and then none for a quarter of an hour, has probably lost its receiver."""

SWITCHES = {
    "ais:udp": '[ais_playback] udp = ""',
    "ais:tcp": "[ais_playback] tcp",
    "rf:udp": '[rf_ingest] syslog = ""',
    "ndpid": '[net_parser] ndpid = ""',
}
"""The setting behind a source, by how the source's name begins."""


def daemons(rows: Sequence[readings.DaemonReading], site: Site) -> Iterator[Finding]:
    """Every daemon by its heartbeat."""
    well = [row for row in rows if row.state in (State.READY, State.DRAINING)]
    for row in rows:
        if row in well:
            continue
        said = f"{row.state}" + (f": {row.beat.error}" if row.beat and row.beat.error else "")
        yield Finding(f"daemon {row.daemon}", "fail", said, site.journal(row.daemon))
    if well:
        yield Finding("daemons", "ok", f"{len(well)} of {len(rows)} ready")


def streams(client: Redis, rows: Sequence[readings.StreamReading], site: Site, now: float) -> Iterator[Finding]:
    """Ids in the future, groups that are missing, groups that lag."""
    before = [*_ahead(rows, now), *_lagging(rows)]
    yield from before
    missing = [
        f"{row.stream}/{group}"
        for row in rows
        for group in groups_of(StreamName(row.stream))
        if row.added and group not in {each.group for each in row.groups}
    ]
    if missing:
        said = f"missing: {', '.join(missing)}: what is added meanwhile waits for its daemon"
        start = Finding("groups", "warn", said, "start the daemons, or: dsmil doctor --fix")
        yield mended(start, partial(ensure_topology, client), fix=site.fix)
    elif not before:
        held = sum(row.length for row in rows)
        yield Finding("streams", "ok", f"{held} entries in {sum(1 for row in rows if row.added)} streams, no lag")


def sources(client: Redis, now: float) -> Iterator[Finding]:
    """Live sources that cannot be had, or that fell silent."""
    found = [row for row in readings.sources(client) if row.live and not row.ended]
    bad = 0
    for row in found:
        silent = now - row.last_data_ts if row.last_data_ts else 0.0
        if row.last_error:
            said = row.last_error
        elif silent > SILENT_S_MAX:
            said = f"had data, and none for {age(silent)}"
        else:
            continue
        bad += 1
        mend = f"look to what feeds it, or turn it off in dsmil.toml: {_switch(row.source)}"
        yield Finding(f"source {row.source}", "warn", said, mend)
    if found and not bad:
        yield Finding("sources", "ok", f"{len(found)} live ones listen")


def letters(client: Redis) -> Iterator[Finding]:
    """Entries nobody could handle."""
    count = len(Letters(client).list_(LETTERS_MAX))
    more = " or more" if count == LETTERS_MAX else ""
    if count:
        said = f"{count}{more} to be looked at"
        yield Finding("dead letters", "warn", said, "dsmil dlq list, then dsmil dlq retry|drop ID")
    else:
        yield Finding("dead letters", "ok", "none")


def losses(client: Redis, site: Site, now: float) -> Iterator[Finding]:
    """Records of loss: those that wait to be written down, and those of the last day."""
    if waiting := int(client.llen("dsmil:loss")):  # type: ignore[arg-type, unused-ignore]
        said = f"{waiting} records wait for the drainer"
        yield Finding("losses", "warn", said, site.journal("drainer"))
    recent = [row for row in read_losses(site.settings.paths.audit) if now - row.ts < LOSSES_BACK_S]
    if recent:
        kinds = ", ".join(sorted({row.kind for row in recent}))
        yield Finding("losses", "warn", f"{len(recent)} in the last day ({kinds})", "dsmil loss")
    elif not waiting:
        yield Finding("losses", "ok", "none in the last day")


def read(client: Redis) -> tuple[list[readings.DaemonReading], list[readings.StreamReading], float]:
    """The daemons, the streams, and when they were read."""
    now = SYSTEM.now()
    rows = readings.streams(client, now)
    return readings.daemons(client, now, rows), rows, now


def _ahead(rows: Sequence[readings.StreamReading], now: float) -> Iterator[Finding]:
    for row in rows:
        if row.stream == StreamName.GRAPH_EVENTS:  # its ids are no times
            continue
        ahead = int(row.last_id.partition("-")[0]) / 1000 - now
        if ahead > FUTURE_S_MAX:
            yield Finding(f"stream {row.stream}", "fail", f"its last id is {ahead:.0f} s in the future",
                          "set the clock right: timedatectl; ids stay pinned until then")  # fmt: skip


def _lagging(rows: Sequence[readings.StreamReading]) -> Iterator[Finding]:
    for row in rows:
        slow = [each for each in row.groups if each.lag_s > LAG_S_MAX and each.group in BY_NAME]
        if slow:
            said = ", ".join(f"{each.group} lags by {age(each.lag_s)}" for each in slow)
            yield Finding(f"stream {row.stream}", "warn", said, "dsmil top")


def _switch(source: str) -> str:
    return next((key for name, key in SWITCHES.items() if source.startswith(name)), "[net_parser] follow")
