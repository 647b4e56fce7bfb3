"""A made-up office network: scans as Nmap writes them, flows as ndpiReader writes them.

Addresses are of the documentation range 192.0.2.0/24 (RFC 5737). Two scans are the baseline; the third shows a
new host with telnet open, and one of the flows reaches it.
"""

from __future__ import annotations

import json
from random import Random
from xml.sax.saxutils import quoteattr

from msgspec import Struct

SUBNET = "192.0.2"
SERVICES = {22: "ssh", 80: "http", 443: "https", 23: "telnet"}
SCANNED = "22,23,80,443"


class Machine(Struct, frozen=True):
    """A host: the last number of its address, its open ports, its name."""

    last: int
    ports: tuple[int, ...]
    name: str


def office(rng: Random, count: int) -> list[Machine]:
    """`count` machines with some of ssh, http and https open."""
    return [
        Machine(10 + n, tuple(sorted(rng.sample((22, 80, 443), rng.randint(1, 3)))), f"pc{n}.example")
        for n in range(count)
    ]


def scan(machines: list[Machine], *, start_ts: float) -> str:
    """An Nmap run with -sV over the subnet, as XML."""
    start = int(start_ts)
    hosts = "\n".join(_host(machine, start) for machine in machines)
    down = 256 - len(machines)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE nmaprun>
<nmaprun scanner="nmap" args="nmap -sS -sV -p {SCANNED} {SUBNET}.0/24" start="{start}" version="7.93" \
xmloutputversion="1.05">
<scaninfo type="syn" protocol="tcp" numservices="4" services="{SCANNED}"/>
{hosts}
<runstats><finished time="{start + 60}" elapsed="60.00" exit="success"/>\
<hosts up="{len(machines)}" down="{down}" total="256"/></runstats>
</nmaprun>
"""


def _host(machine: Machine, start: int) -> str:
    ports = "".join(
        f'<port protocol="tcp" portid="{port}"><state state="open" reason="syn-ack" reason_ttl="64"/>'
        f'<service name="{SERVICES[port]}" method="probed" conf="10"/></port>'
        if port in machine.ports
        else f'<port protocol="tcp" portid="{port}"><state state="closed" reason="reset" reason_ttl="64"/></port>'
        for port in SERVICES
    )
    return (
        f'<host starttime="{start}" endtime="{start + 50}"><status state="up" reason="arp-response"/>'
        f'<address addr="{SUBNET}.{machine.last}" addrtype="ipv4"/>'
        f'<hostnames><hostname name={quoteattr(machine.name)} type="PTR"/></hostnames>'
        f"<ports>{ports}</ports></host>"
    )


def flow(number: int, ends: tuple[str, str, int], protocol: str, *, ts: float, risk: str | None = None) -> str:
    """One flow record of ndpiReader's JSON; `ends` are client, server and server port."""
    client, server, port = ends
    risks = {
        "8": {"risk": risk, "severity": "Severe", "risk_score": {"total": 250, "client": 125, "server": 125}}
    }
    record = {
        "src_ip": client, "dest_ip": server, "src_port": 40_000 + number, "dst_port": port, "ip": 4, "proto": "TCP",
        "ndpi": {
            "flow_risk": risks if risk else {}, "confidence": {"6": "DPI"}, "proto": protocol, "breed": "Acceptable",
            "category": "Web", "encrypted": int(protocol == "TLS"),
        },
        "first_seen": ts, "last_seen": ts + 2.0, "duration": 2.0,
        "xfer": {
            "src2dst_packets": 9, "src2dst_bytes": 900, "dst2src_packets": 8, "dst2src_bytes": 4000,
        },
    }  # fmt: skip
    return json.dumps(record)
