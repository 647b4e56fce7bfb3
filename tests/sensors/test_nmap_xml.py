"""Nmap and masscan XML become hosts and scans: whole, cut, damaged, large or hostile."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from dsmil.events.net import Host, Scan
from dsmil.sensors import nmap_host, nmap_xml
from dsmil.sensors.nmap_pages import join_pages
from dsmil.sensors.nmap_xml import NmapXml, sniff
from dsmil.sensors.record import Item, Observation, Reason, Reject, Tally

HEAD = (
    b'<?xml version="1.0"?>\n<!DOCTYPE nmaprun>\n'
    b'<nmaprun scanner="nmap" args="nmap -sV" start="1700000000" version="7.94">\n'
)
FOOT = b'<runstats><finished time="1700000100"/><hosts up="1" down="0" total="1"/></runstats></nmaprun>\n'


def host(ip: str = "192.0.2.1", inner: bytes = b"") -> bytes:
    return (
        b'<host starttime="1700000001" endtime="1700000002"><status state="up" reason="arp"/>'
        b'<address addr="%s" addrtype="ipv4"/>%s</host>\n' % (ip.encode(), inner)
    )


def port(number: int, state: str = "open", inner: bytes = b"") -> bytes:
    return b'<port protocol="tcp" portid="%d"><state state="%s"/>%s</port>' % (number, state.encode(), inner)


def items(data: bytes, step: int = 1 << 16) -> list[Item]:
    parser, out = NmapXml(), []
    for start in range(0, len(data), step):
        out.extend(parser.feed(data[start : start + step]))
    return [*out, *parser.close()]


def hosts(found: Iterable[Item]) -> list[Host]:
    return [i.payload for i in join_pages(found) if isinstance(i, Observation) and isinstance(i.payload, Host)]


def scans(found: Iterable[Item]) -> list[Scan]:
    return [i.payload for i in found if isinstance(i, Observation) and isinstance(i.payload, Scan)]


def rejects(found: Iterable[Item]) -> list[Reject]:
    return [i for i in found if isinstance(i, Reject)]


def test_row_42_real_xml_gives_hosts_and_their_open_ports_and_the_same_again(golden: Path) -> None:
    """Row 42 as far as a parser goes: hosts, open ports counted alone, the same records when read again, entity
    bombs refused. Service and subnet hyperedges come with the graph, in a later issue."""
    data = (golden / "nmap" / "libnmap-1_hosts_banner.xml").read_bytes()
    found = items(data)
    (one,) = hosts(found)
    assert one.ip and one.state == "up" and one.open_total == 5
    assert sum(p.state == "open" for p in one.ports) == 5
    assert items(data) == found, "reading again gives the same records, so the same event ids"
    for bomb in ("hostile-billion-laughs.xml", "hostile-xxe-file.xml"):
        found = items((golden / "nmap" / bomb).read_bytes())
        assert hosts(found) == []
        assert [r.reason for r in rejects(found)] == [Reason.ENTITY_REFUSED]


def test_a_host_tells_all_its_facts() -> None:
    ssh_facts = (
        b'<service name="ssh" product="OpenSSH" version="9.2" extrainfo="p" tunnel="ssl" method="probed" conf="10">'
        b"<cpe>cpe:/a:openbsd:openssh:9.2</cpe></service>"
        b'<script id="s" output="&lt;x&gt;&#xa;"><elem key="k">v</elem></script>'
    )
    inner = (
        b'<address addr="02:00:00:00:00:01" addrtype="mac" vendor="Acme"/>'
        b'<hostnames><hostname name="a.example.org" type="PTR"/><hostname name="a.example.org"/></hostnames>'
        b'<ports><extraports state="closed" count="998"/><extraports state="filtered" count="x"/>'
        + port(22, inner=ssh_facts)
        + port(25, "closed")
        + b'</ports><os><osmatch name="Linux 6" accuracy="97"><osclass type="x">'
        b"<cpe>cpe:/o:linux:linux_kernel:6</cpe></osclass></osmatch></os>"
        b'<distance value="3"/><trace><hop ttl="1" ipaddr="192.0.2.254"/><hop ttl="2" ipaddr="198.51.100.1"/></trace>'
        b'<hostscript><script id="h" output="o"/></hostscript>'
    )
    found = items(HEAD + b'<scaninfo type="syn" protocol="tcp" services="1-1000"/>' + host(inner=inner) + FOOT)
    (one,) = hosts(found)
    assert (one.ip, one.ip_version, one.mac, one.vendor) == ("192.0.2.1", 4, "02:00:00:00:00:01", "Acme")
    assert one.hostnames == ("a.example.org",)
    assert (one.state, one.reason) == ("up", "arp")
    assert one.extraports == {"closed": 998}
    assert (one.distance, one.trace) == (3, ("192.0.2.254", "198.51.100.1"))
    assert one.os[0].name == "Linux 6"
    assert one.os[0].accuracy == 97 and one.os[0].cpe == ("cpe:/o:linux:linux_kernel:6",)
    ssh = one.ports[0]
    assert (ssh.service, ssh.product, ssh.version, ssh.extrainfo, ssh.tunnel) == (
        "ssh",
        "OpenSSH",
        "9.2",
        "p",
        "ssl",
    )
    assert ssh.cpe == ("cpe:/a:openbsd:openssh:9.2",)
    assert [(s.id, s.output) for s in ssh.scripts] == [("s", "<x>\n")]
    assert [(s.id, s.output) for s in one.scripts] == [("h", "o")]
    assert (one.ports_total, one.open_total) == (2, 1)
    assert one.scan.complete and one.scan.ranges[0].services == "1-1000" and one.scan.args == "nmap -sV"


def test_places_and_times_are_those_of_the_file() -> None:
    data = HEAD + host() + host("192.0.2.2") + FOOT
    seen = [i for i in items(data) if isinstance(i, Observation) and i.kind == "net.host"]
    assert [data[i.offset : i.offset + 6] for i in seen] == [b"<host ", b"<host "]
    assert [i.line for i in seen] == [4, 5]
    assert seen[1].text == host("192.0.2.2").decode().strip()
    assert (seen[0].ts, seen[0].since_ts) == (1700000002.0, 1700000001.0)


def test_a_scan_tells_its_start_and_its_end() -> None:
    start, end = scans(items(HEAD + host() + FOOT))
    assert (start.complete, start.end_ts) == (False, None)
    assert end.complete
    assert (end.start_ts, end.end_ts, end.hosts_up, end.hosts_total) == (1700000000.0, 1700000100.0, 1, 1)


@pytest.mark.parametrize("step", [1, 3, 64, 1000])
def test_any_cut_of_the_bytes_gives_the_same(golden: Path, step: int) -> None:
    data = (golden / "nmap" / "libnmap-2_hosts.xml").read_bytes()
    assert items(data, step) == items(data)


def test_a_cut_file_gives_its_complete_hosts_and_says_so(golden: Path) -> None:
    found = items((golden / "nmap" / "bad-truncated-full_sudo6.xml").read_bytes())
    assert len(hosts(found)) == 252
    assert not any(h.scan.complete for h in hosts(found))
    assert not scans(found)[-1].complete
    assert [r.reason for r in rejects(found)] == [Reason.TRUNCATED]
    tally = Tally()
    for item in found:
        tally.add(item)
    assert (tally.received, tally.accepted) == (253, 252)


def test_a_scan_stopped_before_its_first_host_rejects_nothing(golden: Path) -> None:
    found = items((golden / "nmap" / "gen-lo-sigint.xml").read_bytes())
    assert rejects(found) == [] and hosts(found) == []
    assert [s.complete for s in scans(found)] == [False, False]


def test_a_damaged_host_costs_itself_alone() -> None:
    bad = host("192.0.2.2").replace(b"<status", b"<<status")
    cut = host("192.0.2.3").split(b"<address")[0]
    found = items(HEAD + host() + bad + cut + host("192.0.2.4") + FOOT)
    assert [h.ip for h in hosts(found)] == ["192.0.2.1", "192.0.2.4"]
    assert [r.reason for r in rejects(found)] == [Reason.BAD_PAYLOAD, Reason.BAD_PAYLOAD]
    assert not scans(found)[-1].complete


def test_damage_around_the_hosts_is_told_and_stepped_over() -> None:
    found = items(HEAD + host() + b"<verbose level=5>\n" + host("192.0.2.2") + FOOT)
    assert [h.ip for h in hosts(found)] == ["192.0.2.1", "192.0.2.2"]
    assert [r.reason for r in rejects(found)] == [Reason.BAD_PAYLOAD]


def test_comments_bad_bytes_and_prefixes_are_stepped_over(golden: Path) -> None:
    assert len(hosts(items((golden / "nmap" / "scb-ftp.xml").read_bytes()))) == 1
    comment = b"<!-- <host > is not a host -->\n"
    named = host(inner=b'<hostnames><hostname name="caf\xe9\x01"/></hostnames>')
    found = items(comment + HEAD + comment + named + FOOT)
    assert [h.hostnames for h in hosts(found)] == [("caf\N{REPLACEMENT CHARACTER}?",)]
    assert rejects(found) == []
    found = items(b"Starting Nmap 7.94\n" + HEAD + host() + FOOT)
    assert len(hosts(found)) == 1 and rejects(found) == []


def test_one_document_after_another_is_two_scans() -> None:
    found = items((HEAD + host() + FOOT) * 2)
    assert len(hosts(found)) == 2 and rejects(found) == []
    assert [s.complete for s in scans(found)] == [False, True, False, True]


def test_masscan_lists_who_answered() -> None:
    found = items(
        b'<?xml version="1.0"?>\n<!-- masscan v1.0 scan -->\n<nmaprun scanner="masscan" start="1473053990">'
        b'<host endtime="1473053991"><address addr="192.0.2.9" addrtype="ipv4"/><ports><port protocol="tcp" '
        b'portid="22"><state state="open"/><service name="ssh" banner="SSH-2.0-x"></service></port></ports></host>'
        b"</nmaprun>"
    )
    (one,) = hosts(found)
    assert (one.state, one.open_total, one.scan.scanner, one.scan.complete) == ("up", 1, "masscan", True)
    assert [(s.id, s.output) for s in one.ports[0].scripts] == [("banner", "SSH-2.0-x")]


def test_ipv6_is_told_in_its_canonical_form() -> None:
    data = HEAD + b'<host><address addr="2001:DB8:0::1" addrtype="ipv6"/></host>' + FOOT
    (one,) = hosts(items(data))
    assert (one.ip, one.ip_version, one.state) == ("2001:db8::1", 6, "unknown")


def test_a_host_without_an_address_is_refused() -> None:
    found = items(HEAD + b'<host><address addr="nowhere" addrtype="ipv4"/></host>' + host() + FOOT)
    assert len(hosts(found)) == 1
    assert [r.reason for r in rejects(found)] == [Reason.BAD_PAYLOAD]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"<root><a/></root>", Reason.NOT_THIS_FORMAT),
        (b'{"not": "xml"}', Reason.NOT_THIS_FORMAT),
        (b"\x00\x01\x02", Reason.NOT_THIS_FORMAT),
        (b"<!DOCTYPE nmaprun [<!ATTLIST host a CDATA 'x'>]><nmaprun/>", Reason.ENTITY_REFUSED),
        (b"<nmaprun>" + b"<a>" * 40, Reason.TOO_DEEP),
        (HEAD + host(inner=b"<a>" * 40 + b"</a>" * 40) + FOOT, Reason.TOO_DEEP),
        (b"<nmaprun><a b='" + b"x" * 1_300_000, Reason.OVERSIZED),
    ],
    ids=["other-xml", "json", "binary", "attlist", "deep", "deep-in-a-host", "endless-tag"],
)
def test_what_is_no_scan_is_refused_with_its_reason(data: bytes, reason: Reason) -> None:
    found = items(data)
    assert hosts(found) == []
    assert [r.reason for r in rejects(found)] == [reason]


def test_a_large_file_ends_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nmap_xml, "FILE_BYTES_MAX", 100_000)
    found = items(HEAD + host() * 2000 + FOOT)
    assert [r.reason for r in rejects(found)] == [Reason.OVERSIZED]
    assert 0 < len(hosts(found)) < 2000 and not scans(found)[-1].complete


def test_hosts_of_a_scan_too_large_to_hold_back_leave_at_once() -> None:
    parser = NmapXml()
    early = list(parser.feed(HEAD + host() * 600))
    assert len(hosts(early)) > 500 and not any(h.scan.complete for h in hosts(early))
    late = [*parser.feed(FOOT), *parser.close()]
    assert scans(late)[-1].complete


def test_a_host_with_every_port_comes_on_pages_that_join() -> None:
    ports = b"".join(port(n, "open" if n % 2 else "closed", b'<service name="s%d"/>' % n) for n in range(1, 9001))
    data = HEAD + host(inner=b"<ports>" + ports + b"</ports>") + host("192.0.2.2") + FOOT
    assert len(data) > nmap_host.TEXT_MAX
    found = items(data)
    first = next(i.payload for i in found if isinstance(i, Observation) and isinstance(i.payload, Host))
    assert first.ports == () and (first.ports_total, first.open_total) == (9000, 4500)
    assert sum(i.records for i in found if isinstance(i, Observation)) == 2, "pages settle no record"
    one, other = hosts(found)
    assert [p.port for p in one.ports] == list(range(1, 9001)) and other.ip == "192.0.2.2"


def test_a_long_script_is_cut_and_says_where_the_rest_is() -> None:
    script = b'<script id="big" output="' + b"x" * 10_000 + b'"/>'
    data = HEAD + host(inner=b"<ports>" + port(80, inner=script) + b"</ports>") + FOOT
    (one,) = hosts(items(data))
    output = one.ports[0].scripts[0].output
    assert len(output) <= nmap_host.SCRIPT_BYTES_MAX
    assert output.endswith(f"[cut: 10000 characters, host at byte {data.index(b'<host ')}]")


def test_sniff_knows_a_scan() -> None:
    assert sniff(HEAD, "x") > 0.9
    assert sniff(b'{"a":1}', "x.json") == 0.0


@pytest.mark.data
def test_all_shared_scans_are_read_without_a_word_lost(shared_data: Path) -> None:
    for path in sorted((shared_data / "nmap").glob("*.xml")):
        found = items(path.read_bytes())
        tally = Tally()
        for item in found:
            tally.add(item)
        starts = path.read_bytes().count(b"<host ") + path.read_bytes().count(b"<host>")
        if not path.name.startswith(("hostile", "libnmap-defused")):
            assert tally.received == starts, path.name
