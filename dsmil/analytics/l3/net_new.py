"""`net.new_host` and `net.new_service`: what a scan finds that no earlier scan of the subnet found.

The first complete scans of a subnet are its baseline and new to nobody. After them only what an earlier scan
looked at too is compared: a wider port list or another target finds more without anything being new.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from dsmil.analytics import nodes
from dsmil.analytics.detector import NOTHING, Found, Seen
from dsmil.analytics.l3.scanned import aimed_at, looked_at
from dsmil.analytics.window import Table, pack_parts, restore_parts
from dsmil.config.detectors import L3, L3Net
from dsmil.events.net import Host, Port, Ports, Scan

OPEN_MAX = 4096
"""Open ports remembered of a host; a host with more answers on every port and tells nothing."""
LOOKED_MAX = 8
"""Different port lists remembered of a host."""
ARGS_MAX = 16
"""Command lines remembered of a subnet's earlier scans."""
RUNS_MAX = 256
"""Scans in progress whose subnets are remembered until their summary arrives."""
LISTED_MAX = 8
"""Ports named in an explanation."""


class Known(Struct):
    """A host that was up: its open ports (`tcp/22`), the (protocol, port list) pairs looked at in earlier runs,
    and those of the run now read."""

    seen: float
    run: str
    event_id: str
    judged: bool = False
    open: list[str] = []
    looked: list[tuple[str, str]] = []
    looking: list[tuple[str, str]] = []


class Segment(Struct):
    """A subnet: how many complete scans it had, when the latest began, and their command lines."""

    seen: float
    scans: int = 0
    start_ts: float = -1.0
    args: list[str] = []


class Run(Struct):
    """A scan in progress: the subnets it touched, and whether anything in it was compared."""

    seen: float
    subnets: list[str] = []


class NewHosts:
    """Remembers the hosts of each subnet and their services."""

    name = "net.new"
    device = 19
    kinds = frozenset({"net.host", "net.ports", "net.scan"})

    def __init__(self, settings: L3Net, bounds: L3) -> None:
        self._set = settings
        self._bounds = bounds
        self.reset()

    def reset(self) -> None:
        """Forget all subnets."""
        bounds = self._bounds
        # No idle time: a subnet may be scanned once a month.
        self._hosts: Table[str, Known] = Table(str, Known, count_max=bounds.entities_max, idle_s=float("inf"))
        self._subnets: Table[str, Segment] = Table(
            str, Segment, count_max=bounds.entities_max, idle_s=float("inf")
        )
        self._runs: Table[str, Run] = Table(str, Run, count_max=RUNS_MAX, idle_s=bounds.idle_s)

    def dump(self) -> bytes:
        """All subnets."""
        return pack_parts(self._hosts, self._subnets, self._runs)

    def restore(self, data: bytes) -> None:
        """Take over what `dump` gave."""
        restore_parts(data, self._hosts, self._subnets, self._runs)

    def observe(self, seen: Seen) -> Iterable[Found]:
        """A host, a page of its ports, or the end of a scan."""
        said = seen.payload
        if type(said) is Host:
            return self._host(said, seen) if said.state == "up" else NOTHING
        if type(said) is Ports:
            known = self._hosts.touch(said.ip, seen.event.ingest_ts)
            return self._services(said.ip, known, said.ports, seen) if known is not None else NOTHING
        assert isinstance(said, Scan)
        self._finish(said, seen)
        return NOTHING

    def _host(self, host: Host, seen: Seen) -> list[Found]:
        event = seen.event
        subnet = nodes.subnet_of(host.ip)
        if subnet is None:
            return []
        run = _run_of(seen)
        self._note_run(run, subnet, event.ingest_ts)
        segment = self._subnets.touch(subnet, event.ingest_ts)
        if segment is None:
            segment = Segment(event.ingest_ts)
            self._subnets.put(subnet, segment)
        start = host.scan.start_ts
        judged = segment.scans >= self._set.baseline_scans and (start is None or start >= segment.start_ts)
        looking = [(one.proto, one.services) for one in host.scan.ranges]
        known = self._hosts.touch(host.ip, event.ingest_ts)
        if known is None:
            found = self._new_host(host, subnet, segment, seen) if judged else []
            # Its services are part of the news, so none of them is told again.
            known = Known(event.ingest_ts, run, event.event_id, False, [], [], looking)
            self._hosts.put(host.ip, known)
            self._services(host.ip, known, host.ports, seen)
            return found
        if known.run != run:
            known.looked = list(dict.fromkeys(known.looked + known.looking))[-LOOKED_MAX:]
            known.run, known.looking = run, looking
        known.judged = judged
        return self._services(host.ip, known, host.ports, seen)

    def _new_host(self, host: Host, subnet: str, segment: Segment, seen: Seen) -> list[Found]:
        if not any(aimed_at(args, host.ip) for args in segment.args):
            return []
        open_ports = [f"{port.port}/{port.proto}" for port in host.ports if port.state == "open"]
        names = f" ({host.hostnames[0]})" if host.hostnames else ""
        listed = ", ".join(open_ports[:LISTED_MAX]) + (", ..." if len(open_ports) > LISTED_MAX else "")
        shows = f"with {len(open_ports)} open ports ({listed})" if open_ports else "with no open port seen"
        event = seen.event
        return [
            Found(
                decision="net.new_host",
                score=0.6 if open_ports else 0.5,
                entities=(nodes.host(host.ip), subnet),
                explanation=f"Host {host.ip}{names} is up {shows}; {segment.scans} earlier complete scans of "
                f"{subnet.removeprefix('subnet:')} did not find it.",
                refs=(event.event_id,),
                ts=event.ts,
                features={
                    "ip": host.ip, "mac": host.mac, "vendor": host.vendor, "open_ports": len(open_ports),
                    "earlier_scans": segment.scans,
                },
            )
        ]  # fmt: skip

    def _services(self, ip: str, known: Known, ports: tuple[Port, ...], seen: Seen) -> list[Found]:
        """Learn open ports; those an earlier run looked at and did not find open are new."""
        event = seen.event
        before, opened = known.event_id, set(known.open)
        out: list[Found] = []
        for port in ports:
            name = f"{port.proto}/{port.port}"
            if port.state != "open" or name in opened:
                continue
            opened.add(name)
            if len(known.open) < OPEN_MAX:
                known.open.append(name)
            if known.judged and looked_at(known.looked, port.proto, port.port):
                out.append(_new_service(ip, port, before, seen))
        known.event_id = event.event_id
        return out

    def _note_run(self, run: str, subnet: str, seen: float) -> None:
        row = self._runs.touch(run, seen)
        if row is None:
            row = Run(seen)
            self._runs.put(run, row)
        if subnet not in row.subnets and len(row.subnets) < self._bounds.entities_max:
            row.subnets.append(subnet)

    def _finish(self, scan: Scan, seen: Seen) -> None:
        """The scan ended: where it was complete, it counts for each subnet it found somebody in."""
        run = _run_of(seen)
        row = self._runs.get(run)
        if row is None:
            return
        self._runs.drop(run)
        if not scan.complete:
            return
        for subnet in row.subnets:
            segment = self._subnets.get(subnet)
            if segment is not None:
                segment.scans += 1
                segment.start_ts = max(segment.start_ts, scan.start_ts or -1.0)
                args = scan.args or ""
                segment.args = [*(one for one in segment.args if one != args), args][-ARGS_MAX:]


def _run_of(seen: Seen) -> str:
    """A run is one reading of one file: its source and epoch."""
    return f"{seen.event.source}|{seen.event.source_epoch}"


def _new_service(ip: str, port: Port, before: str, seen: Seen) -> Found:
    event = seen.event
    words = " ".join(filter(None, (port.service, port.product, port.version)))
    what = f" ({words})" if words else ""
    return Found(
        decision="net.new_service",
        score=0.7,
        entities=(nodes.host(ip), nodes.port(port.proto, port.port), nodes.service(port.service or "unknown")),
        explanation=f"Port {port.port}/{port.proto}{what} of {ip} is open; earlier scans looked at it and "
        "found it not open.",
        refs=tuple(dict.fromkeys((before, event.event_id))),
        ts=event.ts,
        features={
            "ip": ip, "port": port.port, "proto": port.proto, "service": port.service, "product": port.product,
            "version": port.version,
        },
    )  # fmt: skip
