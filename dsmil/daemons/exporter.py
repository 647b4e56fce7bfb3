"""exporter (no device): what all daemons tell in their heartbeats, and what Redis and the files show, for Prometheus.

Serves /metrics and /health by HTTP, installed on the socket of dsmil-exporter.socket. It reads no stream, writes
nothing and has no heartbeat: Prometheus itself notices when it is away (`up`).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from dsmil.clock import SYSTEM, Clock
from dsmil.config import Settings
from dsmil.config.sources import split_address
from dsmil.errors import ConfigError, Unavailable
from dsmil.fabric.client import connect
from dsmil.runtime import logs
from dsmil.runtime.activation import passed
from dsmil.runtime.daemon import Daemon, start
from dsmil.runtime.metrics import Metrics
from dsmil.runtime.pulse import resident_bytes
from dsmil.watch import exporter
from dsmil.watch.pages import Answer, Pages, listen, taken

if TYPE_CHECKING:
    import socket

NAME = "exporter"
SOCKET_NAME = "http"
"""FileDescriptorName= of dsmil-exporter.socket."""
KEPT_S = 1.0
"""How long one reading serves all who ask: any number of scrapers costs what one does."""
REDIS_S = 2.0
"""Longest wait for one reply: with a Redis that hangs, the next who asks is to be told so before he gives up."""
TEXT = "text/plain; version=0.0.4; charset=utf-8"

log = logs.get()


class Reading:
    """The page of metrics: read when asked for, kept a moment, and a plain 503 while Redis is away."""

    def __init__(self, read: Callable[[], str], *, clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._kept = Answer(0, b"")
        self._until = float("-inf")
        self.away = ""
        """Why the suite cannot be read; empty while it can."""
        self.took_s = 0.0

    def answer(self) -> Answer:
        """The page, at most `KEPT_S` old."""
        began = self._clock.monotonic()
        if began >= self._until:
            self._kept = self._fresh()
            ended = self._clock.monotonic()
            self.took_s, self._until = ended - began, ended + KEPT_S
        return self._kept

    def _fresh(self) -> Answer:
        try:
            text = self._read()
        except (Unavailable, ConfigError) as error:  # who watches goes on watching
            self._become(logs.printable(str(error)))
            return Answer(HTTPStatus.SERVICE_UNAVAILABLE.value, f"{self.away}\n".encode())
        self._become("")
        return Answer(HTTPStatus.OK.value, text.encode(), TEXT)

    def _become(self, away: str) -> None:
        if away and not self.away:
            log.warning("suite_away", error=away)
        elif self.away and not away:
            log.info("suite_back")
        self.away = away


class Exporter:
    """The daemon's work, and the part that holds its socket."""

    def __init__(self, settings: Settings, read: Callable[[list[str]], str], *, clock: Clock = SYSTEM) -> None:
        self._settings = settings
        self._clock = clock
        self._began = clock.monotonic()
        self._metrics = Metrics(NAME)
        self._codes: dict[int, int] = {}
        self._reading = Reading(lambda: read([self._own()]), clock=clock)
        pages = {"/metrics": self._reading.answer, "/health": self._health}
        self._pages = Pages(pages, counted=self._count, clock=clock)

    def open(self) -> None:
        """Take the socket systemd passed, else open the configured address. Unavailable while that is taken."""
        door = _door(self._settings)
        self._pages.open(door)
        log.info("listening", address=":".join(map(str, door.getsockname()[:2])))

    def close(self) -> None:
        """Let go of it."""
        self._pages.close()

    def step(self, timeout_s: float) -> int:
        """Serve for at most so long; returns requests answered."""
        return self._pages.serve(timeout_s)

    def drain(self) -> None:
        """Nothing: who is cut off asks again in a few seconds."""

    def stats(self) -> Mapping[str, float | int | str | bool]:
        """Answers given, those that refused something, and why the suite cannot be read."""
        refused = sum(number for code, number in self._codes.items() if code >= HTTPStatus.BAD_REQUEST)
        counts = {"requests": sum(self._codes.values()), "refused": refused}
        return {**counts, "read_s": round(self._reading.took_s, 3), "away": self._reading.away}

    def _health(self) -> Answer:
        """That it lives, whatever is away: nothing is asked for it."""
        status = "degraded" if self._reading.away else "healthy"
        body = msgspec.json.encode({"status": status, "timestamp": self._clock.now()})
        return Answer(HTTPStatus.OK.value, body + b"\n", "application/json")

    def _count(self, code: int) -> None:
        self._codes[code] = self._codes.get(code, 0) + 1

    def _own(self) -> str:
        metrics = self._metrics
        up_s = self._clock.monotonic() - self._began
        metrics.gauge("dsmil_system_uptime_seconds", "Seconds since the daemon started").set(up_s)
        metrics.gauge("dsmil_system_memory_bytes", "Resident memory of the daemon").set(resident_bytes())
        metrics.gauge("dsmil_exporter_read_seconds", "What the last reading took").set(self._reading.took_s)
        for code, number in self._codes.items():
            metrics.total("dsmil_exporter_requests_total", "Answers by HTTP status", number, code=str(code))
        return metrics.text()


def _door(settings: Settings) -> socket.socket:
    fd = passed(SOCKET_NAME)
    if fd is not None:
        return taken(fd)
    at = split_address(settings.exporter.listen)
    assert at is not None, "[exporter] refuses an empty listen"
    if not _loopback(at[0]):
        log.warning("open_to_the_network", listen=settings.exporter.listen, mend="[exporter] listen on 127.0.0.1")
    return listen(*at)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def build(settings: Settings) -> Daemon:
    """Put the daemon together."""
    client = connect(settings.redis, NAME, timeout_s=REDIS_S)
    work = Exporter(settings, lambda more: exporter.text(client, settings, SYSTEM.now(), more=more))
    return Daemon(NAME, work, settings=settings, parts=(work,))


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop; the exit code."""
    return start(NAME, build, argv=argv)


if __name__ == "__main__":
    raise SystemExit(main())
