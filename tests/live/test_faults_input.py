"""Garbage, torn, hostile and oversized input by file, datagram and stream: counted, buried, and nothing stops."""

from __future__ import annotations

import gzip
import os
import socket
from random import Random
from typing import Any

import pytest
from pyais.encode import encode_dict

from dsmil.clock import SYSTEM
from dsmil.scenarios import network
from dsmil.store.loss import read_losses

pytestmark = pytest.mark.live
INGEST = ("rf-ingest", "ais-playback", "net-parser")
FAMILIES = ("ais", "rf", "nmap", "ndpi")
GOOD_SHIPS = 20


def sentences(many: int = GOOD_SHIPS, first: int = 0) -> bytes:
    found: list[str] = []
    for number in range(first, first + many):
        data = {"type": 1, "mmsi": 245_000_000 + number, "lat": 52.0, "lon": 4.0, "speed": 10.0, "course": 90.0}
        found += encode_dict(data)
    return ("\n".join(found) + "\n").encode()


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def hostile() -> dict[str, bytes]:
    """Files nobody should survive by luck."""
    rng = Random(7)
    packed = gzip.compress(sentences())
    return {
        "noise.nmea": rng.randbytes(200_000),
        "empty.nmea": b"",
        "nul.jsonl": b"\0" * 100_000,
        "one-line.nmea": b"A" * 3_000_000,
        "torn.nmea.gz": packed[: len(packed) // 2],
        "broken.nmea.gz": packed[:20] + rng.randbytes(50) + packed[70:],
        "bomb.nmea.gz": gzip.compress(b"!AIVDM," * 20 + b"\0" * 30_000_000),
        "deep.json": b"[" * 300_000,
        "deep.xml": b"<nmaprun>" + b"<host>" * 300_000,
        "laughs.xml": b'<?xml version="1.0"?><!DOCTYPE nmaprun [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
        b'<nmaprun scanner="nmap" start="1">&b;</nmaprun>',
        "outside.xml": b'<?xml version="1.0"?><!DOCTYPE nmaprun [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        b'<nmaprun scanner="nmap" start="1">&x;</nmaprun>',
        "torn.xml": network.scan(network.office(Random(1), 12), start_ts=1_700_000_000.0).encode()[:1500],
        "huge-number.jsonl": b'{"time":"2024-01-01 00:00:00","model":"x","id":' + b"9" * 100_000 + b"}\n",
        "nan.jsonl": b'{"time":"2024-01-01 00:00:00","model":"x","id":1,"freq":NaN,"rssi":1e999}\n',
        "escapes.jsonl": b'{"time":"2024-01-01 00:00:00","model":"\\u001b[2J\\ud800","id":1,"freq":433.9}\n',
        "-rf.nmea": b"!AIVDM,1,1,,A,,0*00\n",
        "line\nbreak\u202e.nmea": b"!AIVDM,9,9,,A,xxxx,0*00\n" * 50,
    }


def test_hostile_files(suites: Any) -> None:
    suite = suites(("drainer", *INGEST))
    suite.ready()
    files = hostile()
    for family in FAMILIES:
        for name, data in files.items():
            suite.drop(family, name, data)
        place = suite.settings.paths.drop / family
        (place / "link.nmea").symlink_to("/etc/passwd")
        os.mkfifo(place / "pipe.nmea")
        (place / "folder.nmea").mkdir()
        with (place / ".sparse").open("wb") as sparse:
            sparse.truncate(20 * 1024**3)
        (place / ".sparse").rename(place / "sparse.nmea")
    suite.drop("ais", "good.nmea", sentences())
    suite.drop("rf", "good.jsonl", _bursts())
    suite.drop("nmap", "good.xml", network.scan(network.office(Random(1), 12), start_ts=1_700_000_000.0).encode())
    suite.until(
        "the good ones are in", lambda: _kinds(suite) >= {"ais.position", "rf.burst", "net.host"}, within_s=60.0
    )
    suite.until("all are put away", lambda: not any(_left(suite, family) for family in FAMILIES), within_s=60.0)
    for name in INGEST:
        suite.until(f"{name} has counted", lambda name=name: suite.stat(name, "received") > 0)
        stats = suite.beat(name)["stats"]
        rejected = sum(value for key, value in stats.items() if key.startswith("rejected_"))
        assert stats["received"] == stats["accepted"] + rejected, stats
        assert stats["rejected"] == rejected > 0
    refused = suite.settings.paths.drop / "ais" / "rejected"
    assert "symbolic link" in (refused / "link.nmea.why").read_text()
    assert "oversized" in (refused / "sparse.nmea.why").read_text()
    assert not any("root:" in row.data.decode("utf-8", "replace") for row in suite.audit.rows())
    assert not any(suite.supervisor.restarts.values())


def _bursts() -> bytes:
    return b'{"time":"2024-01-01 00:00:00","model":"Nexus-TH","id":20,"freq":433.92,"rssi":-5.0,"snr":21.0}\n'


def _kinds(suite: Any) -> set[str]:
    return {row.kind for row in suite.audit.rows("L3_IN")}


def _left(suite: Any, family: str) -> list[str]:
    """Files still in a drop folder; a directory or a pipe there is nobody's."""
    place = suite.settings.paths.drop / family
    return [one.name for one in place.iterdir() if one.is_file() or one.is_symlink()]


def test_hostile_datagrams(suites: Any) -> None:
    ais, rf = free_port(), free_port()
    env = {"DSMIL_AIS_PLAYBACK_UDP": f"127.0.0.1:{ais}", "DSMIL_RF_INGEST_SYSLOG": f"127.0.0.1:{rf}"}
    suite = suites(("drainer", "ais-playback", "rf-ingest"), env=env)
    suite.ready()
    rng = Random(8)
    shots = [rng.randbytes(rng.randrange(1, 2000)) for _ in range(300)]
    shots += [
        b"",
        b"\0",
        b"A" * 60_000,
        b"!AIVDM,1,1,,A,15M67FC000G?ufbE`FepT@3n00Sa,0*00",
        b"{" * 50_000,
        b"<13>" * 99,
    ]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gun:
        for port in (ais, rf):
            suite.until("the port is open", lambda port=port: _bound(port))
            for shot in shots:
                gun.sendto(shot, ("127.0.0.1", port))
        for line in sentences().splitlines():
            gun.sendto(line, ("127.0.0.1", ais))
        gun.sendto(b"<13>1 2024-01-01T00:00:00Z host rtl_433 - - - " + _bursts().strip(), ("127.0.0.1", rf))
    suite.until("the good ones are in", lambda: _kinds(suite) >= {"ais.position", "rf.burst"})
    suite.until(
        "ships", lambda: sum(row.kind == "ais.position" for row in suite.audit.rows("L3_IN")) == GOOD_SHIPS
    )
    for name in ("ais-playback", "rf-ingest"):
        suite.until(f"{name} has counted", lambda name=name: suite.stat(name, "rejected") > 0)
        stats = suite.beat(name)["stats"]
        assert stats["received"] == stats["accepted"] + stats["rejected"], stats
    assert not any(suite.supervisor.restarts.values())


def _bound(port: int) -> bool:
    with open("/proc/net/udp", encoding="ascii") as table:
        return any(f"0100007F:{port:04X}" in line for line in table)


def test_poison_entries(suites: Any, jumps: Any) -> None:
    """What is no event, or no decision, on the streams themselves: buried by each reader, kept by the audit."""
    suite = suites(("drainer", "l3", "l4", "soc-router", "l8"))
    suite.ready()
    events = jumps(40)
    poison = [b"", b"{}", b"[]", b"\xff\xfe", b'{"event_id":1}', b"[" * 100_000, b'{"a":' * 5_000, b"x" * 200_000]
    wrong = (
        events[0].replace(b'"payload":{', b'"payload":{"mmsi":"many","x":', 1).replace(b"run-0-1", b"run-0-wrong")
    )
    for stream in ("L3_IN", "L3_OUT", "L4_OUT", "SOC_EVENTS"):
        suite.add(stream, [*poison, wrong])
    suite.redis.xadd("L3_IN", {"other": b"field"})
    suite.add("L3_IN", events)
    suite.until("all decided", lambda: _decided(suite) == 40)
    for stream, group in (("L3_IN", "l3"), ("L3_IN", "l4"), ("L3_OUT", "soc-router"), ("SOC_EVENTS", "l8")):
        suite.until(f"{group} is past it", lambda stream=stream, group=group: suite.caught_up(stream, group))
    suite.until("all audited", lambda: suite.all_in_audit(events))
    assert suite.redis.xlen("DEAD_LETTER") >= 4 * len(poison)
    kept = [row for row in suite.audit.rows("L3_IN") if row.kind == "undecodable"]
    assert len(kept) >= len(poison)
    assert not any(suite.supervisor.restarts.values()), suite.words()


def _decided(suite: Any) -> int:
    """How many vessels' jumps l3 has told, among what is no event."""
    rows = suite.redis.xrange("L3_OUT")
    return len({fields[b"event"] for _, fields in rows if b'"ais.jump"' in fields.get(b"event", b"")})


def test_id_of_the_far_future(suites: Any, jumps: Any) -> None:
    """One `XADD` with an id ahead of the clock pins all later ids; it is told, and nobody stops."""
    suite = suites(("drainer", "l3"))
    suite.ready()
    first, *rest = jumps(40)
    suite.redis.xadd("L3_IN", {"event": first}, id=f"{int(SYSTEM.now() + 86_400) * 1000}-0")
    suite.add("L3_IN", rest)
    suite.until("all decided", lambda: _decided(suite) == 40)
    suite.until("all audited", lambda: suite.all_in_audit([first, *rest]))
    suite.until("it is told", lambda: "id_ahead" in {row.kind for row in read_losses(suite.settings.paths.audit)})
