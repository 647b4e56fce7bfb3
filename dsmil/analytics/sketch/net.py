"""Hosts, their open services, flows and alerts. No host has a place or a frequency: nobody measured one.

A scan says of a host what it found this time. So `labels.service` lists the services of the latest scan that looked
at ports, and a service is an edge (`he:service:...`) from the first time its port is seen open; what the edge's
`metadata.state` says of it later is `ports.py`'s business. A flow's numbers are the meter's totals: a later report
stands in place of the one before and is never added to it.
"""

from __future__ import annotations

from collections.abc import Iterator

from dsmil.analytics import nodes
from dsmil.analytics.sketch.said import Said, named, text, texts
from dsmil.events.envelope import Event
from dsmil.events.graph import EDGE_UPDATE, NODE_UPDATE, Patch
from dsmil.events.net import Alert, Flow, Host, Port, Ports

UNKNOWN = frozenset({"", "unknown"})


def host(at: Host, _: Event) -> Iterator[Said]:
    """Kind `net.host`: the host, its subnet where it is up, and its open services."""
    subnet = nodes.subnet_of(at.ip)
    labels = named(
        ("ip", at.ip),
        ("hostname", text(at.hostnames[0]) if at.hostnames else None),
        ("mac", text(at.mac)),
        ("vendor", text(at.vendor)),
        ("os", text(at.os[0].name) if at.os else None),
        ("subnet", subnet.removeprefix("subnet:") if subnet else None),
    )
    looked = bool(at.ports or at.extraports) and len(at.ports) == at.ports_total
    if looked:
        labels["service"] = _services(at.ports) or None
    metadata = named(
        ("state", text(at.state)),
        ("open_total", at.open_total if looked or at.ports_total else None),
        ("os_accuracy", at.os[0].accuracy if at.os else None),
        ("distance", at.distance),
        ("scanner", text(at.scan.scanner)),
    )
    me = nodes.host(at.ip)
    yield NODE_UPDATE, Patch(id=me, kind="host", labels=labels, metadata=metadata)
    if at.state == "up" and subnet is not None:
        cidr = subnet.removeprefix("subnet:")
        yield NODE_UPDATE, Patch(id=subnet, kind="subnet", labels={"subnet": cidr})
        yield (
            EDGE_UPDATE,
            Patch(
                id=nodes.hyperedge("subnet", at.ip, cidr),
                kind="subnet",
                nodes=(me, subnet),
                weight=1.0,
                labels={"subnet": cidr},
            ),
        )
    for port in at.ports:
        if port.state == "open":
            yield from _open(at.ip, port)


def ports(at: Ports, _: Event) -> Iterator[Said]:
    """Kind `net.ports`: a page of a large host; its services on the first page are those its label lists."""
    labels: dict[str, object] = {"ip": at.ip}
    if at.page == 0 and (listed := _services(at.ports)):
        labels["service"] = listed
    yield NODE_UPDATE, Patch(id=nodes.host(at.ip), kind="host", labels=labels)
    for port in at.ports:
        if port.state == "open":
            yield from _open(at.ip, port)


def flow(at: Flow, _: Event) -> Iterator[Said]:
    """Kind `net.flow`: both ends, and the edge over them and the protocol they speak."""
    members = list(_ends(at.src_ip, at.dst_ip))
    yield from (_host(ip) for ip in dict.fromkeys((at.src_ip, at.dst_ip)) if ip)
    service = protocol(at.l7_proto)
    if service is not None:
        members.append(nodes.service(service))
        yield _service(service)
    risks = texts(risk.name for risk in at.risks)
    labels = named(
        ("l4_proto", text(at.l4_proto)),
        ("l7_proto", text(at.l7_proto)),
        ("l7_category", text(at.l7_category)),
        ("hostname", text(at.hostname)),
        ("src_port", at.src_port),
        ("dst_port", at.dst_port),
        ("risk", risks or None),
        ("ja3", text(at.ja3)),
        ("ja4", text(at.ja4)),
        ("encrypted", at.encrypted),
    )
    size, packets = _sum(at.bytes_src, at.bytes_dst), _sum(at.packets_src, at.packets_dst)
    metadata = named(
        ("bytes", size),
        ("bytes_src", at.bytes_src),
        ("bytes_dst", at.bytes_dst),
        ("packets", packets),
        ("packets_src", at.packets_src),
        ("packets_dst", at.packets_dst),
        ("first_ts", at.first_ts),
        ("last_ts", at.last_ts),
        ("state", text(at.state)),
    )
    known = size if size is not None else packets
    yield (
        EDGE_UPDATE,
        Patch(
            id=nodes.flow(at.flow_id),
            kind="flow",
            nodes=tuple(members),
            weight=float(known or 0),
            labels=labels,
            metadata=metadata,
        ),
    )


def alert(at: Alert, event: Event) -> Iterator[Said]:
    """Kind `net.alert`: an edge per signature between two ends; `metadata` is the latest of them."""
    yield from (_host(ip) for ip in dict.fromkeys((at.src_ip, at.dst_ip)) if ip)
    labels = named(
        ("signature", text(at.signature)),
        ("signature_id", at.signature_id),
        ("category", text(at.category)),
        ("severity", at.severity),
        ("l4_proto", text(at.l4_proto)),
    )
    metadata = named(
        ("event_id", event.event_id),
        ("src_port", at.src_port),
        ("dst_port", at.dst_port),
        ("flow", nodes.flow(at.flow_id) if at.flow_id else None),
    )
    what = str(at.signature_id) if at.signature_id is not None else at.signature
    yield (
        EDGE_UPDATE,
        Patch(
            id=nodes.hyperedge("alert", at.src_ip, at.dst_ip, what),
            kind="alert",
            nodes=_ends(at.src_ip, at.dst_ip),
            weight=1.0,
            labels=labels,
            metadata=metadata,
        ),
    )


def protocol(l7_proto: str | None) -> str | None:
    """The protocol a meter names first, in lower case: `TLS.Google` is `tls`; null where it names none."""
    name = (l7_proto or "").lower().split(".", 1)[0]
    return None if name in UNKNOWN else name


def _edge(ip: str, port: Port) -> Patch:
    number = nodes.port(port.proto, port.port)
    members = (nodes.host(ip), number, *((nodes.service(port.service),) if port.service else ()))
    return Patch(
        id=nodes.service_edge(ip, port.proto, port.port),
        kind="service",
        nodes=members,
        weight=1.0,
        labels=named(
            ("proto", port.proto),
            ("port", port.port),
            ("service", text(port.service)),
            ("product", text(port.product)),
            ("version", text(port.version)),
        ),
        metadata=named(
            ("state", text(port.state)), ("extrainfo", text(port.extrainfo)), ("tunnel", text(port.tunnel))
        ),
    )


def _open(ip: str, port: Port) -> Iterator[Said]:
    labels = {"proto": port.proto, "port": port.port}
    yield NODE_UPDATE, Patch(id=nodes.port(port.proto, port.port), kind="port", labels=labels)
    if port.service:
        yield _service(port.service)
    yield EDGE_UPDATE, _edge(ip, port)


def _host(ip: str) -> Said:
    return NODE_UPDATE, Patch(id=nodes.host(ip), kind="host", labels={"ip": ip})


def _service(name: str) -> Said:
    return NODE_UPDATE, Patch(id=nodes.service(name), kind="service", labels=named(("service", text(name))))


def _services(found: tuple[Port, ...]) -> list[str]:
    return texts(port.service for port in found if port.state == "open")


def _ends(src_ip: str, dst_ip: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(nodes.host(ip) for ip in (src_ip, dst_ip) if ip))


def _sum(one: int | None, two: int | None) -> int | None:
    return None if one is None and two is None else (one or 0) + (two or 0)
