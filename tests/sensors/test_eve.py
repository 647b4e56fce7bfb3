"""Suricata's EVE lines become flows and alerts of one name a flow; other events are left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsmil.events.net import Alert, Flow
from dsmil.sensors.eve import EveJson, sniff
from dsmil.sensors.record import Ignored, Item, Observation, Reason, Reject


def items(data: bytes) -> list[Item]:
    parser = EveJson()
    return [*parser.feed(data), *parser.close()]


def test_flows_alerts_tls_and_dns_are_told(golden: Path) -> None:
    found = items((golden / "ndpi" / "made-eve.json").read_bytes())
    tls, alert, dns, flow = (i.payload for i in found if isinstance(i, Observation))
    assert [i.kind for i in found if isinstance(i, Observation)] == [
        "net.flow",
        "net.alert",
        "net.flow",
        "net.flow",
    ]
    assert isinstance(tls, Flow) and isinstance(alert, Alert) and isinstance(dns, Flow) and isinstance(flow, Flow)
    assert tls.flow_id == alert.flow_id == flow.flow_id != dns.flow_id, "from either end, in any event"
    assert (tls.hostname, tls.ja3, tls.encrypted) == ("www.example.org", "0123456789abcdef0123456789abcdef", True)
    assert (alert.signature, alert.signature_id, alert.severity) == ("MADE Test signature", 2000001, 3)
    assert (alert.src_ip, alert.dst_ip, alert.category) == ("198.51.100.20", "192.0.2.10", "Misc activity")
    assert (dns.hostname, dns.l7_proto, dns.l4_proto) == ("host.example.org", "DNS", "UDP")
    assert (flow.packets_src, flow.bytes_dst, flow.l7_proto, flow.state) == (5, 4000, "tls", "closed")
    assert (flow.first_ts, flow.last_ts) == (1700000000.25, 1700000003.5)
    assert flow.community_id == "1:bWFkZQ=="
    assert isinstance(found[-1], Ignored)


def test_the_published_sample_is_left_alone(golden: Path) -> None:
    """suricata-verify's one event is a `fileinfo`, which is none of ours."""
    assert items((golden / "ndpi" / "suricata-verify-fileinfo.eve.json").read_bytes()) == [Ignored()]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", Reason.BAD_PAYLOAD),
        (b'{"a":1}', Reason.NOT_THIS_FORMAT),
        (b'{"event_type":"flow","src_ip":"x"}', Reason.BAD_PAYLOAD),
        (b'{"event_type":"alert"}', Reason.BAD_PAYLOAD),
    ],
)
def test_a_bad_line_is_refused(line: bytes, reason: Reason) -> None:
    (found,) = items(line)
    assert isinstance(found, Reject) and found.reason == reason


@pytest.mark.parametrize("value", ["null", "[]", '"x"', "5", "{}", '[["x"]]', '"0001-01-01T00:00:00+14:00"'])
@pytest.mark.parametrize("field", ["flow", "alert", "tls", "dns", "timestamp", "flow_id", "event_type", "proto"])
def test_fields_of_another_type_do_no_harm(field: str, value: str) -> None:
    for kind in ("flow", "alert", "tls", "dns"):
        line = f'{{"event_type":"{kind}","src_ip":"192.0.2.1","dest_ip":"192.0.2.2","{field}":{value}}}'
        (found,) = items(line.encode())
        assert found.records == 1


def test_sniff_knows_an_event(golden: Path) -> None:
    assert sniff((golden / "ndpi" / "suricata-verify-fileinfo.eve.json").read_bytes(), "x") > 0.9
    assert sniff(b'{"ndpi":{}}', "x.json") == 0.0
