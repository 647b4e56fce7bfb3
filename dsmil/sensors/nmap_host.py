"""One `<host>` element of an Nmap or masscan file as a `Host`.

Every text is cut to a bound, because scan output is attacker text and a host must fit into events. Element
and attribute names are those of nmap.dtd; masscan's XML is a subset with a `banner` of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, cast
from xml.etree.ElementTree import Element, ParseError, XMLPullParser, fromstring

from dsmil.events.envelope import TS_MAX, cut_text
from dsmil.events.net import Host, Os, Port, Scan, Script
from dsmil.sensors.record import Reason

TEXT_MAX = 512
"""Characters kept of a name or banner field."""
SCRIPT_BYTES_MAX = 4096
"""Bytes kept of one script's output (contract 2); the cut says where the rest stands."""
SCRIPTS_BYTES_MAX = 16 * 1024
"""Bytes kept of all scripts of one port, or of the host: an event holds 64 KiB with its JSON escapes."""
PORTS_MAX = 4 * 65536
"""Ports a host may have: every port of tcp, udp, sctp and ip. More is no scan."""
LIST_MAX = 32
"""Host names, OS guesses and CPEs kept of each: what stands behind the first dozens is noise."""
TRACE_MAX = 64
"""Hops kept of a route; Nmap itself gives up before."""
DEPTH_MAX = 32
"""Nesting of a file: Nmap's own script tables stay below 12."""
_DEPTH_ABOVE = 1  # <nmaprun> stands above a host
_CUT_NOTE = 64  # bytes left for the words that say what was cut
_WORD_MAX = 32


class Refused(Exception):
    """This host, or the rest of this file, will not be read: `reason`, and the detail as text."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def parse_host(data: bytes) -> Element | None:
    """The element in `data`, or null. Without a prolog there is nothing in it that could expand."""
    try:
        return fromstring(data)  # noqa: S314
    except ParseError:
        return None


def number(value: str | None, most: int) -> int | None:
    """Decimal digits as a number from 0 to `most`, else null."""
    if value is None or len(value) > 19 or not (value.isascii() and value.isdigit()):
        return None
    found = int(value)
    return found if found <= most else None


def unix_s(value: str | None) -> float | None:
    """Unix seconds as Nmap prints them, else null."""
    found = number(value, int(TS_MAX))
    return None if found is None else float(found)


def depth_is_fine(host: Element, data: bytes) -> bool:
    """Whether nothing in this host, parsed from `data`, is nested deeper than `DEPTH_MAX` from the file's root."""
    # Every element that holds another has an end tag, so few of them cannot be deep.
    if data.count(b"</") < DEPTH_MAX - _DEPTH_ABOVE:
        return True
    level = [host]
    for _ in range(DEPTH_MAX - _DEPTH_ABOVE):
        level = [child for element in level for child in element]
        if not level:
            return True
    return False


def read_port(element: Element, offset: int) -> Port:
    """A `<port>` of the host at byte `offset`."""
    get = element.get
    proto, word = get("protocol", "unknown"), get("portid", "")
    # A port id that is no number (seen in a normalised test file) is kept as 0, a port no service can have.
    number_ = int(word) if len(word) < 6 and word.isascii() and word.isdigit() else 0
    state, service, cpe, scripts = "unknown", {}, [], None
    for child in element:
        tag = child.tag
        if tag == "state":
            state = child.get("state", state)
        elif tag == "service":
            service = child.attrib
            cpe = [found.text[:TEXT_MAX] for found in child if found.tag == "cpe" and found.text]
            if "banner" in service:  # masscan's place for what Nmap's banner script says
                scripts = scripts or _Scripts(offset)
                scripts.take("banner", service["banner"])
        elif tag == "script":
            scripts = scripts or _Scripts(offset)
            scripts.take(child.get("id", ""), child.get("output", ""))
    some = service.get
    return Port(
        proto=proto[:_WORD_MAX],
        port=number_ if number_ < 65536 else 0,
        state=state[:_WORD_MAX],
        service=_some(some("name")),
        product=_some(some("product")),
        version=_some(some("version")),
        extrainfo=_some(some("extrainfo")),
        tunnel=_some(some("tunnel")),
        cpe=tuple(cpe[:LIST_MAX]),
        scripts=tuple(scripts.kept) if scripts else (),
    )


def read_host(element: Element, scan: Scan, offset: int, early: list[Port]) -> Host | None:
    """The `<host>` at byte `offset`, with the ports read `early` from it; null where it names no address."""
    facts = _Facts(offset)
    ports = early
    for child in element:
        tag = child.tag
        if tag == "ports":
            for port in child:
                if port.tag == "port":
                    ports.append(read_port(port, offset))
                elif port.tag == "extraports":
                    facts.take_extraports(port)
        elif tag == "address":
            facts.take_address(child)
        else:
            facts.take(child)
    if facts.ip is None:
        return None
    return Host(
        ip=facts.ip,
        ip_version=6 if ":" in facts.ip else 4,
        mac=facts.mac,
        vendor=facts.vendor,
        hostnames=facts.hostnames,
        # masscan tells no status: it lists who answered.
        state=facts.state or ("up" if ports else "unknown"),
        reason=facts.reason,
        os=facts.os,
        ports=tuple(ports),
        ports_total=len(ports),
        open_total=sum(port.state == "open" for port in ports),
        extraports=facts.extraports,
        scripts=tuple(facts.scripts.kept),
        distance=facts.distance,
        trace=facts.trace,
        scan=scan,
    )


class LargeHost:
    """A host too large for one piece: its ports are read as they end, so that no tree of them is kept."""

    def __init__(self, offset: int) -> None:
        self.ports: list[Port] = []
        self._offset = offset
        self._parser: XMLPullParser[Any] = XMLPullParser(("start", "end"))
        self._depth = 1
        self._root: Element | None = None

    def feed(self, data: bytes) -> None:
        """Read more of the host; ParseError or Refused where it cannot go on."""
        self._parser.feed(data)
        for event, element in cast(Iterator[tuple[str, Element]], self._parser.read_events()):
            if event == "start":
                self._root = element if self._root is None else self._root
                self._depth += 1
                if self._depth > DEPTH_MAX:
                    raise Refused(Reason.TOO_DEEP, f"nested deeper than {DEPTH_MAX}")
                continue
            self._depth -= 1
            if element.tag == "port":
                if len(self.ports) <= PORTS_MAX:
                    self.ports.append(read_port(element, self._offset))
                element.clear()
                element.tag = "read"
        if len(self.ports) > PORTS_MAX:
            raise Refused(Reason.OVERSIZED, f"more than {PORTS_MAX} ports")

    def element(self) -> Element:
        """The whole host, without the ports read."""
        self._parser.close()
        assert self._root is not None, "the parser would have failed"
        return self._root


class _Facts:
    """What a host tells beside its ports."""

    def __init__(self, offset: int) -> None:
        self.ip: str | None = None
        self.mac: str | None = None
        self.vendor: str | None = None
        self.state: str | None = None
        self.reason: str | None = None
        self.hostnames: tuple[str, ...] = ()
        self.os: tuple[Os, ...] = ()
        self.extraports: dict[str, int] = {}
        self.distance: int | None = None
        self.trace: tuple[str, ...] = ()
        self.scripts = _Scripts(offset)

    def take(self, child: Element) -> None:
        """Read one child of the host."""
        match child.tag:
            case "status":
                self.state = _some(child.get("state", "")[:_WORD_MAX])
                self.reason = _some(child.get("reason"))
            case "hostnames":
                names = [_some(name.get("name")) for name in child if name.tag == "hostname"]
                self.hostnames = tuple(dict.fromkeys([name for name in names if name]))[:LIST_MAX]
            case "os":
                matches = [match for match in child if match.tag == "osmatch"]
                self.os = tuple([_read_os(match) for match in matches[:LIST_MAX]])
            case "hostscript":
                for script in child.iterfind("script"):
                    self.scripts.take(script.get("id", ""), script.get("output", ""))
            case "distance":
                self.distance = number(child.get("value"), 255)
            case "trace":
                hops = (_some(hop.get("ipaddr")) for hop in child.iterfind("hop"))
                self.trace = tuple(hop for hop in hops if hop)[:TRACE_MAX]

    def take_address(self, child: Element) -> None:
        """Read an address; a type that is missing shows in the address itself."""
        value = child.get("addr", "")
        if child.get("addrtype") == "mac":
            self.mac = _some(value[:_WORD_MAX])
            self.vendor = _some(child.get("vendor"))
        elif self.ip is None and len(value) <= 64:
            self.ip = _canonical(value)

    def take_extraports(self, child: Element) -> None:
        """Add ports that are only counted, by their state."""
        state, count = child.get("state", "unknown")[:_WORD_MAX], number(child.get("count"), PORTS_MAX)
        if count and (state in self.extraports or len(self.extraports) < LIST_MAX):
            self.extraports[state] = self.extraports.get(state, 0) + count


class _Scripts:
    """The scripts of one port or host, cut to what an event can hold."""

    def __init__(self, offset: int) -> None:
        self.kept: list[Script] = []
        self._offset = offset
        self._room = SCRIPTS_BYTES_MAX

    def take(self, name: str, output: str) -> None:
        """Keep an output whole, or its beginning and where to find the rest."""
        if len(self.kept) >= SCRIPTS_BYTES_MAX // _CUT_NOTE:
            return
        most = min(SCRIPT_BYTES_MAX, max(self._room, _CUT_NOTE))
        if len(output) * 4 > most and len(output.encode("utf-8", "replace")) > most:
            kept = cut_text(output, most - _CUT_NOTE)
            output = f"{kept}... [cut: {len(output)} characters, host at byte {self._offset}]"
        self._room -= len(output)
        self.kept.append(Script(id=name[:TEXT_MAX], output=output))


def _read_os(match: Element) -> Os:
    cpe = [found.text[:TEXT_MAX] for kind in match for found in kind if found.text and found.tag == "cpe"]
    accuracy = number(match.get("accuracy"), 100)
    return Os(
        name=match.get("name", "")[:TEXT_MAX],
        accuracy=accuracy,
        cpe=tuple(dict.fromkeys(cpe))[:LIST_MAX],
    )


@lru_cache(maxsize=1024)  # a periodic scan tells the same hosts again
def _canonical(value: str) -> str | None:
    try:
        return str(ip_address(value))
    except ValueError:
        return None


def _some(value: str | None) -> str | None:
    """A text cut to its bound; null for none."""
    return value[:TEXT_MAX] if value else None
