"""rtl_433's JSON, syslog datagrams and CSV become bursts with their emitter, frequency, level and time."""

from __future__ import annotations

import json
from datetime import timedelta, timezone
from pathlib import Path

import pytest

from dsmil.events.rf import Burst
from dsmil.sensors import rtl433, rtl433_csv
from dsmil.sensors.record import Ignored, Item, Observation, Reason, Reject
from dsmil.sensors.rtl433 import READINGS_MAX, TEXT_MAX, Rtl433Json
from dsmil.sensors.rtl433_csv import Rtl433Csv

LINE = (
    b'{"time" : "@0.126824s", "protocol" : 33, "model" : "WT450-TH", "id" : 1, "channel" : 2, "battery_ok" : 1, '
    b'"temperature_C" : 21.125, "mod" : "ASK", "freq" : 434.001, "rssi" : -0.092, "snr" : 10.074, "noise" : -10.166}'
)
"""A line as rtl_433 22.11 prints it with -M level -M protocol (written by hand)."""


def read(data: bytes, size: int = 1 << 20, **options: object) -> list[Item]:
    parser = Rtl433Json(**options)  # type: ignore[arg-type]
    items = [item for at in range(0, len(data), size) for item in parser.feed(data[at : at + size])]
    return items + list(parser.close())


def one(data: bytes, **options: object) -> Observation:
    (item,) = read(data, **options)  # type: ignore[arg-type]
    assert isinstance(item, Observation)
    return item


def test_a_burst_has_hertz_decibels_and_every_reading() -> None:
    item = one(LINE + b"\n")
    assert item.payload == Burst(
        model="WT450-TH",
        device_id="1",
        channel="2",
        freq_hz=434001000.0,
        rssi_db=-0.092,
        snr_db=10.074,
        noise_db=-10.166,
        modulation="ASK",
        readings={"protocol": 33, "battery_ok": 1, "temperature_C": 21.125},
    )
    assert (item.kind, item.ts, item.offset, item.line) == ("rf.burst", None, 0, 1)


def test_two_tones_keep_both_frequencies() -> None:
    payload = one(b'{"model":"Wireless-MBus","id":7,"freq1":868.9,"freq2":868.95}').payload
    assert isinstance(payload, Burst)
    assert (payload.freq_hz, payload.freq2_hz) == (868900000.0, 868950000.0)


@pytest.mark.parametrize(
    ("stamp", "ts"),
    [
        ('"1795224853.488776"', 1795224853.488776),
        ("1795224853", 1795224853.0),
        ('"2026-11-21T01:34:12Z"', 1795224852.0),
        ('"2026-11-21 03:34:12+0200"', 1795224852.0),
        ('"2026-11-21T03:34:12.5"', 1795224852.5),
        ('"2026-11-21 03:34:12"', 1795224852.0),
        ('"@0.126824s"', None),
        ("null", None),
        ("[1]", None),
    ],
)
def test_time_in_every_form(stamp: str, ts: float | None) -> None:
    assert one(f'{{"time":{stamp},"model":"M"}}'.encode(), tz=timezone(timedelta(hours=2))).ts == ts


@pytest.mark.parametrize("given", ['"0F172F0"', "7", '" 7 "'])
def test_an_id_is_text_whatever_it_was(given: str) -> None:
    payload = one(f'{{"model":"M","id":{given}}}'.encode()).payload
    assert isinstance(payload, Burst)
    assert payload.device_id == str(json.loads(given)).strip()


def test_a_syslog_datagram_is_a_line_behind_its_header() -> None:
    framed = b"<165>1 2026-11-21T01:34:12Z host rtl_433 - - - " + b'{"model":"M","id":5}'
    assert one(framed).ts == 1795224852.0
    own = b"<165>1 2026-11-21T01:34:12Z host rtl_433 - - - " + b'{"time":"1795224000","model":"M"}'
    assert one(own).ts == 1795224000.0
    assert rtl433.sniff(framed, "") > 0.8


def test_the_receiver_says_who_and_where_it_is() -> None:
    payload = one(LINE, sensor_id="roof", position=(57.5, 11.25)).payload
    assert isinstance(payload, Burst)
    assert (payload.sensor_id, payload.lat, payload.lon) == ("roof", 57.5, 11.25)


@pytest.mark.parametrize(
    "talk",
    [
        b'{"enabled" : 180, "since" : "2026", "frames" : {"count" : 2}, "stats" : []}',
        b'{"src" : "SDR", "lvl" : 5, "msg" : "Using device 0"}',
        b'{"center_frequency" : 433920000, "sample_rate" : 250000}',
    ],
)
def test_the_programs_own_talk_is_stepped_over(talk: bytes) -> None:
    assert read(talk) == [Ignored()]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"time":"x","id":7}', Reason.BAD_PAYLOAD),
        (b'{"model":""}', Reason.BAD_PAYLOAD),
        (b'{"model":"M","id":', Reason.BAD_PAYLOAD),
        (b'{"model":"M","freq":NaN}', Reason.BAD_PAYLOAD),
        (b"[1,2]", Reason.NOT_THIS_FORMAT),
        (b"time,model", Reason.NOT_THIS_FORMAT),
        (b'{"a":' * 9000, Reason.TOO_DEEP),
        (b'{"model":"' + b"x" * 70_000 + b'"}', Reason.TOO_LONG),
    ],
)
def test_what_cannot_be_read_is_rejected_with_its_reason(line: bytes, reason: Reason) -> None:
    items = read(line + b"\n" + LINE + b"\n")
    assert [item.reason for item in items if isinstance(item, Reject)] == [reason]
    assert isinstance(items[-1], Observation)


def test_hostile_values_stay_bounded() -> None:
    many = ",".join(f'"k{i}":{i}' for i in range(500))
    line = f'{{"model":"M","id":{"9" * 3000},"big":{10**30},"list":[{"1," * 400}1],"text":"{"x" * 5000}",{many}}}'
    payload = one(line.encode()).payload
    assert isinstance(payload, Burst)
    assert len(payload.readings) == READINGS_MAX
    assert payload.readings["big"] == str(10**30)
    assert all(len(value) <= TEXT_MAX for value in payload.readings.values() if isinstance(value, str))


def test_levels_and_frequencies_that_no_receiver_shows_are_null() -> None:
    payload = one(b'{"model":"M","freq":-1,"rssi":1e9,"snr":"loud","noise":true}').payload
    assert payload == Burst(model="M")


def test_any_cut_gives_the_same_items() -> None:
    data = LINE + b"\r\n\r\n" + LINE
    assert read(data, 1) == read(data, 17) == read(data)
    assert len(read(data)) == 2


def test_the_csv_says_the_same_as_the_json() -> None:
    text = (
        b"time,msg,codes,model,button,id,channel,temperature_C,mic\n@0.2s,,,TFA-TwinPlus,,7,1,23.900,CHECKSUM\n"
    )
    parser = Rtl433Csv()
    items = [*parser.feed(text), *parser.close()]
    assert items[0] == Ignored()
    assert isinstance(items[1], Observation)
    assert items[1].payload == Burst(
        model="TFA-TwinPlus", device_id="7", channel="1", readings={"temperature_C": 23.9, "mic": "CHECKSUM"}
    )
    assert rtl433_csv.sniff(text, "x.csv") > 0.8
    assert rtl433.sniff(text, "x.csv") == 0.0


def test_a_torn_csv_row_and_a_missing_header_are_rejected() -> None:
    parser = Rtl433Csv()
    items = [*parser.feed(b"1,2,3\ntime,model,id\n,M\n,,5\n"), *parser.close()]
    reasons = [item.reason for item in items if isinstance(item, Reject)]
    assert reasons == [Reason.NOT_THIS_FORMAT, Reason.TRUNCATED, Reason.BAD_PAYLOAD]


@pytest.mark.data
def test_every_shared_recording_has_the_records_and_emitters_rtl433_counted(shared_data: Path) -> None:
    truth = json.loads((shared_data / "rf" / "expected" / "rf.json").read_text())
    paths = sorted((shared_data / "rf" / "rtl433-json").glob("*.jsonl"))
    assert len(paths) > 20
    for path in paths:
        data = path.read_bytes()
        assert rtl433.sniff(data[:65536], path.name) >= 0.8
        items = read(data)
        bursts = [item.payload for item in items if isinstance(item, Observation)]
        assert len(items) == len(bursts) == truth[path.name]["records"]
        emitters = {(burst.model, str(burst.device_id)) for burst in bursts if isinstance(burst, Burst)}
        assert len(emitters) == truth[path.name]["distinct_model_id"]
        timed = sum(isinstance(item, Observation) and item.ts is not None for item in items)
        forms = truth[path.name]["time_forms"]
        assert timed == sum(forms.values()) - forms.get("relative @s", 0)


def test_a_reading_that_is_no_number_is_null() -> None:
    """Found by mutation: "nan" in a CSV column became a float that JSON cannot hold."""
    from dsmil.sensors.rtl433_csv import Rtl433Csv

    parser = Rtl433Csv()
    data = b"time,msg,codes,model,id,channel,temperature_C\n2026-01-01 00:00:00,,,Acurite,12,A,nan\n"
    items = [*parser.feed(data), *parser.close()]
    assert [item.payload.readings for item in items if isinstance(item, Observation)] == [{"temperature_C": None}]
