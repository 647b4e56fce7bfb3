"""ndpiReader's CSV becomes flows by the names of its columns, whatever stands in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsmil.events.net import Flow
from dsmil.sensors.ndpi_csv import NdpiCsv, sniff
from dsmil.sensors.record import Item, Observation, Reason, Reject


def items(data: bytes) -> list[Item]:
    parser = NdpiCsv()
    return [*parser.feed(data), *parser.close()]


def flows(found: list[Item]) -> list[Flow]:
    return [i.payload for i in found if isinstance(i, Observation) and isinstance(i.payload, Flow)]


def test_rows_of_4_2_are_read_by_their_header(golden: Path) -> None:
    tls, dns, icmp = flows(items((golden / "ndpi" / "made-ndpireader.csv").read_bytes()))
    assert (tls.l4_proto, tls.l7_proto, tls.hostname) == ("TCP", "TLS.Example", "www.example.org")
    assert (tls.packets_src, tls.packets_dst, tls.bytes_src, tls.bytes_dst) == (5, 4, 500, 4000)
    assert tls.ja3 == "0123456789abcdef0123456789abcdef"
    assert (dns.src_ip, dns.hostname) == ("2001:db8::10", "a,b,c.example.org"), "commas in a name move the rest"
    assert (dns.packets_src, dns.bytes_dst) == (1, 120)
    assert (icmp.l4_proto, icmp.bytes_src) == ("ICMP", 98), "a comma at the end moves nothing"


def test_rows_of_later_versions_stand_between_bars(golden: Path) -> None:
    (flow,) = flows(items((golden / "ndpi" / "made-ndpireader-bars.csv").read_bytes()))
    assert (flow.hostname, flow.bytes_dst, flow.ja4) == (
        "www.example.org",
        4000,
        "t13d1516h2_0123456789ab_0123456789ab",
    )


def test_csv_and_json_of_one_run_name_a_flow_the_same(golden: Path) -> None:
    from dsmil.sensors.ndpi_json import NdpiJson

    parser = NdpiJson()
    told = [*parser.feed((golden / "ndpi" / "made-ndpireader.jsonl").read_bytes()), *parser.close()]
    rows = flows(items((golden / "ndpi" / "made-ndpireader.csv").read_bytes()))
    assert rows[0].flow_id == flows(told)[0].flow_id


def test_columns_may_stand_in_any_order_and_headers_may_come_again() -> None:
    found = items(
        b"ndpi_proto;dst_ip;src_ip\nDNS;192.0.2.2;192.0.2.1\n"
        b'src_ip,dst_ip,"ndpi_proto"\n192.0.2.3,192.0.2.4,"HTTP"\n'
    )
    assert [(f.src_ip, f.dst_ip, f.l7_proto) for f in flows(found)] == [
        ("192.0.2.1", "192.0.2.2", "DNS"),
        ("192.0.2.3", "192.0.2.4", "HTTP"),
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"1,2,3\n", Reason.NOT_THIS_FORMAT),
        (b"src_ip,dst_ip,ndpi_proto\nx,192.0.2.1,HTTP\n", Reason.BAD_PAYLOAD),
        (b"src_ip,dst_ip,ndpi_proto\n192.0.2.1\n", Reason.BAD_PAYLOAD),
        (b"src_ip,dst_ip,ndpi_proto\n" + b"," * 70_000 + b"\n", Reason.TOO_LONG),
    ],
    ids=["no-header", "no-address", "short", "long"],
)
def test_a_bad_row_is_refused(data: bytes, reason: Reason) -> None:
    (found,) = items(data)
    assert isinstance(found, Reject) and found.reason == reason


def test_sniff_knows_the_header(golden: Path) -> None:
    for name in ("made-ndpireader.csv", "made-ndpireader-bars.csv"):
        assert sniff((golden / "ndpi" / name).read_bytes(), name) > 0.9
    assert sniff(b"MMSI,LAT,LON\n", "ais.csv") <= 0.1


@pytest.mark.data
def test_every_shared_row_is_read(shared_data: Path) -> None:
    for path in sorted((shared_data / "ndpi" / "ndpireader-csv").glob("*.csv")):
        data = path.read_bytes()
        found = items(data)
        rows = sum(bool(line.strip()) for line in data.split(b"\n")) - 1
        assert len(flows(found)) == len(found) == rows, path.name
