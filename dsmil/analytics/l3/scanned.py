"""What a scan looked at: the ports of its `scaninfo`, the addresses of its command line.

Only what two scans both looked at may be compared between them.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address, ip_network

RANGES_CACHED = 4096
"""Different port lists and command lines remembered parsed: a site has a handful."""
TARGETS_MAX = 256
"""Targets of one command line that are read; more are taken to cover everything."""
PORT_MAX = 65_535


@lru_cache(RANGES_CACHED)
def ports_of(services: str) -> tuple[tuple[int, int], ...]:
    """Nmap's port list `1-1024,8080` as (first, last) pairs; what cannot be read is left out."""
    spans = []
    for part in services.split(","):
        first, _, last = part.strip().partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            low, high = int(first), int(last or first)
            if low <= high <= PORT_MAX:
                spans.append((low, high))
    return tuple(spans)


def looked_at(looked: list[tuple[str, str]], proto: str, port: int) -> bool:
    """Whether one of some (protocol, port list) pairs holds a port."""
    return any(
        proto == kind and any(low <= port <= high for low, high in ports_of(services))
        for kind, services in looked
    )


@lru_cache(RANGES_CACHED)
def targets_of(args: str) -> tuple[tuple[int, int, int], ...]:
    """The addresses a command line names, as (version, first, last); empty where none can be read there."""
    spans = [span for word in args.split()[1:] if (span := _span(word)) is not None]
    return tuple(spans) if len(spans) <= TARGETS_MAX else ()


def aimed_at(args: str | None, ip: str) -> bool:
    """Whether a scan aimed at an address. True where its command line names no addresses (a list from a file,
    host names): then its subnet is all there is to go by."""
    targets = targets_of(args) if args else ()
    if not targets:
        return True
    try:
        address = ip_address(ip)
    except ValueError:
        return False
    return any(address.version == version and first <= int(address) <= last for version, first, last in targets)


def _span(word: str) -> tuple[int, int, int] | None:
    """`10.0.0.0/24`, `10.0.0.1-20`, `10.0.0.*` or an address; null for any other word."""
    try:
        if "/" in word:
            network = ip_network(word, strict=False)
            return network.version, int(network.network_address), int(network.broadcast_address)
        head, dot, tail = word.rpartition(".")
        if dot and tail == "*":
            return 4, int(ip_address(f"{head}.0")), int(ip_address(f"{head}.255"))
        if dot and "-" in tail and "-" not in head:
            low, _, high = tail.partition("-")
            return 4, int(ip_address(f"{head}.{low or 0}")), int(ip_address(f"{head}.{high or 255}"))
        address = ip_address(word)
        return address.version, int(address), int(address)
    except ValueError:
        return None
