"""AIS sentences of every shape become the observations their senders meant, and every sentence is accounted for."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyais import encode_dict

from dsmil.events.ais import Aton, Base, Binary, Other, Position, Safety, Static
from dsmil.sensors.ais_nmea import AisNmea, sniff
from dsmil.sensors.ais_parts import DISORDER_MAX, WAIT_MAX
from dsmil.sensors.record import Ignored, Item, Observation, Reason, Reject, Tally
from dsmil.sensors.tagblock import checksum

REPORT = b"!AIVDM,1,1,,A,15RTgt0PAso;90TKcjM8h6g208CQ,0*4A"
PART_1 = b"!AIVDM,2,1,1,A,55?MbV02;H;s<HtKR20EHE:0@T4@Dn2222222216L961O5Gf0NSQEp6ClRp8,0*1C"
PART_2 = b"!AIVDM,2,2,1,A,88888888880,2*25"


def read(data: bytes, size: int = 1 << 20) -> list[Item]:
    parser = AisNmea()
    items = [item for at in range(0, len(data), size) for item in parser.feed(data[at : at + size])]
    return items + list(parser.close())


def observations(data: bytes) -> list[Observation]:
    return [item for item in read(data) if isinstance(item, Observation)]


def rejects(data: bytes) -> list[Reject]:
    return [item for item in read(data) if isinstance(item, Reject)]


def one(data: bytes) -> Observation:
    (item,) = observations(data)
    return item


def sentence(body: str) -> bytes:
    return f"!{body}*{checksum(body.encode()):02X}".encode()


# What noaadata and the Maritec decoder say, as printed beside the sentences in gpsd's sample.aivdm.


def test_a_class_a_report_says_what_noaadata_says() -> None:
    assert one(REPORT).payload == Position(
        mmsi=371798000,
        msg_type=1,
        lat=48.381633,
        lon=-123.395383,
        sog_kn=12.3,
        cog_deg=224.0,
        heading_deg=215.0,
        rot_deg_min=None,  # -127: turning, rate unknown
        nav_status=0,
        accuracy=True,
        utc_second=33,
        channel="A",
    )


def test_not_available_becomes_null() -> None:
    payload = one(b"!AIVDM,1,1,,A,16SteH0P00Jt63hHaa6SagvJ087r,0*42").payload
    assert isinstance(payload, Position)
    assert (payload.heading_deg, payload.rot_deg_min, payload.lat, payload.lon) == (
        None,
        None,
        43.08015,
        -70.7582,
    )


def test_a_base_station_tells_its_own_time() -> None:
    payload = one(b"!AIVDM,1,1,,A,403OviQuMGCqWrRO9>E6fE700@GO,0*4D").payload
    assert payload == Base(mmsi=3669702, msg_type=4, lat=36.883767, lon=-76.352362, utc=1179172659.0)


def test_static_data_of_two_sentences_settles_two_records() -> None:
    item = one(PART_1 + b"\r\n" + PART_2 + b"\r\n")
    assert item.records == 2
    assert item.payload == Static(
        mmsi=351759000,
        msg_type=5,
        imo=9134270,
        callsign="3FOF8",
        name="EVER DIADEM",
        ship_type=70,
        dim_bow_m=225,
        dim_stern_m=70,
        dim_port_m=1,
        dim_starboard_m=31,
        draught_m=12.2,
        destination="NEW YORK",
        eta="05-15T14:00",
    )


def test_a_search_aircraft_has_whole_knots_and_an_altitude() -> None:
    payload = one(b"!AIVDM,1,1,,B,91b55wi;hbOS@OdQAC062Ch2089h,0*30").payload
    assert isinstance(payload, Position)
    assert (payload.mmsi, payload.alt_m, payload.sog_kn, payload.cog_deg) == (111232511, 303.0, 42.0, 154.5)
    assert (payload.lat, payload.lon, payload.utc_second) == (58.144, -6.278843, 15)


def test_safety_text_is_readable() -> None:
    payload = one(b"!AIVDM,1,1,,A,>5?Per18=HB1U:1@E=B0m<L,2*51").payload
    assert payload == Safety(mmsi=351809000, msg_type=14, text="RCVD YR TEST MSG")


def test_extended_class_b_tells_position_and_static_of_one_record() -> None:
    position, static = observations(b"!AIVDM,1,1,,B,C5N3SRgPEnJGEBT>NhWAwwo862PaLELTBJ:V00000000S0D:R220,0*0B")
    assert (position.records, static.records) == (1, 0)
    assert isinstance(position.payload, Position)
    assert (position.payload.lat, position.payload.lon, position.payload.sog_kn) == (29.543695, -88.810392, 8.7)
    assert (position.payload.cog_deg, position.payload.heading_deg) == (335.9, None)
    assert static.payload == Static(
        mmsi=367059850,
        msg_type=19,
        name="CAPT.J.RIMES",
        ship_type=70,
        dim_bow_m=5,
        dim_stern_m=21,
        dim_port_m=4,
        dim_starboard_m=4,
    )


def test_the_name_of_an_aid_goes_on_in_its_extension() -> None:
    payload = one(
        b"!AIVDM,2,1,5,B,E1mg=5J1T4W0h97aRh6ba84<h2d;W:Te=eLvH50```q,0*46\n!AIVDM,2,2,5,B,:D44QDlp0C1DU00,2*36\n"
    ).payload
    assert payload == Aton(
        mmsi=123456789,
        msg_type=21,
        aid_type=20,
        name="CHINA ROSE MURPHY EXPRESS ALERT",
        lat=47.920618,
        lon=-122.698592,
        off_position=False,
        virtual=False,
    )


def test_class_b_static_comes_in_two_parts() -> None:
    part_a, part_b = observations(
        b"!AIVDM,1,1,,A,H42O55i18tMET00000000000000,2*6D\n!AIVDM,1,1,,A,H42O55lti4hhhilD3nink000?050,0*40\n"
    )
    assert part_a.payload == Static(mmsi=271041815, msg_type=24, name="PROGUY", part="A")
    assert part_b.payload == Static(
        mmsi=271041815,
        msg_type=24,
        callsign="TC6163",
        ship_type=60,
        dim_bow_m=0,
        dim_stern_m=15,
        dim_port_m=0,
        dim_starboard_m=5,
        part="B",
    )


def test_binary_messages_keep_their_data() -> None:
    payload = one(b"!AIVDM,1,1,,B,6B?n;be:cbapalgc;i6?Ow4,2*4A").payload
    assert payload == Binary(
        mmsi=150834090, msg_type=6, dac=669, fid=11, dest_mmsi=313240222, data_hex="eb2f118f7ff1"
    )
    broadcast = one(b"!AIVDM,1,1,,A,85Mwp`1Kf3aCnsNvBWLi=wQuNhA5t43N`5nCuI=p<IBfVqnMgPGs,0*47").payload
    assert isinstance(broadcast, Binary)
    assert broadcast.data_hex == "3a53dbb7be4a773137f87d7b0445f040dea05d93f593783194ae9b9d9dbe05fb"


def test_other_types_keep_their_sender() -> None:
    payload = one(b"!AIVDM,1,1,,B,:5MlU41GMK6@,0*6C").payload
    assert payload == Other(mmsi=366814480, msg_type=10)


# Framing.


@pytest.mark.parametrize(
    ("data", "count"),
    [(b"<xml/>\n", 1), (b"\x7fELF\n\0\n", 1), (b"", 0), (b"# words\n\n", 0), (b"$GPGGA,1\nwords\n", 0)],
)
def test_what_holds_no_sentence_at_all_is_of_another_format(data: bytes, count: int) -> None:
    assert [item.reason for item in rejects(data)] == [Reason.NOT_THIS_FORMAT] * count


def test_a_wrong_checksum_is_rejected() -> None:
    (reject,) = rejects(REPORT[:-1] + b"B")
    assert (reject.reason, reject.records, reject.text) == (Reason.CHECKSUM, 1, (REPORT[:-1] + b"B").decode())


@pytest.mark.parametrize("tail", [b"", b"*", b"*4"])
def test_an_absent_checksum_is_rejected(tail: bytes) -> None:
    assert [r.reason for r in rejects(REPORT[:-3] + tail)] == [Reason.CHECKSUM]


def test_lower_case_hex_talkers_and_own_ship_are_fine() -> None:
    for body in ("BSVDM,1,1,,A,15RTgt0PAso;90TKcjM8h6g208CQ,0", "AIVDO,1,1,,,15RTgt0PAso;90TKcjM8h6g208CQ,0"):
        line = sentence(body)
        assert one(line[:-2] + line[-2:].lower()).kind == "ais.position"


def test_a_coast_guard_suffix_gives_station_and_time() -> None:
    item = one(REPORT + b",s22683,d-091,T57.90942851,r003669945,1241544035")
    assert (item.ts, item.payload.station) == (1241544035.0, "r003669945")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("tag", "ts"),
    [
        (b"c:1277912345,s:st1", 1277912345.0),
        (b"c:1277912345678,s:st1", 1277912345.678),
        (b"c:12415440354,s:st1", None),  # torn digits: the year 2363
        (b"s:st1", None),
    ],
)
def test_a_tag_block_gives_station_and_time(tag: bytes, ts: float | None) -> None:
    item = one(b"\\" + tag + b"*%02X\\" % checksum(tag) + REPORT)
    assert (item.ts, item.payload.station) == (ts, "st1")  # type: ignore[attr-defined]


def test_a_tag_block_with_a_wrong_checksum_says_nothing() -> None:
    item = one(b"\\c:1277912345,s:st1*00\\" + REPORT)
    assert (item.ts, item.payload.station) == (None, None)  # type: ignore[attr-defined]


def test_sentences_of_a_tag_block_group_share_its_time() -> None:
    first, later = b"g:1-2-77,s:st1,c:1277912345", b"g:2-2-77"
    lines = [b"\\%s*%02X\\%s" % (tag, checksum(tag), part) for tag, part in ((first, PART_1), (later, PART_2))]
    item = one(b"\n".join(lines))
    assert (item.ts, item.payload.station) == (1277912345.0, "st1")  # type: ignore[attr-defined]


def test_a_gatehouse_line_stamps_the_next_sentence_only() -> None:
    stamped, bare = observations(b"$PGHP,1,2008,5,9,0,0,0,10,338,2,,1,09*17\n" + REPORT + b"\n" + REPORT)
    assert (stamped.ts, bare.ts) == (1210291200.01, None)


def test_another_sentence_uses_a_gatehouse_line_up() -> None:
    first, second = (
        b"$PGHP,1,2008,5,9,0,0,0,10,338,2,,1,09*17",
        b"$PGHP,1,2010,6,11,11,46,11,390,231,45,992190934,1,2B*5B",
    )
    assert one(b"\n".join([first, b"$PSTT,1*00", REPORT])).ts is None
    assert one(b"\n".join([first, b"# comment", b"", REPORT])).ts == 1210291200.01
    assert one(b"\n".join([first, second, REPORT])).ts == 1276256771.39


@pytest.mark.parametrize(
    "prefix",
    [b"1241544035 ", b"1241544035.25:", b"1241544035250,", b"2009-05-05T17:20:35Z ", b"[2009-05-05 17:20:35] "],
)
def test_a_logged_time_stamp_is_read(prefix: bytes) -> None:
    item = one(prefix + REPORT)
    assert item.ts is not None
    assert int(item.ts) in (1241544035, 1241544035)


def test_leading_noise_is_stepped_over() -> None:
    assert one(b"   \x00\xffnoise " + REPORT).ts is None


def test_several_sentences_on_a_line_are_several_sentences() -> None:
    assert len(observations(REPORT + REPORT + b" " + REPORT)) == 3


def test_comments_and_other_sentences_are_ignored() -> None:
    items = read(b"# a comment\n$GPGGA,184353.07,1929.045,S*6D\n\nIamNotAnAisMessage1111\n")
    assert items == [Ignored(), Ignored(), Ignored()]


def test_a_feed_without_time_has_no_time() -> None:
    assert one(REPORT).ts is None


# Parts.


def test_parts_may_overtake_each_other() -> None:
    assert one(PART_2 + b"\n" + PART_1).records == 2


def test_parts_of_other_channels_do_not_mix() -> None:
    stranger = sentence("AIVDM,2,2,1,B,88888888880,2")
    items = read(b"\n".join([PART_1, stranger, PART_2]))
    assert [item.records for item in items if isinstance(item, Observation)] == [2]
    assert [item.records for item in items if isinstance(item, Reject)] == [1]


@pytest.mark.parametrize(("first", "wait"), [(PART_1, WAIT_MAX), (PART_2, DISORDER_MAX)])
def test_a_part_waits_for_a_number_of_sentences(first: bytes, wait: int) -> None:
    second = PART_2 if first is PART_1 else PART_1
    met = read(b"\n".join([first, *[REPORT] * (wait - 1), second]))
    missed = read(b"\n".join([first, *[REPORT] * (wait + 1), second]))
    assert not any(isinstance(item, Reject) for item in met)
    assert [r.reason for r in missed if isinstance(r, Reject)] == [Reason.INCOMPLETE_MULTIPART] * 2


def test_a_message_begun_again_gives_up_the_first() -> None:
    items = read(b"\n".join([PART_1, PART_1, PART_2]))
    assert [type(item) for item in items] == [Reject, Observation]


# Refusals.


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("AIVDM,1,1,,A,,0", Reason.BAD_PAYLOAD),  # empty
        ("AIVDM,x,-1,,A,15RTgt0PAso;90TKcjM8h6g208CQ,0", Reason.BAD_PAYLOAD),
        ("AIVDM,1,1,,A,15RTgt0PAso;90TKcjM8h6g208CQ", Reason.BAD_PAYLOAD),  # a field short
        ("AIVDM,1,1,,A,15RTgt0PAso;90TKcjM8h6g208CQ,6", Reason.BAD_PAYLOAD),  # 6 fill bits
        ("AIVDM,1,1,,A,15RTgt0PAs~~~~~~~~M8h6g208CQ,0", Reason.BAD_PAYLOAD),  # not armour
        ("AIVDM,1,1,,A,15RTgt0PAso,0", Reason.BAD_PAYLOAD),  # cut within the position
        ("AIVDM,1,1,,A,U31<0OOP000CshrMdl600?wP00SL,0", Reason.BAD_PAYLOAD),  # type 37
        ("AIVDM,1,1,,A," + "1" * 300 + ",0", Reason.TOO_LONG),
        ("AIVDM,9,9,,A,15RTgt0PAso;90TKcjM8h6g208CQ,0", Reason.INCOMPLETE_MULTIPART),
    ],
)
def test_what_cannot_be_read_is_rejected_with_its_reason(body: str, reason: Reason) -> None:
    assert [r.reason for r in rejects(sentence(body))] == [reason]


NOWHERE: dict[str, str | int | float | bytes | bool] = {
    "mmsi": 211000001,
    "lat": 91.0,
    "lon": 181.0,
    "speed": 102.3,
    "course": 360.0,
    "heading": 511,
    "second": 60,
    "turn": -128,
}
"""A transponder without any sensor, as pyais encodes it."""


@pytest.mark.parametrize("msg_type", [1, 2, 3, 18, 19, 9])
def test_a_position_not_available_is_null(msg_type: int) -> None:
    fields = NOWHERE | {"msg_type": msg_type} | ({"speed": 1023.0} if msg_type == 9 else {})
    payload = observations("\n".join(encode_dict(fields)).encode())[0].payload
    assert payload == Position(
        mmsi=211000001,
        msg_type=msg_type,
        channel="A",
        accuracy=False,
        nav_status=15 if msg_type < 4 else None,
        alt_m=0.0 if msg_type == 9 else None,
    )


def test_zero_zero_is_a_place() -> None:
    payload = one(sentence("AIVDM,1,1,,A,1" + "0" * 27 + ",0")).payload
    assert isinstance(payload, Position)
    assert (payload.lat, payload.lon) == (0.0, 0.0)


# Whole recordings: counts and positions of independent decoders, written down from shared/data/ais/expected.

GOLDEN = {
    # name: (sentences, sentences accepted, events)
    "aislib-ais250.txt": (251, 251, 243),
    "gfw-errors.nmea": (5, 3, 3),
    "gfw-mixed_types.nmea": (109, 109, 104),
    "gfw-multi-part.nmea": (93, 93, 43),
    "gfw-spire-test.nmea": (4, 4, 2),
    "gpsd-ais-18-27.log": (276, 207, 207),
    "pyais-ais_test_messages": (8, 8, 7),
    "pyais-gatehouse.nmea": (4, 4, 4),
    "pyais-mixed.txt": (15, 14, 12),
    "pyais-nmea_data_sample.txt": (898, 778, 778),
    "pyais-timestamped.ais": (4, 4, 4),
}


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_golden_recordings_are_accounted_for(golden: Path, name: str) -> None:
    data = (golden / "ais" / name).read_bytes()
    tally = Tally()
    for item in read(data):
        tally.add(item)
    assert (tally.received, tally.accepted, tally.events) == GOLDEN[name]


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_any_cut_of_the_bytes_gives_the_same_items(golden: Path, size: int) -> None:
    data = (golden / "ais" / "pyais-mixed.txt").read_bytes()
    assert read(data, size) == read(data)


def test_places_point_at_the_raw_record(golden: Path) -> None:
    data = (golden / "ais" / "aislib-ais250.txt").read_bytes()
    for item in read(data):
        if isinstance(item, Observation):
            last = item.text.split("\n")[-1].encode()
            assert data[item.offset :].startswith(last[:20])


def test_sniff_knows_the_golden_recordings(golden: Path) -> None:
    assert all(sniff((golden / "ais" / name).read_bytes()[:65536], name) > 0.9 for name in GOLDEN)
    assert sniff(b'{"time":"x"}', "x.json") == 0.0


def test_row_40_known_sentences_give_known_vessels() -> None:
    lines = b"\n".join([REPORT, PART_1, PART_2, b"!AIVDM,1,1,,A,16SteH0P00Jt63hHaa6SagvJ087r,0*42"])
    positions = {
        item.payload.mmsi: (item.payload.lat, item.payload.lon)
        for item in observations(lines)
        if isinstance(item.payload, Position)
    }
    assert positions == {371798000: (48.381633, -123.395383), 440348000: (43.08015, -70.7582)}
    nowhere = observations("\n".join(encode_dict(NOWHERE | {"msg_type": 1})).encode())[0].payload
    assert isinstance(nowhere, Position)
    assert (nowhere.lat, nowhere.lon) == (None, None)
