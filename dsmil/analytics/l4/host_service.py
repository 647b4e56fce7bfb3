"""`link.host_service`: a flow that reaches a service a scan found open.

Terms: the flow's address and port are the scanned ones (strong), the protocol seen is the service named, and scan
and flow lie close in time. Told once per client, host and port; whichever of scan and flow comes first waits.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from dsmil.analytics import nodes
from dsmil.analytics.detector import NOTHING, Found, Seen
from dsmil.analytics.l4 import terms
from dsmil.analytics.l4.terms import Term
from dsmil.analytics.window import Table
from dsmil.config.fusion import L4
from dsmil.events.net import Flow, Host, Port, Ports

ADDRESS, IDENTITY, TIME = 0.5, 0.3, 0.2
"""Weights: that the address and port are the same says most."""
TIME_SPAN_S = 7 * 86_400.0
"""Scan and flow a week apart say nothing of each other by their times."""
OPEN_MAX = 1000
"""Open ports remembered of one host."""
WAITING_MAX = 4
"""Flows that wait for a scan of their address and port: each client is told once anyway."""

_SAME = {
    "https": "tls", "ssl": "tls", "imaps": "tls", "pop3s": "tls", "smtps": "tls", "ssl/http": "tls",
    "http-proxy": "http", "http-alt": "http", "domain": "dns", "mdns": "dns", "ms-wbt-server": "rdp",
    "microsoft-ds": "smb", "netbios-ssn": "smb", "smbv1": "smb", "smbv23": "smb", "ms-sql-s": "mssql-tds",
    "ftp-data": "ftp", "ftp_control": "ftp", "ftp_data": "ftp", "postgresql": "postgres", "mongod": "mongodb",
    "quic": "tls", "telnets": "tls",
}  # fmt: skip
"""Names Nmap and nDPI give to one and the same protocol."""


class Open(Struct):
    """An open port of a scan."""

    service: str
    event_id: str
    ts: float
    timed: bool


class Scanned(Struct):
    """A host's open ports by `tcp/443`."""

    seen: float
    open: dict[str, Open] = {}


class Reached(Struct):
    """A flow to an address and port."""

    client: str
    flow_id: str
    protocol: str
    event_id: str
    ts: float
    timed: bool


class Waiting(Struct):
    """Flows to one address and port of which no scan is known yet."""

    seen: float
    flows: list[Reached] = []


class Told(Struct):
    """A client, host and port already linked."""

    seen: float


class HostService:
    """Joins flows and scans by address and port."""

    name = "link.host_service"
    device = 25
    kinds = frozenset({"net.host", "net.ports", "net.flow"})

    def __init__(self, settings: L4) -> None:
        self._set = settings
        self.reset()

    def reset(self) -> None:
        """Forget all hosts and flows."""
        many, idle = self._set.entities_max, self._set.idle_s
        self._hosts: Table[str, Scanned] = Table(str, Scanned, count_max=many, idle_s=idle)
        self._waiting: Table[tuple[str, str], Waiting] = Table(
            tuple[str, str], Waiting, count_max=self._set.pairs_max, idle_s=idle
        )
        self._told: Table[tuple[str, str, str], Told] = Table(
            tuple[str, str, str], Told, count_max=self._set.pairs_max, idle_s=idle
        )

    def dump(self) -> bytes:
        """All hosts and flows."""
        parts = (self._hosts.dump(), self._waiting.dump(), self._told.dump())
        return b"".join(len(part).to_bytes(8, "big") + part for part in parts)

    def restore(self, data: bytes) -> None:
        """Take over what `dump` gave."""
        for table in (self._hosts, self._waiting, self._told):
            size = int.from_bytes(data[:8], "big")
            table.restore(data[8 : 8 + size])
            data = data[8 + size :]

    def observe(self, seen: Seen) -> Iterable[Found]:
        """Take a scanned host or a flow."""
        said = seen.payload
        if isinstance(said, Flow):
            return self._flow(said, seen)
        assert isinstance(said, Host | Ports)
        return self._scan(said.ip, said.ports, seen)

    def _scan(self, ip: str, ports: tuple[Port, ...], seen: Seen) -> list[Found]:
        event = seen.event
        host = self._hosts.touch(ip, event.ingest_ts)
        if host is None:
            host = Scanned(event.ingest_ts)
            self._hosts.put(ip, host)
        out: list[Found] = []
        for port in ports:
            key = f"{port.proto}/{port.port}"
            if port.state != "open":
                host.open.pop(key, None)
                continue
            if key not in host.open and len(host.open) >= OPEN_MAX:
                continue
            host.open[key] = Open(port.service or "", event.event_id, event.ts, seen.timed)
            waiting = self._waiting.get((ip, key))
            if waiting is not None:
                self._waiting.drop((ip, key))
                for flow in waiting.flows:
                    out += self._join((ip, key), host.open[key], flow, event.ingest_ts)
        return out

    def _flow(self, flow: Flow, seen: Seen) -> Iterable[Found]:
        proto = (flow.l4_proto or "").lower()
        if not proto or flow.dst_port is None:
            return NOTHING
        ends = [(flow.dst_ip, flow.dst_port, flow.src_ip)]
        if flow.src_port is not None:
            # A meter that missed the first packet has the two ends the wrong way round.
            ends.append((flow.src_ip, flow.src_port, flow.dst_ip))
        event = seen.event
        for ip, number, client in ends:
            host = self._hosts.get(ip)
            key = f"{proto}/{number}"
            if host is not None and key in host.open:
                return self._join((ip, key), host.open[key], _reached(flow, client, seen), event.ingest_ts)
        self._wait((flow.dst_ip, f"{proto}/{flow.dst_port}"), _reached(flow, flow.src_ip, seen), event.ingest_ts)
        return NOTHING

    def _wait(self, key: tuple[str, str], flow: Reached, now: float) -> None:
        waiting = self._waiting.touch(key, now)
        if waiting is None:
            waiting = Waiting(now)
            self._waiting.put(key, waiting)
        if len(waiting.flows) < WAITING_MAX and all(flow.client != one.client for one in waiting.flows):
            waiting.flows.append(flow)

    def _join(self, where: tuple[str, str], port: Open, flow: Reached, now: float) -> list[Found]:
        ip, key = where
        told = (flow.client, ip, key)
        if self._told.touch(told, now) is not None:
            return []
        apart = abs(flow.ts - port.ts) if flow.timed and port.timed else None
        reasons = (
            Term("address", 1.0, ADDRESS, strong=True),
            Term("identity", _identity(port.service, flow.protocol), IDENTITY),
            Term("time", None if apart is None else max(0.0, 1.0 - apart / TIME_SPAN_S), TIME),
        )
        score = terms.score(reasons, self._set.link_score)
        if score < self._set.link_score:
            return []
        self._told.put(told, Told(now))
        service = port.service or key
        return [
            Found(
                decision="link.host_service",
                score=score,
                entities=(
                    nodes.host(ip),
                    nodes.service(service),
                    nodes.flow(flow.flow_id),
                    nodes.host(flow.client),
                ),
                explanation=f"Host {flow.client} uses {service} on {ip} {key}, which a scan found open "
                f"({terms.told(reasons)}).",
                refs=(port.event_id, flow.event_id),
                ts=max(flow.ts, port.ts),
                since_ts=min(flow.ts, port.ts),
                features={**terms.features(reasons), "port": key, "protocol": flow.protocol or None},
            )
        ]


def _reached(flow: Flow, client: str, seen: Seen) -> Reached:
    event = seen.event
    return Reached(client, flow.flow_id, flow.l7_proto or "", event.event_id, event.ts, seen.timed)


def _identity(service: str, protocol: str) -> float | None:
    """Whether scan and meter name the same protocol; null where one of them names none."""
    one, two = _plain(service), _plain(protocol)
    if not one or not two or "unknown" in (one, two):
        return None
    return 1.0 if one == two else 0.0


def _plain(name: str) -> str:
    """A protocol's name as both tools would say it: `TLS.Google` and `https` are `tls`."""
    first = name.lower().split(".", 1)[0].removesuffix("?")
    return _SAME.get(first, first)
