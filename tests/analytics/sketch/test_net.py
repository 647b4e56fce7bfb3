"""Scans become hosts, open services and subnets; flows become hosts and an edge with protocol and risks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from dsmil.analytics import nodes
from dsmil.analytics.sketch import net
from dsmil.events.net import Alert, Flow, Host, Os, Port, Ports, Risk
from dsmil.sensors.files import open_regular
from dsmil.sensors.reading import Reading
from dsmil.sensors.record import Observation

SSH = Port(proto="tcp", port=22, state="open", service="ssh", product="OpenSSH", version="9.2")
WEB = Port(proto="tcp", port=443, state="open", service="https")
SHUT = Port(proto="tcp", port=23, state="closed", service="telnet")


def host(*ports: Port, **more: Any) -> Host:
    fields: dict[str, Any] = {"ip": "10.0.0.5", "ports": ports, "ports_total": len(ports), **more}
    return Host(open_total=sum(port.state == "open" for port in ports), **fields)


def test_row_42_a_host_its_open_ports_only_and_service_and_subnet_hyperedges(drawing: Any) -> None:
    said = host(
        SSH,
        WEB,
        SHUT,
        hostnames=("pc.example",),
        mac="00:11:22:33:44:55",
        vendor="ACME",
        os=(Os(name="Linux 5"),),
    )
    graph = drawing.fold(drawing.event("net.host", said))
    me = graph.nodes["host:ip:10.0.0.5"]
    assert me.kind == "host" and me.position is None and me.frequency is None
    assert me.labels == {
        "ip": "10.0.0.5", "hostname": "pc.example", "mac": "00:11:22:33:44:55", "vendor": "ACME", "os": "Linux 5",
        "service": ["ssh", "https"], "subnet": "10.0.0.0/24",
    }  # fmt: skip
    edges = {edge.nodes: edge for edge in graph.edges.values()}
    ssh = edges["host:ip:10.0.0.5", "port:tcp/22", "svc:ssh"]
    assert ssh.kind == "service" and ssh.id.startswith("he:service:") and ssh.metadata == {"state": "open"}
    assert ssh.labels == {"proto": "tcp", "port": 22, "service": "ssh", "product": "OpenSSH", "version": "9.2"}
    assert edges["host:ip:10.0.0.5", "subnet:10.0.0.0/24"].kind == "subnet"
    assert len(edges) == 3 and "port:tcp/23" not in graph.nodes
    assert {node.kind for node in graph.nodes.values()} == {"host", "port", "service", "subnet"}


def test_row_42_real_scans_give_the_hosts_of_the_file_and_the_same_again(
    drawings: Callable[..., Any], golden: Path
) -> None:
    for path in sorted((golden / "nmap").glob("*.xml")):
        drawing, said = drawings(), list(_read(path, "nmap"))
        graph = drawing.fold(*(drawing.event(one.kind, one.payload) for one in said))
        hosts = {one.payload.ip: one.payload for one in said if isinstance(one.payload, Host)}
        opened = {
            (one.payload.ip, port.proto, port.port)
            for one in said
            if isinstance(one.payload, Host | Ports)
            for port in one.payload.ports
            if port.state == "open"
        }
        assert {nodes.host(ip) for ip in hosts} == {n.id for n in graph.nodes.values() if n.kind == "host"}
        assert len([edge for edge in graph.edges.values() if edge.kind == "service"]) == len(opened)
        before = (dict(graph.nodes), dict(graph.edges))
        again = drawings()
        graph = again.fold(*(again.event(one.kind, one.payload) for one in said))
        assert _plain(graph.nodes) == _plain(before[0]) and _plain(graph.edges) == _plain(before[1])


def test_a_host_that_is_down_is_a_host_and_no_member_of_a_subnet(drawing: Any) -> None:
    graph = drawing.fold(drawing.event("net.host", Host(ip="10.0.0.9", state="down")))
    assert not graph.edges and graph.nodes["host:ip:10.0.0.9"].metadata == {"state": "down"}


def test_a_scan_that_finds_nothing_open_empties_the_list_and_one_that_did_not_look_leaves_it(
    drawing: Any,
) -> None:
    drawing.fold(drawing.event("net.host", host(SSH)))
    graph = drawing.fold(drawing.event("net.host", Host(ip="10.0.0.5"), 10.0))
    assert graph.nodes["host:ip:10.0.0.5"].labels["service"] == ["ssh"]
    graph = drawing.fold(drawing.event("net.host", host(extraports={"closed": 1000}), 20.0))
    assert "service" not in graph.nodes["host:ip:10.0.0.5"].labels


def test_a_large_host_comes_in_pages(drawing: Any) -> None:
    ports = [Port(proto="tcp", port=n, state="open", service=f"s{n}") for n in range(1, 401)]
    graph = drawing.fold(
        drawing.event("net.host", Host(ip="10.0.0.5", ports_total=400, open_total=400)),
        drawing.event("net.ports", Ports(ip="10.0.0.5", page=0, pages=2, ports=tuple(ports[:200]))),
        drawing.event("net.ports", Ports(ip="10.0.0.5", page=1, pages=2, ports=tuple(ports[200:]))),
    )
    me = graph.nodes["host:ip:10.0.0.5"]
    assert me.labels["service"][:2] == ["s1", "s2"] and me.metadata["open_total"] == 400
    assert len([edge for edge in graph.edges.values() if edge.kind == "service"]) == 400


def flow(**more: Any) -> Flow:
    fields: dict[str, Any] = {
        "flow_id": "f1", "src_ip": "10.0.0.5", "src_port": 5000, "dst_ip": "10.0.0.6", "dst_port": 443,
        "l4_proto": "TCP", "l7_proto": "TLS.Google", "hostname": "x.example", "bytes_src": 100, "bytes_dst": 50,
        "risks": (Risk(name="Known Proto on Non Std Port", severity="Medium"), Risk(name="TLS (probably)")),
        **more,
    }  # fmt: skip
    return Flow(**fields)


def test_row_43_a_flow_is_two_hosts_and_an_edge_with_protocol_and_risk(drawing: Any) -> None:
    graph = drawing.fold(drawing.event("net.flow", flow(packets_src=3, packets_dst=4)))
    edge = graph.edges["flow:f1"]
    assert edge.kind == "flow" and edge.nodes == ("host:ip:10.0.0.5", "host:ip:10.0.0.6", "svc:tls")
    assert edge.labels["risk"] == ["Known Proto on Non Std Port", "TLS (probably)"]
    assert edge.labels["l4_proto"] == "TCP" and edge.labels["l7_proto"] == "TLS.Google"
    assert edge.weight == 150.0 and edge.metadata["packets"] == 7
    assert {n.id: n.labels for n in graph.nodes.values() if n.kind == "host"} == {
        "host:ip:10.0.0.5": {"ip": "10.0.0.5"}, "host:ip:10.0.0.6": {"ip": "10.0.0.6"},
    }  # fmt: skip


def test_row_43_ipv6_and_real_records_give_their_distinct_addresses_and_flows(
    drawings: Callable[..., Any], golden: Path
) -> None:
    found = 0
    for path in sorted((golden / "ndpi").iterdir()):
        said = [one for one in _read(path, "ndpi") if isinstance(one.payload, Flow | Alert)]
        drawing = drawings()
        graph = drawing.fold(*(drawing.event(one.kind, one.payload) for one in said))
        ends = {nodes.host(ip) for one in said for ip in (one.payload.src_ip, one.payload.dst_ip) if ip}
        assert {node.id for node in graph.nodes.values() if node.kind == "host"} == ends
        flows = {nodes.flow(one.payload.flow_id) for one in said if isinstance(one.payload, Flow)}
        assert {edge.id for edge in graph.edges.values() if edge.kind == "flow"} == flows
        found += len(flows)
    assert found
    v6 = drawings()
    graph = v6.fold(v6.event("net.flow", flow(src_ip="2001:db8::1", dst_ip="2001:db8::2")))
    assert graph.edges["flow:f1"].nodes[:2] == ("host:ip:2001:db8::1", "host:ip:2001:db8::2")


def test_a_later_report_of_a_flow_stands_in_place_of_the_one_before(drawing: Any) -> None:
    drawing.fold(drawing.event("net.flow", flow()))
    graph = drawing.fold(drawing.event("net.flow", flow(bytes_src=900), 5.0))
    assert graph.edges["flow:f1"].weight == 950.0


def test_a_flow_to_itself_and_one_of_unknown_protocol(drawing: Any) -> None:
    graph = drawing.fold(
        drawing.event("net.flow", flow(dst_ip="10.0.0.5", l7_proto="Unknown")),
        drawing.event("net.flow", flow(flow_id="f2", l7_proto=None, risks=(), bytes_src=None, bytes_dst=None)),
    )
    assert graph.edges["flow:f1"].nodes == ("host:ip:10.0.0.5",)
    assert graph.edges["flow:f2"].nodes == ("host:ip:10.0.0.5", "host:ip:10.0.0.6")
    assert graph.edges["flow:f2"].weight == 0.0 and "risk" not in graph.edges["flow:f2"].labels


def test_alerts_of_one_signature_between_two_ends_are_one_edge(drawing: Any) -> None:
    said = Alert(
        src_ip="10.0.0.5", dst_ip="10.0.0.6", signature="ET SCAN", signature_id=1, severity=2, flow_id="f1"
    )
    first, second = drawing.event("net.alert", said), drawing.event("net.alert", said, 1.0)
    (edge,) = drawing.fold(first, second).edges.values()
    assert edge.id.startswith("he:alert:") and edge.kind == "alert" and len(edge.nodes) == 2
    assert edge.metadata["event_id"] == second.event_id and edge.metadata["flow"] == "flow:f1"


def test_names_from_outside_are_cut(drawing: Any) -> None:
    long, some = "x" * 3000, "\x01" * 200
    ports = tuple(
        Port(proto="tcp", port=n, state="open", service=f"{n}{some}", product=some) for n in range(1, 16)
    )
    said = host(*ports, hostnames=(long,), vendor=long, os=(Os(name=long),))
    graph = drawing.fold(drawing.event("net.host", said))
    me = graph.nodes["host:ip:10.0.0.5"]
    assert drawing.sketch.left_out == 0 and len(me.labels["hostname"]) == 256
    assert len(me.labels["service"]) == 15 and len(max(graph.nodes, key=len)) == 68


@pytest.mark.parametrize("name", [None, "", "Unknown", "unknown"])
def test_no_protocol_is_none(name: str | None) -> None:
    assert net.protocol(name) is None


def _read(path: Path, family: str) -> Iterable[Observation]:
    with open_regular(path) as file:
        for item in Reading(file, family, path.name, path=path, options={}):
            if isinstance(item, Observation):
                yield item


def _plain(entities: Any) -> Any:
    return {key: one.to_dict() for key, one in dict(entities).items()}
