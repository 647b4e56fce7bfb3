"""Node names are the graph's, and stay the same."""

from __future__ import annotations

from dsmil.analytics import nodes


def test_names() -> None:
    assert nodes.vessel(244660584) == "vessel:244660584"
    assert nodes.host("10.0.0.1") == "host:ip:10.0.0.1"
    assert nodes.port("tcp", 443) == "port:tcp/443" and nodes.service("ssh") == "svc:ssh"
    assert nodes.rf("Acurite", "12") == nodes.rf("Acurite", "12") != nodes.rf("Acurite", "13")
    assert nodes.rf("Acurite", None).startswith("rf:") and len(nodes.rf("Acurite", None)) == 19


def test_subnets() -> None:
    assert nodes.subnet_of("192.168.7.9") == "subnet:192.168.7.0/24"
    assert nodes.subnet_of("2001:db8::7") == "subnet:2001:db8::/64"
    assert nodes.subnet_of("not an address") is None
