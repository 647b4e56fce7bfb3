"""The graph's names for what observations speak of (contract 6).

One place, so that a decision and the graph mean the same node by the same text.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address, ip_network

from dsmil.events import ids

CHANNEL_HZ = 25_000.0
"""What has no id of its own is one emitter per channel of this width."""
SERVICE_CHARS_MAX = 64
"""Longest name of a service: Nmap's are below 20, what a flow meter prints may be anything."""
NAMES_CACHED = 65_536
"""Emitters and subnets asked for over and over; a name costs a hash otherwise."""
IPV4_SUBNET_BITS = 24
IPV6_SUBNET_BITS = 64
"""What one subnet is where a scan does not say: the usual size of one network segment."""


def vessel(mmsi: int) -> str:
    """`vessel:<mmsi>`."""
    return f"vessel:{mmsi}"


@lru_cache(NAMES_CACHED)
def rf(model: str, device_id: str | None) -> str:
    """`rf:<16 digits>` of an emitter's model and id."""
    return f"rf:{ids.digest(model, device_id or '')[:16]}"


def base(mmsi: int) -> str:
    """`base:<mmsi>`: a base station."""
    return f"base:{mmsi}"


def aton(mmsi: int) -> str:
    """`aton:<mmsi>`: an aid to navigation."""
    return f"aton:{mmsi}"


def emission(label: str | None, lower_hz: float | None, upper_hz: float | None) -> str:
    """`rf:<16 digits>` of an annotated emission: its label and the channel in the middle of its band."""
    lower, upper = lower_hz or 0.0, upper_hz or lower_hz or 0.0
    return rf(label or "emission", str(round((lower + upper) / 2 / CHANNEL_HZ)))


def signal(receiver: str, freq_hz: float) -> str:
    """`rf:<16 digits>` of something a receiver hears on a channel and nobody has named."""
    return rf(f"signal|{receiver}", str(round(freq_hz / CHANNEL_HZ)))


def host(ip: str) -> str:
    """`host:ip:<ip>`."""
    return f"host:ip:{ip}"


def port(proto: str, number: int) -> str:
    """`port:tcp/443`."""
    return f"port:{proto}/{number}"


def service(name: str) -> str:
    """`svc:<name>`."""
    return f"svc:{name[:SERVICE_CHARS_MAX]}"


def service_edge(ip: str, proto: str, number: int) -> str:
    """`he:service:<16 digits>` of a host's port, whatever service is found there."""
    return hyperedge("service", ip, proto, str(number))


def flow(flow_id: str) -> str:
    """`flow:<hash>`; the parser's flow id is the direction-free hash."""
    return f"flow:{flow_id}"


def source(name: str) -> str:
    """`source:<name>`: one of our own sources."""
    return f"source:{name}"


def hyperedge(kind: str, *parts: str) -> str:
    """`he:<kind>:<16 digits>` of what makes it this one."""
    return f"he:{kind}:{ids.digest(*parts)[:16]}"


@lru_cache(NAMES_CACHED)
def subnet_of(ip: str) -> str | None:
    """`subnet:<cidr>`: the /24 or /64 an address lies in, or null where the text is no address."""
    try:
        address = ip_address(ip)
    except ValueError:
        return None
    bits = IPV4_SUBNET_BITS if address.version == 4 else IPV6_SUBNET_BITS
    return f"subnet:{ip_network(f'{address}/{bits}', strict=False)}"
