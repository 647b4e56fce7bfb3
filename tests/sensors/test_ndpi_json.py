"""ndpiReader's JSON lines become flows, and every line is settled."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from dsmil.events.net import Flow
from dsmil.sensors.ndpi_json import NdpiJson, sniff
from dsmil.sensors.record import Ignored, Item, Observation, Reason, Reject

LINE = (
    b'{"src_ip":"192.0.2.1","dest_ip":"192.0.2.2","src_port":1,"dst_port":2,"proto":"TCP",'
    b'"ndpi":{"proto":"HTTP"}}\n'
)


def items(data: bytes, step: int = 1 << 16) -> list[Item]:
    parser, out = NdpiJson(), []
    for start in range(0, len(data), step):
        out.extend(parser.feed(data[start : start + step]))
    return [*out, *parser.close()]


def flows(found: list[Item]) -> list[Flow]:
    return [i.payload for i in found if isinstance(i, Observation) and isinstance(i.payload, Flow)]


def test_row_43_a_record_gives_two_hosts_and_a_flow_with_protocol_and_risk(golden: Path) -> None:
    """Row 43 as far as a parser goes: both ends, protocol and risk, `dest_ip` and `dst_ip`, IPv6, the same records
    when read again. The two nodes and the flow hyperedge come with the graph, in a later issue."""
    data = (golden / "ndpi" / "made-ndpireader.jsonl").read_bytes()
    found = items(data)
    tls, dns, http, ftp, icmp = flows(found)
    assert (tls.src_ip, tls.src_port, tls.dst_ip, tls.dst_port) == ("192.0.2.10", 50001, "198.51.100.20", 443)
    assert (tls.l4_proto, tls.l7_proto, tls.l7_category, tls.encrypted) == ("TCP", "TLS.Example", "Web", True)
    assert (tls.hostname, tls.ja3, tls.ja4) == (
        "www.example.org", "0123456789abcdef0123456789abcdef", "t12d0707h2_0123456789ab_0123456789ab",
    )  # fmt: skip
    assert (tls.packets_src, tls.packets_dst, tls.bytes_src, tls.bytes_dst) == (5, 4, 500, 4000)
    assert (tls.first_ts, tls.last_ts) == (1700000000.25, 1700000003.5)
    assert (dns.src_ip, dns.dst_ip) == ("2001:db8::10", "2001:db8::53")
    assert [(r.id, r.severity) for r in http.risks] == [(46, "Low"), (39, "High")]
    assert ftp.dst_ip == "198.51.100.22", "nDPI before 4.2 says dst_ip"
    assert (icmp.src_port, icmp.l4_proto) == (None, "ICMP")
    assert items(data) == found, "reading again gives the same records, so the same event ids"
    assert len({flow.flow_id for flow in flows(found)}) == 5


@pytest.mark.parametrize("step", [1, 5, 100])
def test_any_cut_of_the_bytes_gives_the_same(golden: Path, step: int) -> None:
    data = (golden / "ndpi" / "made-ndpireader.jsonl").read_bytes()
    assert items(data, step) == items(data)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"plain text", Reason.BAD_PAYLOAD),
        (b"[1,2]", Reason.NOT_THIS_FORMAT),
        (b'{"src_ip":"x","dest_ip":"192.0.2.2"}', Reason.BAD_PAYLOAD),
        (b'{"src_ip":"192.0.2.1"}', Reason.BAD_PAYLOAD),
        (b'{"src_ip":NaN}', Reason.BAD_PAYLOAD),
        (b'{"flow_id":' + b"9" * 5000 + b"}", Reason.BAD_PAYLOAD),
        (b"[" * 10_000, Reason.TOO_DEEP),
        (b'{"a":"' + b"x" * 70_000 + b'"}', Reason.TOO_LONG),
    ],
    ids=["text", "list", "no-address", "one-end", "nan", "digits", "deep", "long"],
)
def test_a_bad_line_is_refused_and_the_next_is_read(line: bytes, reason: Reason) -> None:
    found = items(line + b"\n\n" + LINE)
    assert [i.reason for i in found if isinstance(i, Reject)] == [reason]
    assert len(flows(found)) == 1
    assert sum(i.records for i in found) == 2


def test_a_bad_byte_in_a_name_costs_the_byte_alone() -> None:
    (flow,) = flows(items(LINE.replace(b'"HTTP"', b'"HTTP","hostname":"a\xffb"')))
    assert flow.hostname == "a\N{REPLACEMENT CHARACTER}b"


def test_an_object_that_is_no_flow_is_left_alone() -> None:
    assert items(b'{"statistics":{}}\n') == [Ignored()]


def test_the_place_is_that_of_the_line() -> None:
    _, seen = [i for i in items(LINE + LINE) if isinstance(i, Observation)]
    assert (seen.offset, seen.line, seen.text) == (len(LINE), 2, LINE.decode().strip())


def test_sniff_tells_the_json_formats_apart() -> None:
    assert sniff(LINE, "x") == 0.9
    assert sniff(b'{"timestamp":"x","event_type":"flow"}', "x") < 0.2
    assert sniff(b"<xml/>", "x.json") == 0.0


@pytest.mark.data
def test_every_shared_flow_is_read(shared_data: Path) -> None:
    count = 0
    for path in sorted((shared_data / "ndpi" / "ndpireader").iterdir()):
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        found = items(data)
        assert len(flows(found)) == len(found) == data.count(b"\n"), path.name
        assert len({flow.flow_id for flow in flows(found)}) == len(found), path.name
        count += len(found)
    assert count == 1186
