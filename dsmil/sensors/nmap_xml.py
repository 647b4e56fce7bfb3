"""Nmap's XML (`-oX`, and masscan's), streamed: each host comes out as its element ends, in the memory of one.

A damaged stretch costs the host it stands in, and reading goes on at the next host. A file that ends early
gives its complete hosts, says `complete: false`, and refuses the host that was cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from msgspec.structs import replace

from dsmil.events.enums import Category
from dsmil.events.net import Host, Port, Scan
from dsmil.sensors.json_records import RAW_BYTES_MAX, raw_text
from dsmil.sensors.nmap_cut import HostCutter, Piece
from dsmil.sensors.nmap_host import (
    DEPTH_MAX,
    PORTS_MAX,
    LargeHost,
    Refused,
    depth_is_fine,
    parse_host,
    read_host,
    unix_s,
)
from dsmil.sensors.nmap_outer import OuterElements, Place
from dsmil.sensors.nmap_pages import pages
from dsmil.sensors.nmap_scan import ScanElements
from dsmil.sensors.record import Item, Observation, Reason, Reject

CHUNK_BYTES = 64 * 1024
"""Bytes read at a time: bounds what stands between two looks at the limits."""
FILE_BYTES_MAX = 256 * 1024 * 1024
"""Longest file: a /8 with its open ports is below it."""
HOSTS_MAX = 1_000_000
"""Hosts of a file."""
HELD_HOSTS_MAX, HELD_PORTS_MAX = 512, 8192
"""Hosts held back until they can say whether their scan came to its end. Those of a larger scan leave at once
and say `complete: false`; for them the `net.scan` at the end has the word."""


class NmapXml:
    """Parser of Nmap and masscan XML: each host settles one record; each scan tells itself at its start, as far
    as known, and at its end (`net.scan`, no record). Hosts are told in the order of the file."""

    def __init__(self) -> None:
        self._cutter = HostCutter()
        self._outer = OuterElements(self)
        self._out: list[Item] = []
        self._held: list[Observation | Reject] = []
        self._held_ports = 0
        self._streaming = self._stopped = self._told_start = self._closing = False
        self._scan: ScanElements | None = None
        self._scan_at: Place = (0, 1)
        self._large: LargeHost | None = None
        self._begun: Piece | None = None  # the first piece of a host that has not ended
        self._head = b""
        self._read = self._hosts = 0

    def feed(self, data: bytes) -> Iterator[Item]:
        """Take more bytes (any cut), give the hosts they complete."""
        for start in range(0, len(data), CHUNK_BYTES):
            if self._stopped:
                return
            chunk = data[start : start + CHUNK_BYTES]
            self._head = self._head or chunk[:RAW_BYTES_MAX]
            self._read += len(chunk)
            if self._read > FILE_BYTES_MAX:
                self._stop(Reason.OVERSIZED, f"the file is longer than {FILE_BYTES_MAX} bytes")
            else:
                self._take(self._cutter.feed(chunk))
            yield from self._drain()

    def close(self) -> Iterator[Item]:
        """The file ended: settle a host that was cut, and tell how the scan ended."""
        self._closing = True
        if not self._stopped:
            self._take(self._cutter.close())
        if not self._stopped:
            self._finish_outer()
        if self._begun is not None:
            self._lose_host(Reason.TRUNCATED, "the file ends inside this host", self._begun)
        elif self._head and not self._outer.known and not self._hosts and not self._stopped:
            self._reject(Reason.NOT_THIS_FORMAT, "no <nmaprun> in it", (0, 1), self._head)
        self._end_scan(self._outer.place())
        yield from self._drain()

    def scan_began(self, scan: ScanElements, place: Place) -> None:
        """`<nmaprun>` (called by what reads around the hosts)."""
        self._end_scan(place)
        self._scan, self._scan_at = scan, place
        self._told_start = self._streaming = False

    def scan_ended(self, place: Place) -> None:
        """`</nmaprun>` (called by what reads around the hosts)."""
        self._end_scan(place)

    def damaged(self, detail: str, place: Place) -> None:
        """The XML around the hosts broke (called by what reads it). Before the first scan it is only a prefix:
        a log line, a banner."""
        if self._scan is not None:
            self._scan.damaged = True
        if self._outer.known or self._hosts:
            self._reject(Reason.BAD_PAYLOAD, detail, place)

    def _take(self, pieces: Iterator[Piece]) -> None:
        try:
            for piece in pieces:
                if piece.host:
                    self._take_host(piece)
                else:
                    self._outer.feed(piece)
        except Refused as refused:
            self._stop(refused.reason, str(refused))

    def _finish_outer(self) -> None:
        try:
            self._outer.close()
        except Refused as refused:
            self._stop(refused.reason, str(refused))

    def _take_host(self, piece: Piece) -> None:
        if piece.first:
            self._start_host(piece)
        begun = self._begun
        if begun is None or (self._closing and not piece.last):
            return  # the rest of a large host that was refused, or a host that was cut
        if piece.first and piece.last:
            self._read_small(piece)
            return
        if self._large is None:
            self._large = LargeHost(begun.offset)
        try:
            self._large.feed(piece.data)
            if piece.last:
                self._tell_host(self._large.element(), self._large.ports, piece=begun)
                self._begun = self._large = None
        except ParseError as error:
            self._lose_host(Reason.BAD_PAYLOAD, str(error), begun)
        except Refused as refused:
            self._lose_host(refused.reason, str(refused), begun)

    def _start_host(self, piece: Piece) -> None:
        self._hosts += 1
        if self._hosts > HOSTS_MAX:
            raise Refused(Reason.OVERSIZED, f"more than {HOSTS_MAX} hosts")
        if self._scan is None:  # the head of the file is missing, or was damaged
            self._scan = ScanElements({})
            self._scan.damaged = True
            self._scan_at = (piece.offset, piece.line)
            self._told_start = self._streaming = False
        self._tell_start()
        self._begun = piece

    def _read_small(self, piece: Piece) -> None:
        """A host in one piece. Where a host that was cut runs into the next one, that next one is saved."""
        self._begun = None
        element = parse_host(piece.data)
        if element is None:
            at = piece.data.rfind(b"<host ", 1)
            self._lose_host(Reason.BAD_PAYLOAD, "the host is not well-formed", piece)
            if at < 0:
                return
            line = piece.line + piece.data.count(b"\n", 0, at)
            piece = piece._replace(data=piece.data[at:], offset=piece.offset + at, line=line)
            self._hosts += 1
            element = parse_host(piece.data)
            if element is None:
                self._lose_host(Reason.BAD_PAYLOAD, "the host is not well-formed", piece)
                return
        if depth_is_fine(element, piece.data):
            self._tell_host(element, [], piece=piece)
        else:
            self._lose_host(Reason.TOO_DEEP, f"nested deeper than {DEPTH_MAX}", piece)

    def _tell_host(self, element: Element, early: list[Port], *, piece: Piece) -> None:
        assert self._scan is not None, "a host stands in a scan"
        host = read_host(element, self._scan.scan(), piece.offset, early)
        if host is None:
            self._lose_host(Reason.BAD_PAYLOAD, "the host names no address", piece)
            return
        if len(host.ports) > PORTS_MAX:
            self._lose_host(Reason.OVERSIZED, f"more than {PORTS_MAX} ports", piece)
            return
        start_ts, end_ts = unix_s(element.get("starttime")), unix_s(element.get("endtime"))
        ts = end_ts if end_ts is not None else start_ts
        seen = Observation(
            kind="net.host",
            payload=host,
            ts=ts if ts is not None else host.scan.start_ts,
            since_ts=start_ts,
            offset=piece.offset,
            line=piece.line,
            text=raw_text(piece.data),
            category=Category.NETWORK,
        )
        self._hold(seen, len(host.ports))

    def _lose_host(self, reason: Reason, detail: str, piece: Piece) -> None:
        if self._scan is not None:
            self._scan.damaged = True
        self._begun = self._large = None
        self._reject(reason, detail, (piece.offset, piece.line), piece.data)

    def _reject(self, reason: Reason, detail: str, place: Place, raw: bytes = b"") -> None:
        offset, line = place
        self._hold(Reject(reason=reason, detail=detail, offset=offset, line=line, text=raw_text(raw)), 0)

    def _stop(self, reason: Reason, detail: str) -> None:
        """Refuse the rest of the file."""
        self._stopped = True
        if self._begun is not None:
            self._lose_host(reason, detail, self._begun)
            return
        if self._scan is not None:
            self._scan.damaged = True
        self._reject(reason, detail, self._outer.place(), self._head)

    def _hold(self, item: Observation | Reject, ports: int) -> None:
        """Keep an item back until its scan is over, or until there are too many of them."""
        self._held.append(item)
        self._held_ports += ports
        if len(self._held) > HELD_HOSTS_MAX or self._held_ports > HELD_PORTS_MAX:
            self._streaming = True
        if self._streaming or self._scan is None:
            self._release(None)

    def _release(self, scan: Scan | None) -> None:
        """Give what was held; `scan` tells its hosts how their scan ended."""
        for item in self._held:
            if isinstance(item, Reject):
                self._out.append(item)
                continue
            told = item
            if scan is not None:
                assert isinstance(item.payload, Host), "only hosts and rejects are held"
                told = replace(item, payload=replace(item.payload, scan=scan))
            self._out.extend(pages(told))
        self._held.clear()
        self._held_ports = 0

    def _tell_start(self) -> None:
        if self._scan is not None and not self._told_start:
            self._told_start = True
            self._tell_scan(self._scan.scan(), self._scan_at)

    def _end_scan(self, place: Place) -> None:
        if self._scan is None:
            return
        self._tell_start()
        scan = self._scan.ended()
        self._release(scan)
        self._scan = None
        self._tell_scan(scan, place)

    def _tell_scan(self, scan: Scan, place: Place) -> None:
        ended = scan.end_ts is not None
        seen = Observation(
            kind="net.scan",
            payload=scan,
            ts=scan.end_ts if ended else scan.start_ts,
            since_ts=scan.start_ts if ended else None,
            offset=place[0],
            line=place[1],
            records=0,
            category=Category.NETWORK,
        )
        self._out.append(seen)

    def _drain(self) -> list[Item]:
        out, self._out = self._out, []
        return out


def sniff(head: bytes, name: str) -> float:
    """0 to 1: how sure these first bytes are Nmap XML."""
    if b"<nmaprun" in head:
        return 0.95
    if b"<!DOCTYPE nmaprun" in head or b"<!-- Nmap " in head:
        return 0.8
    return 0.3 if head.lstrip().startswith(b"<") or name.endswith(".xml") else 0.0
