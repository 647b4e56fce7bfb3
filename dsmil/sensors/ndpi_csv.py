"""ndpiReader's CSV (`ndpiReader -C FILE`), read by the names in its header: 4.2 with commas, later ones with bars.

ndpiReader quotes nothing. A separator inside the server name moves all later columns to the right; the
counters behind the name, which can only be numbers, show by how much. Risks are not in this format.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

from dsmil.events.enums import Category
from dsmil.events.net import Flow
from dsmil.sensors.json_records import Place, raw_text
from dsmil.sensors.lines import Line, LineCutter
from dsmil.sensors.ndpi_fields import address, flow_id, l4_name, port, seconds, text, whole
from dsmil.sensors.record import Item, Observation, Reason, Reject

SEPARATORS = (",", "|", ";", "\t")
"""What a header may be cut at: the comma of 4.2, the bar of 4.4 and newer, and what a spreadsheet saves."""
SHIFT_MAX = 32
"""Separators a server name is tried with: a row of nothing but separators must not cost a second."""
_NEEDED = ("src_ip", "dst_ip", "ndpi_proto")
_COUNTERS = ("c_to_s_pkts", "c_to_s_bytes", "s_to_c_pkts", "s_to_c_bytes")
_NAME = "server_name_sni"
_JA3 = re.compile(r"[0-9a-f]{32}")
_JA4 = re.compile(r"[a-z0-9]{7,16}_[0-9a-f]{12}_[0-9a-f]{12}")


class NdpiCsv:
    """Parser of ndpiReader CSV: each row below a header settles one record."""

    def __init__(self) -> None:
        self._lines = LineCutter()
        self._columns: dict[str, int] = {}
        self._separator = ","

    def feed(self, data: bytes) -> Iterator[Item]:
        """Take more bytes (any cut), give the flows they complete."""
        for line in self._lines.feed(data):
            yield from self._item(line)

    def close(self) -> Iterator[Item]:
        """Settle a last line without a line end."""
        for line in self._lines.close():
            yield from self._item(line)

    def _item(self, line: Line) -> Iterator[Item]:
        offset, number, data = line
        if data is None:
            yield Reject(reason=Reason.TOO_LONG, offset=offset, line=number)
            return
        row = data.decode("utf-8-sig" if number == 1 else "utf-8", "replace").strip()
        if not row or self._is_header(row):
            return
        place = Place(offset, number, raw_text(data))
        if not self._columns:
            yield place.reject(Reason.NOT_THIS_FORMAT, "no header names the columns yet")
        else:
            yield self._flow(row, place)

    def _is_header(self, row: str) -> bool:
        """Take over the columns where the row is a header; files written one after another have several."""
        found = header(row)
        if found is None:
            return False
        self._columns, self._separator = found
        return True

    def _flow(self, row: str, place: Place) -> Item:
        cells = self._cut(row)
        columns = self._columns
        if len(cells) <= max(columns[name] for name in _NEEDED):
            return place.reject(Reason.BAD_PAYLOAD, "the row ends before its addresses")
        shift = self._shift(cells)

        def cell(name: str) -> str:
            at = columns.get(name, -1)
            at += shift if at > columns.get(_NAME, len(cells)) else 0
            return cells[at] if 0 <= at < len(cells) else ""

        src, dst = address(cell("src_ip")), address(cell("dst_ip"))
        if src is None or dst is None:
            return place.reject(Reason.BAD_PAYLOAD, "an end of the flow is no address")
        src_port, dst_port = port(cell("src_port")), port(cell("dst_port"))
        l4, first, last = l4_name(cell("protocol")), seconds(cell("first_seen")), seconds(cell("last_seen"))
        name_at = columns.get(_NAME, len(cells))
        flow = Flow(
            flow_id=flow_id(l4, (src, src_port), (dst, dst_port), whole(cell("flow_id")), first),
            src_ip=src,
            src_port=src_port,
            dst_ip=dst,
            dst_port=dst_port,
            l4_proto=l4,
            l7_proto=text(cell("ndpi_proto")),
            hostname=text(self._separator.join(cells[name_at : name_at + shift + 1])),
            packets_src=whole(cell("c_to_s_pkts")),
            packets_dst=whole(cell("s_to_c_pkts")),
            bytes_src=whole(cell("c_to_s_bytes")),
            bytes_dst=whole(cell("s_to_c_bytes")),
            first_ts=first,
            last_ts=last,
            # Text columns before these may hold separators too: only what looks like a fingerprint is one.
            ja3=cell("ja3c") if _JA3.fullmatch(cell("ja3c")) else None,
            ja4=cell("ja4c") if _JA4.fullmatch(cell("ja4c")) else None,
        )
        ts = first if last is None else last
        return Observation(
            kind="net.flow", payload=flow, ts=ts, since_ts=first, offset=place.offset, line=place.line,
            text=place.text, category=Category.NETWORK,
        )  # fmt: skip

    def _cut(self, row: str) -> list[str]:
        plain = row.split(self._separator)
        if '"' not in row:
            return plain
        try:
            cells = next(csv.reader([row], delimiter=self._separator), plain)
        except csv.Error:
            return plain
        # A quote mark that is only a character swallows the rest of the row.
        return cells if len(cells) >= len(self._columns) else plain

    def _shift(self, cells: list[str]) -> int:
        """How many separators stand in the server name: the least that puts numbers under the counters."""
        places = [self._columns[name] for name in _COUNTERS if name in self._columns]
        if not places or _NAME not in self._columns or min(places) < self._columns[_NAME]:
            return 0
        for shift in range(min(SHIFT_MAX, max(0, len(cells) - len(self._columns))) + 1):
            there = [cells[at + shift] for at in places if at + shift < len(cells)]
            if len(there) == len(places) and all(value.isascii() and value.isdigit() for value in there):
                return shift
        return 0


def header(row: str) -> tuple[dict[str, int], str] | None:
    """Columns by name and the separator, where `row` is an ndpiReader header; else null."""
    if not all(name in row for name in _NEEDED):
        return None
    for separator in SEPARATORS:
        names = [name.strip().strip('"').lower() for name in row.lstrip("#").split(separator)]
        if all(name in names for name in _NEEDED):
            return {name: at for at, name in reversed(list(enumerate(names)))}, separator
    return None


def sniff(head: bytes, name: str) -> float:
    """0 to 1: how sure these first bytes are ndpiReader CSV."""
    if header(head.split(b"\n", 1)[0].decode("utf-8-sig", "replace").strip()) is not None:
        return 0.95
    return 0.1 if name.endswith(".csv") else 0.0
