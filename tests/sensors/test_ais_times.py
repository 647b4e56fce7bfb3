"""Time stamps of every form become Unix seconds, and those of a clock that is not set become none."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone

import pytest

from dsmil.sensors.tagblock import SILENT, Heard, checksum, read_gatehouse, read_prefix, read_suffix, read_tag
from dsmil.sensors.times import read_time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1241544035", 1241544035.0),
        ("1241544035250", 1241544035.25),
        ("1795224853.488776", 1795224853.488776),
        ("2009-05-05T17:20:35", 1241544035.0),
        ("2009-05-05 17:20:35.5", 1241544035.5),
        ("2009-05-05T17:20:35Z", 1241544035.0),
        ("2009-05-05T19:20:35+0200", 1241544035.0),
        ("2009-05-05T17:20:35.123456789Z", 1241544035.123456),
        ("05/05/2009 17:20:35", 1241544035.0),
        ("@0.122324s", None),
        ("", None),
        ("yesterday", None),
        ("12415440354", None),
        ("1970-01-01 00:00:07", None),
        ("9" * 5000, None),
        ("2009-13-05T17:20:35", None),
        ("nan", None),
        ("-1241544035", None),
        ("\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669\u0660", None),
    ],
)
def test_read_time(text: str, seconds: float | None) -> None:
    assert read_time(text) == seconds


def test_a_time_without_zone_is_in_the_configured_one() -> None:
    assert read_time("2009-05-05 19:20:35", timezone(timedelta(hours=2))) == 1241544035.0


def test_checksum_is_the_xor_of_all_bytes() -> None:
    for body in (b"", b"A", b"AIVDM,1,1,,A,15RTgt0PAso;90TKcjM8h6g208CQ,0", bytes(range(256)) * 3):
        wanted = 0
        for byte in body:
            wanted ^= byte
        assert checksum(body) == wanted


def test_a_tag_block_is_read_field_by_field() -> None:
    body = b"g:1-2-73874,n:157036,s:r003669945,c:1241544035"
    block = body + b"*%02X" % checksum(body)
    assert read_tag(block) == Heard(1241544035.0, "r003669945", "73874")
    assert read_tag(block[:-2] + b"00") == SILENT
    assert read_tag(b"") == SILENT


@pytest.mark.parametrize(
    "line", [b"$PGHP,1,2008,5,9,0,0,0,10,338,2,,1,09*18", b"$GPGGA,1*00", b"", b"$PGHP,1,x*1B"]
)
def test_what_is_no_gatehouse_line(line: bytes) -> None:
    assert read_gatehouse(line) is None


def test_a_gatehouse_line_names_its_base_station() -> None:
    line = b"$PGHP,1,2010,6,11,11,46,11,390,231,45,992190934,1,2B*5B"
    assert read_gatehouse(line) == Heard(1276256771.39, "992190934")


@pytest.mark.parametrize(
    ("suffix", "heard"),
    [
        (b",b003669794,1272412827", Heard(1272412827.0, "b003669794")),
        (b",d-123,S2077,t081955.00,T55.40475095,r11RPAR1,1272442796", Heard(1272442796.0, "r11RPAR1")),
        (b",s36310,d-081,T59.01777335", Heard()),
        (b"", SILENT),
        (b"garbage", SILENT),
    ],
)
def test_a_suffix(suffix: bytes, heard: Heard) -> None:
    assert read_suffix(suffix) == heard


def test_a_prefix_takes_the_last_time() -> None:
    assert read_prefix(b"2009-05-05 17:20:35 recv 1241544036 ", UTC).ts == 1241544036.0
    assert read_prefix(b"12:00 nothing", UTC) == SILENT
