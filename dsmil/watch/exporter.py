"""The Prometheus text of a whole suite: what daemons report in their heartbeats, and what Redis and files show.

Names are those of the original design (spec-originals 1b), and our own in the same style.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dsmil.config import Settings
from dsmil.events.devices import DEVICES, Device
from dsmil.events.enums import StreamName
from dsmil.fabric.client import translated
from dsmil.fabric.loss import LOSS_KEY
from dsmil.fabric.topology import BY_NAME
from dsmil.runtime.health import State
from dsmil.runtime.metrics import Metrics, merge
from dsmil.watch import readings, standing

if TYPE_CHECKING:
    from redis import Redis

REFUSED_LOGINS = ("errorstat_WRONGPASS", "errorstat_NOAUTH")
REFUSED_COMMANDS = ("errorstat_NOPERM",)
"""What Redis counts of those who come without a right to."""


def text(client: Redis, settings: Settings, now: float, *, more: Sequence[str] = ()) -> str:
    """All metrics at `now` (Unix seconds), and `more` texts of the same form. Unavailable where Redis is away,
    ConfigError where it refuses us."""
    own = Metrics("exporter")
    with translated("read the suite"):
        streams = readings.streams(client, now)
        daemons = readings.daemons(client, now, streams)
        _server(own, client)
    _streams(own, streams, settings)
    _daemons(own, daemons, now)
    _devices(own, standing.states(settings, daemons, now))
    _layers(own, standing.layers(settings))
    _stores(own, settings)
    _graph(own, settings, streams, now)
    return merge([own.text(), *more, *(row.beat.metrics for row in daemons if row.beat)])


def _streams(own: Metrics, streams: Sequence[readings.StreamReading], settings: Settings) -> None:
    for stream in streams:
        labels = {"stream_name": stream.stream}
        own.gauge("dsmil_redis_stream_length", "Entries in a stream", **labels).set(stream.length)
        about = "Entries at which a stream slows its producers"
        own.gauge("dsmil_redis_stream_cap", about, **labels).set(settings.streams.cap_of(stream.stream))
        own.total("dsmil_redis_stream_added_total", "Entries ever added", stream.added, **labels)
        for group in stream.groups:
            labels = {"stream_name": stream.stream, "consumer_group": group.group}
            about = "Seconds since the oldest unacknowledged entry was first seen"
            own.gauge("dsmil_redis_stream_lag", about, **labels).set(group.lag_s)
            about = "Entries read and not acknowledged"
            own.gauge("dsmil_redis_stream_pending", about, **labels).set(group.pending)
        if stream.stream == "DEAD_LETTER":
            own.total("dsmil_dead_letters_total", "Entries and records ever given up", stream.added)


def _daemons(own: Metrics, daemons: Sequence[readings.DaemonReading], now: float) -> None:
    for row in daemons:
        # `daemon` says who exports; whom it is about stands in `name`.
        alive = row.state in (State.READY, State.DEGRADED, State.DRAINING, State.STARTING)
        own.gauge("dsmil_daemon_up", "1 while its heartbeats come", name=row.daemon).set(alive)
        about = "1 while it waits for something that is away"
        own.gauge("dsmil_daemon_degraded", about, name=row.daemon).set(row.state is State.DEGRADED)
        if row.beat is None:
            continue
        age_s = max(0.0, now - row.beat.now)
        own.gauge("dsmil_daemon_heartbeat_age_seconds", "Since its last heartbeat", name=row.daemon).set(age_s)
        if row.daemon in BY_NAME:  # one more of its kind counts in series of its own
            _device(own, DEVICES[BY_NAME[row.daemon].device], row.beat.stats)


def _device(own: Metrics, device: Device, stats: Mapping[str, Any]) -> None:
    """A daemon's counts as those of its device."""
    labels = {"device_id": str(device.id), "device_name": device.name}
    handled = _number(stats.get("processed", stats.get("received")))
    own.total("dsmil_device_requests_total", "Entries or records it was given", handled, **labels)
    wrong = sum(_number(stats.get(name)) for name in ("failed", "dead_letters", "rejected", "undecodable"))
    own.total("dsmil_device_errors_total", "Those it could not handle", wrong, **labels)
    if "lag_s" in stats:
        about = "Seconds from first being seen to being handled, of the last entry"
        own.gauge("dsmil_device_latency_seconds", about, **labels).set(_number(stats["lag_s"]))


def _number(value: Any) -> float:
    """A count out of a heartbeat, which is anybody's who may write one."""
    return max(0.0, value) if isinstance(value, int | float) else 0.0


def _devices(own: Metrics, states: Mapping[int, str]) -> None:
    for number, state in sorted(states.items()):
        labels = {"device_id": str(number), "device_name": DEVICES[number].name}
        own.gauge("dsmil_device_status", "1 while it is ONLINE", **labels).set(state == "ONLINE")


def _layers(own: Metrics, layers: Sequence[standing.LayerRow]) -> None:
    for row in layers:
        labels = {"layer": str(row.layer)}
        own.gauge("dsmil_layer_devices_active", "Devices at work", **labels).set(row.devices_active)
        own.gauge("dsmil_layer_memory_bytes", "Memory of its daemons", **labels).set(row.memory_bytes)
        own.gauge("dsmil_layer_tops_used", "TOPS in use", **labels).set(row.tops_used)
    if layers:
        about = "TOPS of the design's layers; dsmil computes on the CPU and uses none"
        own.gauge("dsmil_system_tops_total", about).set(sum(row.tops_available for row in layers))
        own.gauge("dsmil_system_tops_used", "TOPS in use").set(sum(row.tops_used for row in layers))


def _stores(own: Metrics, settings: Settings) -> None:
    for name, budget in (("hot", settings.hot.budget_bytes), ("audit", settings.audit.budget_bytes)):
        own.gauge("dsmil_db_budget_bytes", "Bytes a database may take", database=name).set(budget)
    for name, size in standing.sizes(settings).items():
        own.gauge("dsmil_db_size_bytes", "Bytes of a database", database=name).set(size)
    for name, (free, size) in standing.disks(settings).items():
        about = "Bytes left on the file system of the durable stores (data) or of the hot database (hot)"
        own.gauge("dsmil_disk_free_bytes", about, place=name).set(free)
        own.gauge("dsmil_disk_size_bytes", "Bytes of that file system", place=name).set(size)


def _graph(own: Metrics, settings: Settings, streams: Sequence[readings.StreamReading], now: float) -> None:
    """What the projector has kept of the graph, and how much came after that."""
    kept = standing.snapshots(settings)
    if kept is None:
        return
    about = "Since the projector kept its newest snapshot of the graph; +Inf where there is none"
    age_s = max(0.0, now - kept[0].created_ts) if kept else math.inf
    own.gauge("dsmil_graph_snapshot_age_seconds", about).set(age_s)
    sequence = next((row.sequence for row in streams if row.stream == StreamName.GRAPH_EVENTS), 0)
    about = "Events of GRAPH_EVENTS after the newest snapshot: what a start reads again"
    own.gauge("dsmil_graph_snapshot_behind", about).set(max(0, sequence - (kept[0].sequence if kept else 0)))


def _server(own: Metrics, client: Redis) -> None:
    """What Redis says of itself, and of those it turned away."""
    info: Any = client.info("memory", "persistence", "errorstats")
    own.gauge("dsmil_redis_memory_bytes", "Memory Redis uses").set(info["used_memory"])
    if info.get("maxmemory"):
        about = "Memory Redis may use; absent where it may use all"
        own.gauge("dsmil_redis_memory_max_bytes", about).set(info["maxmemory"])
    written = info.get("aof_enabled") == 1 and info.get("aof_last_write_status") == "ok"
    about = "1 while Redis writes down what it is given (append-only file)"
    own.gauge("dsmil_redis_persistent", about).set(written)
    waiting: Any = client.llen(LOSS_KEY)
    own.gauge("dsmil_losses_waiting", "Loss records the drainer has not stored yet").set(waiting)
    for name, about, words in (
        ("dsmil_security_auth_failures_total", "Logins Redis refused", REFUSED_LOGINS),
        ("dsmil_security_policy_violations_total", "Commands Redis refused for want of rights", REFUSED_COMMANDS),
    ):
        own.total(name, about, sum(int(info.get(word, {}).get("count", 0)) for word in words))
