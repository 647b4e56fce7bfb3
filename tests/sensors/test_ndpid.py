"""nDPId's frames become flow events; damage costs what it hit, and reading finds the next frame."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from dsmil.events.net import Flow
from dsmil.sensors.ndpid import NdpidFrames, sniff
from dsmil.sensors.record import Ignored, Item, Observation, Reason, Reject, Tally


def frame(body: bytes) -> bytes:
    return b"%05d%s\n" % (len(body) + 1, body)


def end(flow_id: int = 1) -> bytes:
    return frame(
        b'{"flow_event_name":"end","flow_id":%d,"flow_first_seen":1700000000250000,"src_ip":"192.0.2.1",'
        b'"dst_ip":"192.0.2.2","src_port":1,"dst_port":2,"l4_proto":"tcp"}' % flow_id
    )


def items(data: bytes, step: int = 1 << 16) -> list[Item]:
    parser, out = NdpidFrames(), []
    for start in range(0, len(data), step):
        out.extend(parser.feed(data[start : start + step]))
    return [*out, *parser.close()]


def flows(found: list[Item]) -> list[Flow]:
    return [i.payload for i in found if isinstance(i, Observation) and isinstance(i.payload, Flow)]


def rejects(found: list[Item]) -> list[Reason]:
    return [i.reason for i in found if isinstance(i, Reject)]


def test_flow_events_are_told_and_others_left_alone(golden: Path) -> None:
    found = items((golden / "ndpi" / "made.ndpid").read_bytes())
    detected, ended, idle = flows(found)
    assert [f.state for f in (detected, ended, idle)] == ["detected", "end", "idle"]
    assert detected.flow_id == ended.flow_id != idle.flow_id
    assert (ended.l4_proto, ended.l7_proto, ended.hostname) == ("TCP", "TLS.Example", "www.example.org")
    assert (ended.bytes_src, ended.bytes_dst, ended.packets_src) == (300, 2000, 3)
    assert (ended.first_ts, ended.last_ts) == (1700000000.25, 1700000003.5)
    assert [(r.id, r.score) for r in ended.risks] == [(15, 10)]
    assert (idle.src_ip, idle.l4_proto, idle.src_port) == ("2001:db8::10", "ICMPV6", None)
    assert rejects(found) == []
    assert sum(isinstance(i, Ignored) for i in found) == 5 + 2, "five events, two lines of the report"


@pytest.mark.parametrize("step", [1, 4, 6, 997])
def test_any_cut_of_the_bytes_gives_the_same(golden: Path, step: int) -> None:
    data = (golden / "ndpi" / "made.ndpid").read_bytes() + b"garbage\n" + end(9)
    assert items(data, step) == items(data)


@pytest.mark.parametrize(
    ("between", "reasons"),
    [
        (b"", []),
        (b"\r\n\n", []),
        (b'and half of it"}\n', [Reason.NOT_THIS_FORMAT]),
        (b"no line end ", [Reason.NOT_THIS_FORMAT]),
        (end(2)[:60], [Reason.BAD_PAYLOAD]),
        (frame(b'{"a":NaN}'), [Reason.BAD_PAYLOAD]),
        (b'00003{"a":1}\n', [Reason.BAD_PAYLOAD, Reason.NOT_THIS_FORMAT]),
        (frame(b'{"flow_event_name":"end","src_ip":"x"}'), [Reason.BAD_PAYLOAD]),
        (frame(b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"), [Reason.TOO_DEEP]),
    ],
    ids=["nothing", "blank", "tail", "stray", "cut", "nan", "length", "address", "deep"],
)
def test_it_finds_the_next_frame(between: bytes, reasons: list[Reason]) -> None:
    found = items(end(1) + between + end(3))
    assert len(flows(found)) == 2
    assert rejects(found) == reasons


def test_entering_in_the_middle_of_a_message_costs_that_message() -> None:
    found = items(end(1)[20:] + end(2))
    assert len(flows(found)) == 1 and rejects(found) == [Reason.NOT_THIS_FORMAT]


def test_a_stream_that_ends_inside_a_frame_says_so() -> None:
    found = items(end(1) + end(2)[:-10])
    assert len(flows(found)) == 1 and rejects(found) == [Reason.TRUNCATED]


def test_the_place_is_that_of_the_frame() -> None:
    _, seen = [i for i in items(end(1) + end(2)) if isinstance(i, Observation)]
    assert (seen.offset, seen.line, seen.text) == (len(end(1)), 2, end(2).decode().strip())


def test_sniff_knows_a_frame() -> None:
    assert sniff(end(), "x") > 0.9
    assert sniff(b'{"a":1}', "x") == 0.0


@pytest.mark.data
def test_every_shared_frame_is_settled(shared_data: Path) -> None:
    for path in sorted((shared_data / "ndpi" / "ndpid-events").glob("*.gz")):
        data = gzip.decompress(path.read_bytes())
        found = items(data)
        assert rejects(found) == [], path.name
        tally = Tally()
        for item in found:
            tally.add(item)
        assert tally.received + tally.ignored == sum(bool(line) for line in data.split(b"\n")), path.name
