"""A file's format is told by its content; what nobody knows goes to the family's fallback, which rejects it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsmil.sensors import formats
from dsmil.sensors.formats import FAMILIES, FORMATS, format_of, parser_for, sniff
from dsmil.sensors.record import Observation, Tally


@pytest.mark.parametrize(
    ("head", "name", "expected"),
    [
        (b"!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5C\n", "x", "nmea"),
        (b"MMSI,BaseDateTime,LAT,LON,SOG,COG\n", "x", "csv"),
        (b'<?xml version="1.0"?>\n<nmaprun scanner="nmap">', "x", "xml"),
        (b'{"time" : "2020-01-01 00:00:00", "model" : "Prologue", "id" : 1}\n', "x", "rtl433"),
        (b'{"global": {"core:datatype": "cf32_le", "core:version": "1.0.0"}}', "x", "sigmf"),
        (b"\x00\x01\x02\x03", "x", None),
        (b"", "x.csv", None),
    ],
)
def test_content_tells_the_format(head: bytes, name: str, expected: str | None) -> None:
    found = sniff(head, name)
    assert (found.name if found else None) == expected


def test_every_row_of_the_table_loads_and_builds() -> None:
    for row in FORMATS:
        assert 0.0 <= row.confidence(b"\x00", "x") <= 1.0
        parser = row.build()
        assert hasattr(parser, "feed")
        assert hasattr(parser, "close")


@pytest.mark.parametrize("family", FAMILIES)
def test_garbage_is_rejected_by_the_fallback_and_accounted_for(family: str) -> None:
    parser = parser_for(family, b"\xff\xfe garbage", "x")
    tally = Tally()
    for item in [*parser.feed(b"\xff\xfe garbage\nmore\n"), *parser.close()]:
        tally.add(item)
    assert tally.accepted == 0
    assert tally.received + tally.ignored > 0


def test_a_sniffer_that_stumbles_knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(head: bytes, name: str) -> float:
        raise RecursionError

    from dsmil.sensors import ais_nmea

    monkeypatch.setattr(ais_nmea, "sniff", stumble)
    assert format_of("ais", b"!AIVDM", "x").family == "ais"


def test_sigmf_samples_are_found_beside_their_meta(shared_data: Path) -> None:
    meta = shared_data / "rf" / "sigmf" / "sigmf_logo.sigmf-meta"
    data = meta.read_bytes()
    parser = parser_for("rf", data, meta.name, path=meta)
    items = [*parser.feed(data), *parser.close()]
    assert any(isinstance(item, Observation) for item in items)


def test_samples_behind_a_link_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, object] = {}

    def build(self: formats.Format, **options: object) -> object:
        given.update(options)
        return object()

    monkeypatch.setattr(formats.Format, "build", build)
    (tmp_path / "x.sigmf-data").symlink_to("/dev/zero")
    head = b'{"global": {"core:datatype": "cf32_le"}}'
    parser_for("rf", head, "x.sigmf-meta", path=tmp_path / "x.sigmf-meta")
    assert given["data_path"] is None
