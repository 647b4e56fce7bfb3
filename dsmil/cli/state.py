"""Asking how a suite fares: status, devices, metrics.

A command that shows trouble also exits non-zero, so that scripts need not read what people do.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from dsmil.cli.place import dir_option, redis_of, settings_of
from dsmil.cli.show import age, emit, json_option, table
from dsmil.clock import SYSTEM
from dsmil.config import Settings
from dsmil.errors import Unavailable
from dsmil.events import devices as registry
from dsmil.events.enums import StreamName
from dsmil.runtime import logs
from dsmil.runtime.health import State
from dsmil.watch import readings, standing


@click.command()
@dir_option
@json_option
def status(directory: Path | None, as_json: bool) -> None:
    """One screen: daemons, streams, sources. Exit 1 when a daemon is down or degraded."""
    settings = settings_of(directory)
    now = SYSTEM.now()
    with redis_of(settings) as client:
        streams = readings.streams(client, now)
        daemons = readings.daemons(client, now, streams)
        sources = readings.sources(client)
        info: Any = client.info()
        losses = int(client.llen("dsmil:loss"))
    healthy = all(row.state in (State.READY, State.DRAINING) for row in daemons)
    dead = next(row.length for row in streams if row.stream == "DEAD_LETTER")
    if as_json:
        emit(
            {
                "healthy": healthy,
                "redis": {"address": settings.redis.shown(), "version": info["redis_version"],
                          "memory_bytes": info["used_memory"]},
                "daemons": [_daemon_json(row) for row in daemons],
                "streams": [row for row in streams if row.added],
                "sources": sources,
                "graph": _graph_json(settings, streams, now),
                "dead_letters": dead,
                "losses_waiting": losses,
            }
        )  # fmt: skip
    else:
        _status_text(daemons, streams, sources, now)
        _graph_text(_graph_json(settings, streams, now), daemons)
        click.echo(
            f"\nRedis {info['redis_version']} at {settings.redis.shown()}, {info['used_memory'] / 1e6:.1f} MB; "
            f"dead letters {dead}; losses waiting to be recorded {losses}"
        )
    if not healthy:
        sys.exit(1)


def _daemon_json(row: readings.DaemonReading) -> dict[str, Any]:
    beat = row.beat
    return {
        "daemon": row.daemon,
        "state": row.state,
        "age_s": row.age_s,
        "lag_s": row.lag_s,
        "pid": beat.pid if beat else None,
        "since": beat.since if beat else None,
        "error": beat.error if beat else None,
        "stats": beat.stats if beat else {},
    }


def _status_text(
    daemons: list[readings.DaemonReading], streams: list[readings.StreamReading], sources: list[Any], now: float
) -> None:
    table(
        ("daemon", "state", "heard", "up", "lag", "error"),
        [
            (row.daemon, row.state, age(row.age_s), age(now - row.beat.since) if row.beat else "-",
             age(row.lag_s), _trouble(row))
            for row in daemons
        ],
    )  # fmt: skip
    click.echo()
    table(
        ("stream", "length", "added", "pending", "lag"),
        [(row.stream, row.length, row.added, row.pending, age(row.lag_s)) for row in streams if row.added],
    )
    if sources:
        click.echo()
        table(
            ("source", "received", "accepted", "rejected", "last data", "error"),
            [
                (row.source, row.received, row.accepted, sum(row.rejected.values()),
                 age(now - row.last_data_ts) if row.last_data_ts else "-", row.last_error)
                for row in sources
            ],
        )  # fmt: skip


def _graph_json(settings: Settings, streams: list[readings.StreamReading], now: float) -> dict[str, Any] | None:
    """The graph as the projector kept it last; null where that cannot be seen."""
    kept = standing.snapshots(settings)
    if not kept:
        return None
    newest = kept[0]
    return {
        "nodes": newest.nodes, "edges": newest.edges, "sequence": newest.sequence, "age_s": now - newest.created_ts,
        "snapshots": len(kept), "bytes": standing.sizes(settings).get("graph", 0),
        "last_sequence": next((row.sequence for row in streams if row.stream == StreamName.GRAPH_EVENTS), 0),
    }  # fmt: skip


def _graph_text(graph: dict[str, Any] | None, daemons: list[readings.DaemonReading]) -> None:
    urls = [row.beat.stats["url"] for row in daemons if row.beat and "url" in row.beat.stats]
    if graph is not None:
        click.echo(
            f"\nGraph {graph['nodes']} nodes, {graph['edges']} edges at {graph['sequence']} of "
            f"{graph['last_sequence']}, snapshot {age(graph['age_s'])} old, {graph['bytes'] / 1e6:.1f} MB"
        )
    if urls:
        click.echo(logs.printable(f"API {', '.join(map(str, urls))}"))


def _trouble(row: readings.DaemonReading) -> Any:
    if row.beat is None:
        return "no heartbeat: is it running?"
    return row.beat.error or row.beat.stats.get("source_errors") or None


@click.command()
@dir_option
@click.option("-l", "--layer", type=click.IntRange(0, 9), default=None, help="Only the devices of layer 0 to 9.")
@json_option
def devices(directory: Path | None, layer: int | None, as_json: bool) -> None:
    """The registry of all 104 devices, with the state of those that a daemon speaks for."""
    rows = registry.DEVICES if layer is None else registry.of_layer(layer)
    states = _device_states(directory)
    if as_json:
        emit([msgspec.to_builtins(row) | {"status": states.get(row.id)} for row in rows])
        return
    table(
        ("ID", "Token", "Layer", "Name", "Status", "Note"),
        [
            (row.id, f"0x{row.tokens[0]:04X}", row.layer, row.name, states.get(row.id), row.note or None)
            for row in rows
        ],
    )


def _device_states(directory: Path | None) -> dict[int, str]:
    """The word of each device somebody speaks for; nothing where no suite can be reached."""
    try:
        settings = settings_of(directory)
        with redis_of(settings) as client:
            found = readings.daemons(client, SYSTEM.now())
    except Unavailable as error:
        if directory is not None:
            raise
        click.echo(f"status unknown: {logs.printable(str(error))}", err=True)
        return {}
    return standing.states(settings, found, SYSTEM.now())


@click.command()
@dir_option
@json_option
def metrics(directory: Path | None, as_json: bool) -> None:
    """Prometheus text of all daemons, devices, streams, groups and stores, as they are now."""
    from dsmil.watch.exporter import text

    settings = settings_of(directory)
    with redis_of(settings) as client:
        body = text(client, settings, SYSTEM.now())
    if not as_json:
        click.echo(body, nl=False)
        return
    from prometheus_client.parser import text_string_to_metric_families

    emit(
        [
            {"name": sample.name, "labels": sample.labels, "value": sample.value}
            for family in text_string_to_metric_families(body)
            for sample in family.samples
        ]
    )


COMMANDS = (status, devices, metrics)
