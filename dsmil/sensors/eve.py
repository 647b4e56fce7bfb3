"""Suricata's EVE log: flows, TLS and DNS as flows, alerts as alerts, anything else is left alone.

Suricata names a flow by one number in all its events, so an alert and the flow it was raised on get the same
`flow_id` here. Written against EVE of Suricata 4 to 8 (DNS version 2 and 3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from dsmil.events.enums import Category
from dsmil.events.envelope import TS_MAX
from dsmil.events.net import Alert, Flow
from dsmil.sensors.json_records import JsonRecords, Place
from dsmil.sensors.ndpi_fields import address, flow_id, l4_name, port, table, text, whole
from dsmil.sensors.record import Ignored, Item, Observation, Reason

STAMP_MAX = 40
"""Characters of an ISO 8601 time with its zone."""


class EveJson:
    """Parser of EVE lines: each line settles one record, read or left alone."""

    def __init__(self) -> None:
        self._records = JsonRecords(_read)

    def feed(self, data: bytes) -> Iterator[Item]:
        """Take more bytes (any cut), give what their lines hold."""
        return self._records.feed(data)

    def close(self) -> Iterator[Item]:
        """Settle a last line without a line end."""
        return self._records.close()


def sniff(head: bytes, name: str) -> float:
    """0 to 1: how sure these first bytes are an EVE log."""
    line = head.lstrip(b"\xef\xbb\xbf \t\r\n").split(b"\n", 1)[0]
    if line.startswith(b"{") and b'"event_type"' in line and b'"timestamp"' in line:
        return 0.95
    return 0.3 if line.startswith(b"{") and "eve" in name.lower() else 0.0


def _read(record: dict[str, Any], place: Place) -> Item:
    make = _MAKERS.get(record.get("event_type") if isinstance(record.get("event_type"), str) else "")
    if make is None:
        return Ignored() if "event_type" in record else place.reject(Reason.NOT_THIS_FORMAT, "no event_type")
    src, dst = address(record.get("src_ip")), address(record.get("dest_ip"))
    if src is None or dst is None:
        return place.reject(Reason.BAD_PAYLOAD, "an end of the flow is no address")
    src_port, dst_port = port(record.get("src_port")), port(record.get("dest_port"))
    l4 = l4_name(record.get("proto"))
    own = whole(record.get("flow_id"))
    ends = {
        "flow_id": flow_id(l4, (src, src_port), (dst, dst_port), own),
        "src_ip": src,
        "src_port": src_port,
        "dst_ip": dst,
        "dst_port": dst_port,
        "l4_proto": l4,
        "community_id": text(record.get("community_id")),
    }
    seen_ts = _stamp(record.get("timestamp"))
    payload, since = make(record, ends, seen_ts)
    return Observation(
        kind="net.alert" if isinstance(payload, Alert) else "net.flow",
        payload=payload,
        ts=seen_ts,
        since_ts=since,
        offset=place.offset,
        line=place.line,
        text=place.text,
        category=Category.NETWORK,
    )


Made = tuple[Flow | Alert, float | None]
"""A payload, and since when it holds."""


def _flow(record: dict[str, Any], ends: dict[str, Any], seen_ts: float | None) -> Made:
    flow = table(record.get("flow"))
    first = _stamp(flow.get("start"))
    made = Flow(
        l7_proto=_known_app(record.get("app_proto")),
        packets_src=whole(flow.get("pkts_toserver")),
        packets_dst=whole(flow.get("pkts_toclient")),
        bytes_src=whole(flow.get("bytes_toserver")),
        bytes_dst=whole(flow.get("bytes_toclient")),
        first_ts=first,
        last_ts=_stamp(flow.get("end")) or seen_ts,
        state=text(flow.get("state")),
        **ends,
    )
    return made, first


def _tls(record: dict[str, Any], ends: dict[str, Any], seen_ts: float | None) -> Made:
    tls = table(record.get("tls"))
    made = Flow(
        l7_proto="TLS",
        hostname=text(tls.get("sni")),
        ja3=text(table(tls.get("ja3")).get("hash")),
        ja4=text(tls.get("ja4")),
        encrypted=True,
        last_ts=seen_ts,
        state="tls",
        **ends,
    )
    return made, None


def _dns(record: dict[str, Any], ends: dict[str, Any], seen_ts: float | None) -> Made:
    dns = table(record.get("dns"))
    queries = dns.get("queries") or dns.get("query")
    first = table(queries[0]) if isinstance(queries, list) and queries else {}
    name = text(dns.get("rrname")) or text(first.get("rrname"))
    return Flow(l7_proto="DNS", hostname=name, last_ts=seen_ts, state="dns", **ends), None


def _alert(record: dict[str, Any], ends: dict[str, Any], seen_ts: float | None) -> Made:
    alert = table(record.get("alert"))
    made = Alert(
        signature=text(alert.get("signature")) or "",
        signature_id=whole(alert.get("signature_id")),
        category=text(alert.get("category")),
        severity=whole(alert.get("severity"), 255),
        **ends,
    )
    return made, _stamp(table(record.get("flow")).get("start"))


_MAKERS: dict[str | None, Callable[[dict[str, Any], dict[str, Any], float | None], Made]] = {
    "flow": _flow,
    "tls": _tls,
    "dns": _dns,
    "alert": _alert,
}


def _known_app(value: object) -> str | None:
    """The application protocol; Suricata says `failed` where it found none."""
    app = text(value)
    return None if app in ("failed", "unknown") else app


def _stamp(value: object) -> float | None:
    """Unix seconds of an ISO 8601 time; UTC where it names no zone (Suricata always names one)."""
    if not isinstance(value, str) or len(value) > STAMP_MAX:
        return None
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        return None
    try:
        unix_s = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, ValueError):
        return None
    return unix_s if 0 <= unix_s <= TS_MAX else None
