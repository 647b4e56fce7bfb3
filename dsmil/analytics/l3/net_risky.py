"""`net.risky_service`: an open service that lets people in, or talks in clear, by its nature.

Two sorts: protocols without encryption or worth of authentication (telnet, the r-services, X11, VNC, SMBv1), and
stores and controls that ask for no password unless told to (redis, docker's port 2375, ...). Where the output of a
script shows that a password is asked, the second sort is left alone; where it shows none is, the score rises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from dsmil.analytics import nodes
from dsmil.analytics.detector import Found, Seen
from dsmil.analytics.window import Table
from dsmil.config.detectors import L3
from dsmil.events.decision import severity_of
from dsmil.events.net import Host, Port, Ports, Script


class Rule(Struct, frozen=True):
    """One risky service: Nmap's names for it, the ports where a name may be a guess, and why it is risky.
    `guarded` ones are left alone where authentication was seen in front."""

    name: str
    services: frozenset[str]
    ports: frozenset[int]
    why: str
    guarded: bool = False
    proto: str = "tcp"


def _rule(name: str, services: str, ports: Iterable[int], why: str, **more: Any) -> Rule:
    return Rule(name, frozenset(services.split()), frozenset(ports), why, **more)


_CLEAR = "passwords and sessions cross the network in clear"
_TRUST = "it trusts the caller's address and sends everything in clear"
_OPEN = "it asks for no password unless configured to"
RULES = (
    _rule("telnet", "telnet", (23,), _CLEAR),
    _rule("rlogin", "login rlogin", (513,), _TRUST),
    _rule("rsh", "shell rsh", (514,), _TRUST),
    _rule("rexec", "exec rexec", (512,), _TRUST),
    _rule(
        "x11", "x11", range(6000, 6064), "whoever reaches it may read the screen and the keyboard", guarded=True
    ),
    _rule("vnc", "vnc", range(5900, 5904), "it gives the whole desktop behind a weak password or none"),
    _rule("docker", "docker", (2375,), "whoever reaches it is root on the host", guarded=True),
    _rule("redis", "redis", (6379,), _OPEN, guarded=True),
    _rule("memcached", "memcached memcache", (11211,), _OPEN, guarded=True),
    _rule("memcached", "memcached memcache", (11211,), _OPEN, guarded=True, proto="udp"),
    _rule("mongodb", "mongodb mongod", (27017, 27018), _OPEN, guarded=True),
    _rule("elasticsearch", "elasticsearch wap-wsp", (9200,), _OPEN, guarded=True),
    _rule("etcd", "etcd-client etcd", (2379,), _OPEN, guarded=True),
    _rule("couchdb", "couchdb", (5984,), _OPEN, guarded=True),
    _rule("zookeeper", "zookeeper", (2181,), _OPEN, guarded=True),
    _rule("adb", "adb", (5555,), "it gives a shell on the device", guarded=True),
    _rule("tftp", "tftp", (69,), "it knows no authentication", proto="udp"),
)
_PRODUCTS = (
    ("elasticsearch", "elasticsearch"),
    ("couchdb", "couchdb"),
    ("docker", "docker"),
    ("mongodb", "mongodb"),
)
"""Services that -sV calls http and names by their product."""
_BY_SERVICE = {(rule.proto, service): rule for rule in RULES for service in rule.services}
_BY_PORT = {(rule.proto, port): rule for rule in RULES for port in rule.ports}
_BY_NAME = {rule.name: rule for rule in RULES}
_GUARD = re.compile(
    r"auth(entication|orization)? (is )?required|requires? auth|NOAUTH|not authorized|unauthorized|access denied"
    r"|\b401\b",
    re.IGNORECASE,
)
_NO_GUARD = re.compile(
    r"access is granted|does not require auth|no authentication|security types:\s+None", re.IGNORECASE
)
_SMB1 = re.compile(r"SMBv1|NT LM 0\.12", re.IGNORECASE)
_SMB1_SCRIPTS = frozenset({"smb-protocols"})
SMB_PORT = 445
_SMB1_RULE = Rule("smbv1", frozenset(), frozenset(), "the protocol that worms came in by is still on")
RAISE_AT = 0.9


class Told(Struct):
    """A risky service that was told."""

    seen: float


class RiskyService:
    """Remembers which services it has told."""

    name = "net.risky_service"
    device = 19
    kinds = frozenset({"net.host", "net.ports"})

    def __init__(self, bounds: L3) -> None:
        self._bounds = bounds
        self.reset()

    def reset(self) -> None:
        """Forget what was told."""
        self._told: Table[str, Told] = Table(
            str, Told, count_max=self._bounds.entities_max, idle_s=self._bounds.idle_s
        )

    def dump(self) -> bytes:
        """What was told."""
        return self._told.dump()

    def restore(self, data: bytes) -> None:
        """Take over what `dump` gave."""
        self._told.restore(data)

    def observe(self, seen: Seen) -> Iterable[Found]:
        """A host, or a page of its ports."""
        said: Host | Ports = seen.payload
        out: list[Found] = []
        for port in said.ports:
            if port.state == "open":
                rule = rule_of(port)
                if rule is not None and not (rule.guarded and _says(port, _GUARD)):
                    out += self._tell(said.ip, port, rule, seen)
        if isinstance(said, Host):
            scripts = [*said.scripts, *(script for port in said.ports for script in port.scripts)]
            if any(script.id in _SMB1_SCRIPTS and _SMB1.search(script.output) for script in scripts):
                smb = Port(proto="tcp", port=SMB_PORT, state="open", service="microsoft-ds")
                out += self._tell(said.ip, smb, _SMB1_RULE, seen)
        return out

    def _tell(self, ip: str, port: Port, rule: Rule, seen: Seen) -> list[Found]:
        event, name, why = seen.event, rule.name, rule.why
        key = f"{ip}|{port.proto}/{port.port}|{name}"
        if self._told.touch(key, event.ingest_ts) is not None:
            return []
        self._told.put(key, Told(event.ingest_ts))
        bare = _says(port, _NO_GUARD)
        product = " ".join(filter(None, (port.product, port.version)))
        shown = f" ({product})" if product else ""
        proven = "; a script got in without a password" if bare else ""
        score = 0.95 if bare else 0.75
        return [
            Found(
                decision=self.name,
                score=score,
                entities=(nodes.host(ip), nodes.port(port.proto, port.port), nodes.service(port.service or name)),
                explanation=f"{ip} offers {name}{shown} on port {port.port}/{port.proto}: {why}{proven}.",
                refs=(event.event_id,),
                ts=event.ts,
                severity=severity_of(self.name).raised() if score >= RAISE_AT else None,
                features={
                    "ip": ip, "port": port.port, "proto": port.proto, "service": name, "product": port.product,
                    "version": port.version, "without_password": bare,
                },
            )
        ]  # fmt: skip


def rule_of(port: Port) -> Rule | None:
    """The rule an open port falls under. A probed name beats the port's usual tenant; inside TLS none holds."""
    if port.tunnel == "ssl":
        return None
    service = (port.service or "").lower()
    if service:
        x11 = service.startswith("x11")  # Nmap names displays X11:1, X11:2
        rule = _BY_SERVICE.get((port.proto, "x11" if x11 else service))
        if rule is not None and not (service == "shell" and port.port != 514):
            return rule
        product = (port.product or "").lower()
        return next((_BY_NAME[name] for word, name in _PRODUCTS if word in product), None)
    return _BY_PORT.get((port.proto, port.port))


def _says(port: Port, pattern: re.Pattern[str]) -> bool:
    return bool(pattern.search(port.extrainfo or "")) or any(_matches(one, pattern) for one in port.scripts)


def _matches(script: Script, pattern: re.Pattern[str]) -> bool:
    return pattern.search(script.output) is not None
