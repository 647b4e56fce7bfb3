"""Tables of AIS reports become positions by header name, and a blank or torn cell never places a ship at (0, 0)."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsmil.events.ais import Aton, Base, Position, Static
from dsmil.sensors.ais_csv import AisCsv, sniff
from dsmil.sensors.record import Ignored, Item, Observation, Reason, Reject, Tally

HEADER = "MMSI,BaseDateTime,LAT,LON,SOG,COG,Heading,VesselName,IMO,CallSign,VesselType,Status,Length,Width,Draft"
DANISH = (
    "# Timestamp,Type of mobile,MMSI,Latitude,Longitude,Navigational status,ROT,SOG,COG,Heading,IMO,Callsign,Name,"
    "Ship type,Cargo type,Width,Length,Type of position fixing device,Draught,Destination,ETA,Data source type,"
    "A,B,C,D"
)


def read(text: str, size: int = 1 << 20) -> list[Item]:
    parser, data = AisCsv(), text.encode()
    items = [item for at in range(0, len(data), size) for item in parser.feed(data[at : at + size])]
    return items + list(parser.close())


def payloads(text: str) -> list[object]:
    return [item.payload for item in read(text) if isinstance(item, Observation)]


def position(cells: str) -> Position:
    (found,) = [payload for payload in payloads(f"{HEADER}\n{cells}\n") if isinstance(payload, Position)]
    return found


def test_the_golden_table_is_read_whole(golden: Path) -> None:
    data = (golden / "ais" / "marinecadastre-small-sample.csv").read_bytes()
    parser, tally = AisCsv(), Tally()
    items = [*parser.feed(data), *parser.close()]
    for item in items:
        tally.add(item)
    found = [item for item in items if isinstance(item, Observation) and item.kind == "ais.position"]
    assert (tally.received, tally.accepted, len(found)) == (51, 51, 51)  # python's csv: 51 rows with a position
    lats = [item.payload.lat for item in found]  # type: ignore[attr-defined]
    lons = [item.payload.lon for item in found]  # type: ignore[attr-defined]
    assert (min(lats), max(lats), min(lons), max(lons)) == (18.00574, 49.19279, -157.86673, -64.79517)
    assert {item.ts for item in found} >= {1648684801.0}
    assert sniff(data, "x.csv") > 0.8


def test_row_40_a_known_row_gives_a_known_vessel() -> None:
    row = "671226100,2022-03-31T00:00:01,25.77626,-80.2032,3.2,143.7,511,RELIANCE II,IMO9221322,5VHS7,79,0,52,12,2.5"
    assert payloads(f"{HEADER}\n{row}\n") == [
        Position(mmsi=671226100, msg_type=0, lat=25.77626, lon=-80.2032, sog_kn=3.2, cog_deg=143.7, nav_status=0),
        Static(
            mmsi=671226100,
            msg_type=0,
            imo=9221322,
            callsign="5VHS7",
            name="RELIANCE II",
            ship_type=79,
            draught_m=2.5,
        ),
    ]


@pytest.mark.parametrize("place", ["91,181", ",", "91.0,-80.2", "25.7,181", "25.7,"])
def test_row_40_a_place_not_available_is_null(place: str) -> None:
    found = position(f"671226100,,{place},102.3,360.0,511.0,,,,,,,,")
    assert found == Position(mmsi=671226100, msg_type=0)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ("671226100,,95,10,,,,,,,,,,,", Reason.OUT_OF_RANGE),
        ("671226100,,nan,10,,,,,,,,,,,", Reason.OUT_OF_RANGE),
        ("671226100,,north,10,,,,,,,,,,,", Reason.BAD_PAYLOAD),
        ("ship,,1,2,,,,,,,,,,,", Reason.BAD_PAYLOAD),
        ("12345678901,,1,2,,,,,,,,,,,", Reason.BAD_PAYLOAD),
        ("671226100,2022-03-31T00:00:01,25.7", Reason.TRUNCATED),
    ],
)
def test_a_row_that_cannot_be_read_costs_only_itself(cells: str, reason: Reason) -> None:
    items = read(f"{HEADER}\n{cells}\n671226100,,1,2,,,,,,,,,,,\n")
    assert [item.reason for item in items if isinstance(item, Reject)] == [reason]
    assert sum(isinstance(item, Observation) for item in items) == 1


def test_torn_optional_cells_are_null() -> None:
    found = position("671226100,soon,1,2,fast,?,x,,IMOx,,1025,status,,,deep")
    assert found == Position(mmsi=671226100, msg_type=0, lat=1.0, lon=2.0)


def test_static_data_is_told_once_and_when_it_changes() -> None:
    rows = ["1,,1,2,,,,ALPHA,,,,,,,"] * 3 + ["1,,1,2,,,,BETA,,,,,,,", "2,,1,2,,,,ALPHA,,,,,,,"]
    names = [payload.name for payload in payloads("\n".join([HEADER, *rows])) if isinstance(payload, Static)]
    assert names == ["ALPHA", "BETA", "ALPHA"]


def test_the_danish_table_is_read_by_its_words() -> None:
    row = (
        "24/02/2022 00:00:07,Class A,219000123,56.0,11.5,Under way using engine,-3.5,12.3,101.2,100,9123456,OXAB,"
        '"FOO, BAR",Cargo,,20,120,GPS,6.5,AARHUS,24/02/2022 05:00:00,AIS,100,20,10,10'
    )
    items = [item for item in read(f"{DANISH}\r\n{row}\r\n") if isinstance(item, Observation)]
    assert [item.ts for item in items] == [1645660807.0] * 2
    assert [item.payload for item in items] == [
        Position(
            mmsi=219000123,
            msg_type=1,
            lat=56.0,
            lon=11.5,
            sog_kn=12.3,
            cog_deg=101.2,
            heading_deg=100.0,
            rot_deg_min=-3.5,
            nav_status=0,
        ),
        Static(
            mmsi=219000123,
            msg_type=5,
            imo=9123456,
            callsign="OXAB",
            name="FOO, BAR",
            ship_type=70,
            dim_bow_m=100,
            dim_stern_m=20,
            dim_port_m=10,
            dim_starboard_m=10,
            draught_m=6.5,
            destination="AARHUS",
            eta="02-24T05:00",
        ),
    ]


def test_base_stations_and_aids_of_the_danish_table_are_no_ships() -> None:
    rows = [
        f"24/02/2022 00:00:07,{sender},{mmsi},56.0,11.5" + "," * 21
        for sender, mmsi in (("Base Station", "002190045"), ("AtoN", "992190001"))
    ]
    assert payloads("\n".join([DANISH, *rows])) == [
        Base(mmsi=2190045, msg_type=4, lat=56.0, lon=11.5),
        Aton(mmsi=992190001, msg_type=21, lat=56.0, lon=11.5),
    ]


@pytest.mark.parametrize("mark", [";", "\t"])
def test_other_separators_and_column_orders(mark: str) -> None:
    text = mark.join(["longitude", "latitude", "mmsi", "time"]) + "\n" + mark.join(["2", "1", "7", "1648684801"])
    (item,) = [item for item in read("\ufeff" + text) if isinstance(item, Observation)]
    assert (item.payload, item.ts) == (Position(mmsi=7, msg_type=0, lat=1.0, lon=2.0), 1648684801.0)


def test_a_table_without_header_is_not_this_format() -> None:
    items = read("1,2,3\n4,5,6\n")
    assert [item.reason for item in items if isinstance(item, Reject)] == [Reason.NOT_THIS_FORMAT] * 2
    assert sniff(b"1,2,3\n", "x.csv") == 0.0


def test_a_repeated_header_and_any_cut_change_nothing() -> None:
    text = f"{HEADER}\n671226100,,1,2,,,,,,,,,,,\n{HEADER}\n671226100,,1,2,,,,,,,,,,,"
    assert sum(isinstance(item, Ignored) for item in read(text)) == 2
    assert read(text, 1) == read(text, 13) == read(text)
