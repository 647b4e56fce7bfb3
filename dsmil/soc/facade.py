"""The documented names: `SOCRouter(SOCRouterConfig(...))` and `SHRINKClient(url)`; they answer, and never raise.

The router itself is the daemon soc-router. This one looks at it: where Redis answers and the daemon lives, its
own counts are given, otherwise zeros and `running` false.
"""

from __future__ import annotations

from typing import Any

import msgspec

from dsmil.clock import SYSTEM, Clock
from dsmil.errors import DsmilError, Unavailable
from dsmil.events.devices import token
from dsmil.fabric.address import Address
from dsmil.fabric.heartbeat import heartbeat_key
from dsmil.fabric.wire import Wire
from dsmil.runtime import health
from dsmil.soc.fusion import DEVICE, LAYER, SOURCE
from dsmil.soc.shrink import POLL_S, TIMEOUT_S, ShrinkClient

LOOK_S = 1.0
"""Seconds one look at Redis may take."""


class SOCRouterConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where the router's Redis and SHRINK are. `redis_url`, where given, wins over host and port."""

    redis_host: str = "localhost"
    redis_port: int = 6379
    redis_db: int = 0
    redis_url: str = ""
    shrink_url: str = "http://localhost:8500"
    shrink_poll_interval: float = POLL_S


class SHRINKClient:
    """SHRINK by its documented calls: False, `{}` and `[]` where it does not answer."""

    def __init__(self, url: str = "http://localhost:8500", timeout_s: float = TIMEOUT_S) -> None:
        self._client = ShrinkClient(url, timeout_s=timeout_s)

    def check_availability(self) -> bool:
        """Whether SHRINK answers."""
        return self._client.check_availability()

    def get_metrics(self) -> dict[str, Any]:
        """Its metrics."""
        try:
            return self._client.get_metrics()
        except Unavailable:
            return {}

    def get_alerts(self) -> list[Any]:
        """Its alerts."""
        try:
            return self._client.get_alerts()
        except Unavailable:
            return []


class SOCRouter:
    """Device 52, seen from outside."""

    device_id = DEVICE
    layer = LAYER
    token_base = token(DEVICE)

    def __init__(self, config: SOCRouterConfig | None = None, *, clock: Clock = SYSTEM) -> None:
        self.config = config or SOCRouterConfig()
        self.shrink = SHRINKClient(self.config.shrink_url)
        self._clock = clock

    def get_stats(self) -> dict[str, Any]:
        """`{device_id, token_base, layer, uptime, processed, published, shrink, running}`: uptime in seconds of
        the running daemon, `shrink` whether SHRINK answers."""
        beat = self._heartbeat()
        running = health.judge(beat, self._clock.now()) in (health.State.READY, health.State.DEGRADED)
        stats = beat.stats if beat is not None and running else {}
        return {
            "device_id": DEVICE,
            "token_base": f"0x{token(DEVICE):04X}",
            "layer": LAYER,
            "uptime": round(beat.now - beat.since, 1) if beat is not None and running else 0.0,
            "processed": stats.get("processed", 0),
            "published": stats.get("published", 0),
            "shrink": self.shrink.check_availability(),
            "running": running,
        }

    def _heartbeat(self) -> health.Heartbeat | None:
        config = self.config
        try:
            address = (
                Address.parse(config.redis_url)
                if config.redis_url
                else Address(host=config.redis_host, port=config.redis_port, db=config.redis_db)
            )
            wire = Wire(address, timeout_s=LOOK_S)
            data = wire.call("GET", heartbeat_key(SOURCE))
            wire.close()
            return health.decode(data) if isinstance(data, bytes) else None
        except DsmilError:
            return None
