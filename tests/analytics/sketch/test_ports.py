"""A port a later scan finds closed is said to be so on its edge, and only then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dsmil.analytics import nodes
from dsmil.events.net import Host, Port, Ports, Scan, ScannedRange

SSH = Port(proto="tcp", port=22, state="open", service="ssh")
WEB = Port(proto="tcp", port=443, state="open", service="https")
SHUT = Port(proto="tcp", port=22, state="closed", service="ssh")


def host(*ports: Port, looked: str = "1-1024", **more: Any) -> Host:
    scan = Scan(ranges=(ScannedRange(proto="tcp", services=looked),))
    return Host(**{"ip": "10.0.0.5", "ports": ports, "ports_total": len(ports), "scan": scan, **more})


def states(drawing: Any) -> dict[int, str]:
    services = [edge for edge in drawing.graph.edges.values() if edge.kind == "service"]
    return {edge.labels["port"]: edge.metadata["state"] for edge in services}


@pytest.mark.parametrize("together", [True, False])
def test_a_port_listed_as_closed_or_not_listed_where_it_was_looked_for_is_closed(
    drawing: Any, *, together: bool
) -> None:
    scans = [
        drawing.event("net.host", host(SSH, WEB)),
        drawing.event("net.host", host(SHUT), 10.0),
    ]
    if together:
        drawing.fold(*scans)
    else:
        for scan in scans:
            drawing.fold(scan)
    assert states(drawing) == {22: "closed", 443: "closed"}
    drawing.fold(drawing.event("net.host", host(SSH), 20.0))
    assert states(drawing) == {22: "open", 443: "closed"}
    assert len(drawing.graph.edges[nodes.service_edge("10.0.0.5", "tcp", 22)].nodes) == 3


@pytest.mark.parametrize(
    "later",
    [
        host(looked="80"), host(state="down", ports=()), host(ip="10.0.0.6"), host(ports=(), ports_total=300),
        Ports(ip="10.0.0.5", page=1, pages=2, ports=(WEB,)),
    ],
)  # fmt: skip
def test_what_a_scan_did_not_look_at_stays_open(drawing: Any, later: Host | Ports) -> None:
    drawing.fold(drawing.event("net.host", host(SSH)))
    kind = "net.ports" if isinstance(later, Ports) else "net.host"
    drawing.fold(drawing.event(kind, later, 10.0))
    assert states(drawing)[22] == "open"


def test_an_old_scan_read_late_closes_nothing_and_hides_no_later_closing(drawing: Any) -> None:
    drawing.fold(drawing.event("net.host", host(SSH), 100.0))
    drawing.fold(drawing.event("net.host", host(SHUT), 50.0))
    assert states(drawing) == {22: "open"}
    drawing.fold(drawing.event("net.host", host(SHUT), 150.0))
    assert states(drawing) == {22: "closed"}


def test_ports_never_open_are_not_told(drawing: Any) -> None:
    drawing.fold(drawing.event("net.host", host(SHUT)), drawing.event("net.host", host(SHUT), 10.0))
    assert states(drawing) == {}


def test_what_is_open_is_remembered_over_a_restart(drawings: Callable[..., Any]) -> None:
    before = drawings()
    before.fold(before.event("net.host", host(SSH)))
    after = drawings()
    after.sketch.restore(before.sketch.dump())
    (_, closed) = (one for one in after.draw(after.event("net.host", host(SHUT), 10.0)) if "edge" in one.kind)
    assert b'"state":"closed"' in bytes(closed.payload)
    after.sketch.reset()
    assert len(after.draw(after.event("net.host", host(SHUT), 20.0))) < 4
