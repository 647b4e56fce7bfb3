"""Network observations: what a scanner or a flow meter saw of hosts and flows."""

from __future__ import annotations

from msgspec import Struct


class Os(Struct, frozen=True, kw_only=True):
    """An operating system guess; `accuracy` in percent."""

    name: str
    accuracy: int | None = None
    cpe: tuple[str, ...] = ()


class Script(Struct, frozen=True, kw_only=True):
    """Output of one Nmap script, cut at 4 KiB."""

    id: str
    output: str = ""


class Port(Struct, frozen=True, kw_only=True):
    """One scanned port. `state` is Nmap's word (open, closed, filtered, ...)."""

    proto: str
    port: int
    state: str
    service: str | None = None
    product: str | None = None
    version: str | None = None
    extrainfo: str | None = None
    tunnel: str | None = None
    cpe: tuple[str, ...] = ()
    scripts: tuple[Script, ...] = ()


class ScannedRange(Struct, frozen=True, kw_only=True):
    """What a scan looked at for one protocol (`scaninfo`): `services` is Nmap's list, e.g. `1-1024,8080`."""

    proto: str
    type: str = ""
    services: str = ""


class Scan(Struct, frozen=True, kw_only=True):
    """Kind `net.scan`, and the `scan` of each host: one run of a scanner."""

    scanner: str | None = None
    args: str | None = None
    version: str | None = None
    start_ts: float | None = None
    end_ts: float | None = None
    complete: bool = True
    hosts_up: int | None = None
    hosts_down: int | None = None
    hosts_total: int | None = None
    ranges: tuple[ScannedRange, ...] = ()


class Host(Struct, frozen=True, kw_only=True):
    """Kind `net.host`: one host of a scan. With more than 200 ports, `ports` is empty here and `net.ports`
    events of at most 200 each carry them; `ports_total` counts them, `open_total` the open ones."""

    ip: str
    ip_version: int = 4
    mac: str | None = None
    vendor: str | None = None
    hostnames: tuple[str, ...] = ()
    state: str = "up"
    reason: str | None = None
    os: tuple[Os, ...] = ()
    ports: tuple[Port, ...] = ()
    ports_total: int = 0
    open_total: int = 0
    extraports: dict[str, int] = {}
    scripts: tuple[Script, ...] = ()
    distance: int | None = None
    trace: tuple[str, ...] = ()
    scan: Scan = Scan()


class Ports(Struct, frozen=True, kw_only=True):
    """Kind `net.ports`: one page of a large host's ports, page 0 first."""

    ip: str
    page: int
    pages: int
    ports: tuple[Port, ...]


class Risk(Struct, frozen=True, kw_only=True):
    """One nDPI flow risk: severity is nDPI's word (Low, Medium, High, Severe, Critical, Emergency)."""

    id: int | None = None
    name: str = ""
    severity: str | None = None
    score: int | None = None


class Flow(Struct, frozen=True, kw_only=True):
    """Kind `net.flow`: one flow. `flow_id` is direction-free; times are Unix seconds or recording seconds."""

    flow_id: str
    src_ip: str
    src_port: int | None = None
    dst_ip: str = ""
    dst_port: int | None = None
    l4_proto: str | None = None
    l7_proto: str | None = None
    l7_category: str | None = None
    hostname: str | None = None
    risks: tuple[Risk, ...] = ()
    packets_src: int | None = None
    packets_dst: int | None = None
    bytes_src: int | None = None
    bytes_dst: int | None = None
    first_ts: float | None = None
    last_ts: float | None = None
    ja3: str | None = None
    ja4: str | None = None
    encrypted: bool | None = None
    community_id: str | None = None
    state: str | None = None


class Alert(Struct, frozen=True, kw_only=True):
    """Kind `net.alert`: a signature another tool (Suricata) raised. `severity` 1 is its worst."""

    src_ip: str
    src_port: int | None = None
    dst_ip: str = ""
    dst_port: int | None = None
    l4_proto: str | None = None
    signature: str = ""
    signature_id: int | None = None
    category: str | None = None
    severity: int | None = None
    flow_id: str | None = None
    community_id: str | None = None
