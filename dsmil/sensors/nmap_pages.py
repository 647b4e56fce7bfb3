"""Large hosts on pages: an event holds 64 KiB, a host may have every port of four protocols.

A host with more than 200 ports, or with more text than an event holds, is one `net.host` without ports and
then `net.ports` pages in order. Pages settle no record; `join_pages` makes the host whole again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from msgspec.structs import replace

from dsmil.events.enums import Category
from dsmil.events.net import Host, Port, Ports
from dsmil.sensors.record import Item, Observation

PORTS_PER_PAGE = 200
"""Ports an event carries (contract 2)."""
PAGE_BYTES_MAX = 48 * 1024
"""Encoded bytes of a payload; the other 16 KiB of an event are for its envelope and raw text."""

_ENCODER = msgspec.json.Encoder()


def pages(seen: Observation) -> Iterator[Observation]:
    """The event or events that tell one host (`seen.payload` is a `Host` with all its ports)."""
    host = seen.payload
    assert isinstance(host, Host), "pages() is for hosts"
    if len(host.ports) <= PORTS_PER_PAGE and (
        not _has_text(host) or len(_ENCODER.encode(host)) <= PAGE_BYTES_MAX
    ):
        yield seen
        return
    yield replace(seen, payload=replace(host, ports=()))
    cut = list(_cut(host.ports))
    for page, ports in enumerate(cut):
        payload = Ports(ip=host.ip, page=page, pages=len(cut), ports=tuple(ports))
        yield Observation(
            kind="net.ports",
            payload=payload,
            ts=seen.ts,
            since_ts=seen.since_ts,
            offset=seen.offset,
            line=seen.line,
            records=0,
            category=Category.NETWORK,
        )


def _has_text(host: Host) -> bool:
    """Whether size is in question: 200 ports of nothing but names are far below the bound."""
    if host.scripts or len(host.ports) > PORTS_PER_PAGE // 4:
        return True
    return any(port.scripts or port.cpe or port.product for port in host.ports)


def _cut(ports: tuple[Port, ...]) -> Iterator[list[Port]]:
    page: list[Port] = []
    size = 0
    for port in ports:
        length = len(_ENCODER.encode(port)) + 1
        if page and (len(page) == PORTS_PER_PAGE or size + length > PAGE_BYTES_MAX):
            yield page
            page, size = [], 0
        page.append(port)
        size += length
    if page:
        yield page


def join_pages(items: Iterable[Item]) -> Iterator[Item]:
    """The same items, each paged host joined with its pages into one observation that holds all its ports."""
    waiting: Observation | None = None
    ports: list[Port] = []
    for item in items:
        payload = item.payload if isinstance(item, Observation) else None
        if isinstance(payload, Ports) and waiting is not None:
            ports.extend(payload.ports)
            continue
        if waiting is not None:
            yield _joined(waiting, ports)
            waiting, ports = None, []
        if isinstance(payload, Host) and payload.ports_total > len(payload.ports):
            assert isinstance(item, Observation)
            waiting = item
        else:
            yield item
    if waiting is not None:
        yield _joined(waiting, ports)


def _joined(seen: Observation, ports: list[Port]) -> Observation:
    assert isinstance(seen.payload, Host), "only a host waits for its pages"
    return replace(seen, payload=replace(seen.payload, ports=tuple(ports)))
