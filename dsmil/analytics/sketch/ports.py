"""Which ports of a host were open when last seen, so that one that is no longer can be said to be closed.

Only what a scan looked at counts: a port it lists in another state, or one within its port list that a host it told
of whole does not have among its open ones. The edge stays, with `metadata.state` and the time that became known; a
later scan that finds the port open again says so on the same edge.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from dsmil.analytics import nodes
from dsmil.analytics.l3.scanned import looked_at
from dsmil.analytics.sketch.draft import time_of
from dsmil.analytics.sketch.said import Said, named, text
from dsmil.analytics.window import Table
from dsmil.events.envelope import Event
from dsmil.events.graph import EDGE_UPDATE, Patch
from dsmil.events.net import Host, Ports

HOSTS_MAX = 100_000
"""Hosts remembered; the one longest not scanned is forgotten first, and its edges stay as they are."""
OPEN_MAX = 4096
"""Open ports remembered of a host; one with more answers on every port."""
CLOSED = "closed"


class Opened(Struct):
    """A host's open ports (`tcp/22`) and when each was last seen so (Unix seconds)."""

    seen: float
    ports: dict[str, float] = {}


class OpenPorts:
    """Remembers open ports per host."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all hosts."""
        self._hosts: Table[str, Opened] = Table(str, Opened, count_max=HOSTS_MAX, idle_s=float("inf"))

    def dump(self) -> bytes:
        """All hosts."""
        return self._hosts.dump()

    def restore(self, data: bytes) -> None:
        """Take over the hosts of `dump`."""
        self._hosts.restore(data)

    def note(self, said: Host | Ports, event: Event) -> Iterator[Said]:
        """Take what a scan found; say which ports are open no more."""
        host, ts = self._hosts.touch(said.ip, event.ingest_ts), time_of(event)
        if host is None:
            if not any(port.state == "open" for port in said.ports):
                return
            host = Opened(event.ingest_ts)
            self._hosts.put(said.ip, host)
        states = {f"{port.proto}/{port.port}": port.state for port in said.ports}
        for name, state in states.items():
            if state != "open":
                yield from _closed(said.ip, host, name, (state, ts))
            elif name in host.ports or len(host.ports) < OPEN_MAX:
                host.ports[name] = max(ts, host.ports.get(name, ts))
        if isinstance(said, Host) and said.state == "up" and len(said.ports) == said.ports_total:
            looked = [(one.proto, one.services) for one in said.scan.ranges]
            for name in [name for name in host.ports if name not in states]:
                proto, _, number = name.partition("/")
                if looked_at(looked, proto, int(number)):
                    yield from _closed(said.ip, host, name, (CLOSED, ts))


def _closed(ip: str, host: Opened, name: str, found: tuple[str, float]) -> Iterator[Said]:
    """A port was `found` in a state at a time; nothing where it was seen open later, as when an old scan is read."""
    state, ts = found
    if name in host.ports and ts >= host.ports[name]:
        del host.ports[name]
        proto, _, number = name.partition("/")
        yield (
            EDGE_UPDATE,
            Patch(id=nodes.service_edge(ip, proto, int(number)), metadata=named(("state", text(state)))),
        )
