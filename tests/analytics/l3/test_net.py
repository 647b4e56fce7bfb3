"""New hosts and services are told after the baseline, and only where an earlier scan looked; risks by nDPI's word."""

from __future__ import annotations

from typing import Any

import pytest

from dsmil.events.net import Flow, Host, Port, Ports, Risk, Scan, ScannedRange, Script

ARGS = "nmap -oX - 10.0.0.0/24"


def scan_of(
    world: Any, number: int, hosts: dict[str, list[int]], *, services: str = "1-1024", complete: bool = True,
    args: str = ARGS,
) -> list[Any]:  # fmt: skip
    """One scan as its events: each host, then the summary. Each scan is a file of its own."""
    source, start = f"nmap:scan{number}.xml", 1000.0 * number
    scan = Scan(
        args=args, start_ts=start, complete=complete, ranges=(ScannedRange(proto="tcp", services=services),)
    )
    events = [
        world.event(
            "net.host",
            Host(
                ip=ip, scan=scan, hostnames=("box",),
                ports=tuple(Port(proto="tcp", port=port, state="open", service="ssh") for port in ports),
            ),
            start, source=source, source_epoch=f"sha{number}",
        )
        for ip, ports in hosts.items()
    ]  # fmt: skip
    return [*events, world.event("net.scan", scan, start, source=source, source_epoch=f"sha{number}")]


BASE = {"10.0.0.1": [22], "10.0.0.2": [22, 80]}


def baseline(world: Any, **more: Any) -> list[Any]:
    return [*scan_of(world, 1, BASE, **more), *scan_of(world, 2, BASE, **more)]


def test_a_host_no_earlier_scan_found(world: Any, decide: Any) -> None:
    told = decide([*baseline(world), *scan_of(world, 3, BASE | {"10.0.0.9": [22, 443]})])
    assert [name for name, _, _ in told] == ["net.new_host"]
    _, event, payload = told[0]
    assert payload.entities == ("host:ip:10.0.0.9", "subnet:10.0.0.0/24") and event.source_device == 19
    assert "with 2 open ports (22/tcp, 443/tcp); 2 earlier complete scans" in payload.explanation


def test_a_service_no_earlier_scan_found_open(world: Any, decide: Any) -> None:
    later = BASE | {"10.0.0.1": [22, 443]}
    told = decide([*baseline(world), *scan_of(world, 3, later), *scan_of(world, 4, later)])
    assert [name for name, _, _ in told] == ["net.new_service"]
    assert told[0][2].entities == ("host:ip:10.0.0.1", "port:tcp/443", "svc:ssh")


def test_the_first_two_scans_are_the_baseline(world: Any, names: Any) -> None:
    second = BASE | {"10.0.0.9": [22], "10.0.0.1": [22, 23443]}
    assert names([*scan_of(world, 1, BASE), *scan_of(world, 2, second)]) == []


def test_an_aborted_scan_is_no_baseline(world: Any, names: Any) -> None:
    scans = [*scan_of(world, 1, BASE), *scan_of(world, 2, BASE, complete=False)]
    assert names([*scans, *scan_of(world, 3, BASE | {"10.0.0.9": [22]})]) == []


def test_a_wider_port_list_finds_nothing_new(world: Any, names: Any) -> None:
    wider = scan_of(world, 3, BASE | {"10.0.0.1": [22, 8080]}, services="1-65535")
    assert names([*baseline(world), *wider]) == []


def test_another_target_finds_nothing_new(world: Any, names: Any) -> None:
    wider = scan_of(world, 3, BASE | {"10.0.0.200": [22]}, args="nmap -oX - 10.0.0.0/24")
    assert names([*baseline(world, args="nmap -oX - 10.0.0.1-20"), *wider]) == []


def test_an_older_scan_ingested_late_finds_nothing_new(world: Any, names: Any) -> None:
    assert names([*baseline(world), *scan_of(world, 0, BASE | {"10.0.0.9": [22]})]) == []


def test_pages_of_a_large_host(world: Any, names: Any) -> None:
    large = scan_of(world, 3, {"10.0.0.1": []})[0]
    world.seq["nmap:scan3.xml"] = 1
    page = Ports(ip="10.0.0.1", page=0, pages=1, ports=(Port(proto="tcp", port=443, state="open"),))
    event = world.event("net.ports", page, 3000.0, source="nmap:scan3.xml", source_epoch="sha3")
    assert names([*baseline(world), large, event]) == ["net.new_service"]


def host(world: Any, *ports: Port, **more: Any) -> Any:
    return world.event("net.host", Host(ip="10.0.0.7", ports=ports, **more), 0, source="nmap:x.xml")


@pytest.mark.parametrize(
    ("number", "service", "proto"),
    [
        (23, "telnet", "tcp"), (2323, "telnet", "tcp"), (513, "login", "tcp"), (514, "shell", "tcp"),
        (512, "exec", "tcp"), (6000, "X11", "tcp"), (6001, "X11:1", "tcp"), (5900, "vnc", "tcp"),
        (2375, "docker", "tcp"), (6379, "redis", "tcp"), (11211, "memcache", "tcp"), (27017, "mongod", "tcp"),
        (9200, "wap-wsp", "tcp"), (6379, None, "tcp"), (11211, None, "udp"), (69, "tftp", "udp"),
    ],
)  # fmt: skip
def test_risky_services(world: Any, decide: Any, number: int, service: str | None, proto: str) -> None:
    event = host(world, Port(proto=proto, port=number, state="open", service=service))
    told = decide([event, host(world, Port(proto=proto, port=number, state="open", service=service))])
    assert [name for name, _, _ in told] == ["net.risky_service"]
    assert told[0][1].severity == "MEDIUM" and f"port {number}/{proto}" in told[0][2].explanation


@pytest.mark.parametrize(
    "port",
    [
        Port(proto="tcp", port=23, state="closed", service="telnet"),
        Port(proto="tcp", port=23, state="filtered", service="telnet"),
        Port(proto="udp", port=69, state="open|filtered", service="tftp"),
        Port(proto="tcp", port=23, state="open", service="ssh"),
        Port(proto="tcp", port=992, state="open", service="telnet", tunnel="ssl"),
        Port(proto="tcp", port=22, state="open", service="ssh"),
        Port(proto="udp", port=514, state="open", service="syslog"),
        Port(proto="tcp", port=6000, state="open", service="X11", extrainfo="access denied"),
        Port(proto="tcp", port=6379, state="open", service="redis",
             scripts=(Script(id="redis-info", output="NOAUTH Authentication required."),)),
        Port(proto="tcp", port=9200, state="open", service="http", product="nginx"),
    ],
)  # fmt: skip
def test_services_that_are_not(world: Any, names: Any, port: Port) -> None:
    assert names([host(world, port)]) == []


def test_proof_raises_it(world: Any, decide: Any) -> None:
    shown = Script(id="x11-access", output="X server access is granted")
    told = decide([host(world, Port(proto="tcp", port=6000, state="open", service="X11", scripts=(shown,)))])
    assert told[0][1].severity == "HIGH" and told[0][2].features["without_password"] is True


def test_smb_version_1_by_script(world: Any, names: Any) -> None:
    old = Script(
        id="smb-protocols", output="\n  dialects: \n    NT LM 0.12 (SMBv1) [dangerous, but default]\n    2:0:2"
    )
    new = Script(id="smb-protocols", output="\n  dialects: \n    2:0:2\n    3:1:1")
    open_445 = Port(proto="tcp", port=445, state="open", service="microsoft-ds")
    assert names([host(world, open_445, scripts=(old,))]) == ["net.risky_service"]
    assert names([host(world, open_445, scripts=(new,))]) == []


def flow(world: Any, *risks: Risk, number: int = 1) -> Any:
    seen = Flow(
        flow_id=f"f{number}", src_ip="10.0.0.5", src_port=50000, dst_ip="1.2.3.4", dst_port=443, l4_proto="TCP",
        l7_proto="TLS", hostname="evil.example", risks=risks,
    )  # fmt: skip
    return world.event("net.flow", seen, 0, source="ndpi:a.json")


@pytest.mark.parametrize(
    ("severity", "expected"),
    [("Low", None), ("Medium", None), ("High", "HIGH"), ("Severe", "HIGH"), ("Critical", "CRITICAL"),
     ("Emergency", "CRITICAL"), (None, None)],
)  # fmt: skip
def test_flow_risk_goes_by_the_word(world: Any, decide: Any, severity: str | None, expected: str | None) -> None:
    told = decide([flow(world, Risk(id=46, name="Unidirectional Traffic", severity=severity, score=500))])
    assert [event.severity for _, event, _ in told] == ([expected] if expected else [])


def test_a_flow_is_told_again_only_with_another_risk(world: Any, decide: Any) -> None:
    one, two = (
        Risk(name="Binary App Transfer", severity="Severe"),
        Risk(name="Possible Exploit Attempt", severity="High"),
    )
    told = decide([flow(world, one), flow(world, one), flow(world, one, two), flow(world, one, number=2)])
    assert [payload.features["risks"] for _, _, payload in told] == [one.name, two.name, one.name]
    assert told[0][2].entities == ("flow:f1", "host:ip:10.0.0.5", "host:ip:1.2.3.4")
    assert "from 10.0.0.5:50000 to evil.example (1.2.3.4:443) over TLS" in told[0][2].explanation
