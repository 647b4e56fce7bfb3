"""The Prometheus text of a whole suite: what daemons report in their heartbeats, and what Redis itself knows.

Names are those of the original design (spec-originals 1b).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsmil.cli import readings
from dsmil.events import devices
from dsmil.fabric.topology import BY_NAME
from dsmil.runtime.health import State
from dsmil.runtime.metrics import Metrics, merge

if TYPE_CHECKING:
    from redis import Redis


def text(client: Redis, now: float) -> str:
    """All metrics at `now` (Unix seconds)."""
    own = Metrics("exporter")
    streams = readings.streams(client, now)
    for stream in streams:
        own.gauge("dsmil_redis_stream_length", "Entries in a stream", stream_name=stream.stream).set(
            stream.length
        )
        own.counter("dsmil_redis_stream_added_total", "Entries ever added", stream_name=stream.stream).inc(
            stream.added
        )
        for group in stream.groups:
            labels = {"stream_name": stream.stream, "consumer_group": group.group}
            own.gauge(
                "dsmil_redis_stream_lag", "Seconds since the oldest unacknowledged entry was first seen", **labels
            ).set(group.lag_s)
            own.gauge("dsmil_redis_stream_pending", "Entries read and not acknowledged", **labels).set(
                group.pending
            )
    daemons = readings.daemons(client, now, streams)
    for row in daemons:
        device = devices.DEVICES[BY_NAME[row.daemon].device]
        own.gauge(
            "dsmil_device_status", "1 when its daemon is ready", device_id=str(device.id), device_name=device.name
        ).set(row.state is State.READY)
    return merge([own.text(), *(row.beat.metrics for row in daemons if row.beat)])
