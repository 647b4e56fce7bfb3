"""A made-up harbour: vessels with lanes, berths and reporting intervals, as NMEA sentences with tag blocks.

Seeded: the same seed and start give the same bytes. Sentences are encoded by pyais, so they are what a receiver
would have sent (ITU-R M.1371-5 reporting intervals: 10 s under way, 180 s at anchor or moored).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from math import cos, radians, sin
from operator import xor
from random import Random

from msgspec import Struct
from pyais.encode import encode_dict

CENTRE = (54.42, 10.21)
"""Open water of a northern bay; nothing real is meant."""
BASE_MMSI = 2_110_001
UNDER_WAY_S, MOORED_S, STATIC_S, BASE_S = 10.0, 180.0, 360.0, 10.0
MID = 211
NAMES = (
    "ALMA", "BRISE", "CORVUS", "DELTA", "EIDER", "FALKE", "GANNET", "HAVEN", "IRIS", "JUNO", "KESTREL", "LARUS",
    "MISTRAL", "NIXE", "ORCA", "PETREL", "QUAY", "RAVEN", "SCOTER", "TERN", "ULVA", "VEGA", "WIGEON", "XENIA",
    "YARE", "ZEPHYR",
)  # fmt: skip


class Vessel(Struct, kw_only=True):
    """One vessel: where it is at `since_s` seconds of the story, how it moves, and when it goes silent."""

    mmsi: int
    name: str
    ship_type: int
    lat: float
    lon: float
    sog_kn: float
    cog_deg: float
    silent_from_s: float | None = None
    moored: bool = False

    def at(self, seconds: float) -> tuple[float, float]:
        """Its true place after so many seconds, reported or not; degrees."""
        miles = self.sog_kn * seconds / 3600.0
        lat = self.lat + miles * cos(radians(self.cog_deg)) / 60.0
        lon = self.lon + miles * sin(radians(self.cog_deg)) / 60.0 / cos(radians(self.lat))
        return lat, lon


def fleet(rng: Random, count: int, duration_s: float) -> list[Vessel]:
    """`count` vessels; the first is the one that will go dark, two thirds of the others lie at their berths."""
    vessels: list[Vessel] = []
    for number in range(count):
        moored = number > 0 and number % 3 != 0
        lane = number // 3
        sog = 0.0 if moored else round(rng.uniform(8.0, 14.0), 1)
        # Lanes run east and west, two miles apart, so that nobody meets anybody by accident.
        east = lane % 2 == 0
        half_nm = sog * duration_s / 7200.0
        lat = CENTRE[0] + 0.05 + lane * 2.2 / 60.0
        lon = CENTRE[1] + (-half_nm if east else half_nm) / 60.0 / cos(radians(lat))
        if moored:
            lat = CENTRE[0] - 0.02 - 0.004 * (number % 8) + rng.uniform(-0.0004, 0.0004)
            lon = CENTRE[1] + 0.008 * (number // 8) + rng.uniform(-0.0004, 0.0004)
        vessels.append(
            Vessel(
                mmsi=MID * 1_000_000 + 500_000 + number * 37 + rng.randrange(30),
                name=f"{NAMES[number % len(NAMES)]} {number // len(NAMES) + 1}",
                ship_type=rng.choice((70, 71, 80, 60, 30)), lat=lat, lon=lon, sog_kn=sog,
                cog_deg=90.0 if east else 270.0, moored=moored,
            )
        )  # fmt: skip
    return vessels


def sentences(
    vessels: list[Vessel], rng: Random, *, start_ts: float, duration_s: float
) -> Iterator[tuple[float, str]]:
    """(Unix seconds, one or more lines of NMEA) of every report, in order of time."""
    due: list[tuple[float, str]] = []
    for vessel in vessels:
        every = MOORED_S if vessel.moored else UNDER_WAY_S
        offset = rng.uniform(0.0, every)
        end = min(duration_s, vessel.silent_from_s if vessel.silent_from_s is not None else duration_s)
        reports = int((end - offset) / every) + 1
        due += [
            (start_ts + offset + n * every, _position(vessel, offset + n * every, rng)) for n in range(reports)
        ]
        first = rng.uniform(0.0, STATIC_S)
        due += [
            (start_ts + s, _static(vessel))
            for s in (first + n * STATIC_S for n in range(int(duration_s / STATIC_S) + 1))
            if s < end
        ]
    due += [(start_ts + n * BASE_S, _base(start_ts + n * BASE_S)) for n in range(int(duration_s / BASE_S))]
    due.sort(key=lambda one: one[0])
    for group, (ts, text) in enumerate(due):
        yield ts, tagged(text, ts, group)


def tagged(text: str, ts: float, group: int) -> str:
    """Lines with a TAG block of their time and station; several parts of one message carry a group."""
    lines = text.split("\n")
    out = []
    for number, line in enumerate(lines, 1):
        part = f"g:{number}-{len(lines)}-{group % 10_000}," if len(lines) > 1 else ""
        block = f"{part}s:harbour,c:{int(ts)}"
        out.append(f"\\{block}*{reduce(xor, block.encode()):02X}\\{line}")
    return "\n".join(out)


def _encode(fields: dict[str, str | int | float | bytes | bool], sequence: int = 0) -> str:
    return "\n".join(encode_dict(fields, talker_id="AI", radio_channel="A", sentence_type="VDM", seq_id=sequence))


def _position(vessel: Vessel, seconds: float, rng: Random) -> str:
    lat, lon = vessel.at(seconds)
    return _encode({
        "type": 1, "mmsi": vessel.mmsi, "status": 5 if vessel.moored else 0,
        "lat": lat + rng.gauss(0, 3e-5), "lon": lon + rng.gauss(0, 5e-5),
        "speed": max(0.0, vessel.sog_kn + rng.gauss(0, 0.1)) if not vessel.moored else 0.0,
        "course": (vessel.cog_deg + rng.gauss(0, 0.8)) % 360, "heading": int(vessel.cog_deg),
        "turn": 0, "second": int(seconds) % 60, "accuracy": 1,
    })  # fmt: skip


def _static(vessel: Vessel) -> str:
    return _encode({
        "type": 5, "mmsi": vessel.mmsi, "shipname": vessel.name, "callsign": f"D{vessel.mmsi % 100000}",
        "imo": 9_000_000 + vessel.mmsi % 900_000, "ship_type": vessel.ship_type, "to_bow": 80, "to_stern": 20,
        "to_port": 8, "to_starboard": 8, "draught": 6.1, "destination": "ANYWHERE",
    }, vessel.mmsi % 10)  # fmt: skip


def _base(ts: float) -> str:
    second = int(ts)
    return _encode({
        "type": 4, "mmsi": BASE_MMSI, "year": 2020, "month": 1, "day": 1, "hour": second // 3600 % 24,
        "minute": second // 60 % 60, "second": second % 60, "lat": CENTRE[0], "lon": CENTRE[1], "epfd": 7,
    })  # fmt: skip
