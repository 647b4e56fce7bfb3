"""ndpiReader's JSON lines (`ndpiReader -K json -k FILE`): one finished flow a line.

Written against nDPI 4.11; 3.x and 4.0 say `dst_ip` where later ones say `dest_ip`. Bytes are those of whole
frames. `flow_id` counts flows of one run, so with the first time it keeps two flows of the same ends apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dsmil.events.enums import Category
from dsmil.events.net import Flow
from dsmil.sensors.json_records import JsonRecords, Place
from dsmil.sensors.ndpi_fields import address, flow_id, l4_name, port, seconds, table, text, whole
from dsmil.sensors.ndpi_object import ndpi_part
from dsmil.sensors.record import Ignored, Item, Observation, Reason


class NdpiJson:
    """Parser of ndpiReader JSON lines: each line settles one record."""

    def __init__(self) -> None:
        self._records = JsonRecords(_read)

    def feed(self, data: bytes) -> Iterator[Item]:
        """Take more bytes (any cut), give the flows they complete."""
        return self._records.feed(data)

    def close(self) -> Iterator[Item]:
        """Settle a last line without a line end."""
        return self._records.close()


def sniff(head: bytes, name: str) -> float:
    """0 to 1: how sure these first bytes are ndpiReader JSON."""
    first = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not first.startswith(b"{"):
        return 0.0
    line = first.split(b"\n", 1)[0]
    if b'"ndpi"' in line and b'"src_ip"' in line and b'_event_name"' not in line:
        return 0.9
    return 0.2 if name.endswith((".json", ".jsonl")) else 0.1


def _read(record: dict[str, Any], place: Place) -> Item:
    if "src_ip" not in record:
        return Ignored()
    src = address(record.get("src_ip"))
    dst = address(record.get("dest_ip", record.get("dst_ip")))
    if src is None or dst is None:
        return place.reject(Reason.BAD_PAYLOAD, "an end of the flow is no address")
    flow = _flow(record, src, dst)
    return Observation(
        kind="net.flow",
        payload=flow,
        ts=flow.last_ts if flow.last_ts is not None else flow.first_ts,
        since_ts=flow.first_ts,
        offset=place.offset,
        line=place.line,
        text=place.text,
        category=Category.NETWORK,
    )


def _flow(record: dict[str, Any], src: str, dst: str) -> Flow:
    xfer = table(record.get("xfer"))
    src_port, dst_port = port(record.get("src_port")), port(record.get("dst_port"))
    l4 = l4_name(record.get("proto"))
    first = seconds(record.get("first_seen"))
    part = ndpi_part(record.get("ndpi"))
    part["community_id"] = text(record.get("community_id")) or part["community_id"]
    return Flow(
        flow_id=flow_id(l4, (src, src_port), (dst, dst_port), whole(record.get("flow_id")), first),
        src_ip=src,
        src_port=src_port,
        dst_ip=dst,
        dst_port=dst_port,
        l4_proto=l4,
        packets_src=whole(xfer.get("src2dst_packets")),
        packets_dst=whole(xfer.get("dst2src_packets")),
        bytes_src=whole(xfer.get("src2dst_bytes")),
        bytes_dst=whole(xfer.get("dst2src_bytes")),
        first_ts=first,
        last_ts=seconds(record.get("last_seen")),
        **part,
    )
