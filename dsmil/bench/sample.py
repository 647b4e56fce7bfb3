"""What the benchmarks are fed: a busy harbour as NMEA sentences, and decisions as Layers 3 and 4 make them.

Seeded: the same arguments give the same bytes. The vessels are those of the demo story (`scenarios.harbour`);
only the encoder is another, because a hundred thousand sentences must not take half a minute to make.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from itertools import islice
from operator import xor
from random import Random
from statistics import median

from pyais.encode import encode_dict

from dsmil.events import ids
from dsmil.events.decision import Decision, category_of, severity_of
from dsmil.events.enums import StreamName
from dsmil.events.envelope import Event, encode, pack
from dsmil.scenarios import harbour
from dsmil.sensors.ais_nmea import AisNmea
from dsmil.sensors.record import Observation
from dsmil.sensors.stamp import Stamper, file_origin

ODD_EVERY = 50
"""Each so-many-th report comes from a number no ship can have, once each: a decision at once, for latencies."""
ODD_MMSI = 21_100_000
"""021100000 and on: the form of a group of ships, which cannot have a position."""
PER_VESSEL_S = 1 / 3 / harbour.UNDER_WAY_S + 2 / 3 / harbour.MOORED_S + 2 / harbour.STATIC_S
"""Sentences one vessel of `harbour.fleet` gives a second: a third under way, a static report of two lines."""
VESSELS_MIN, VESSELS_MAX = 40, 1_000
SPAN_S = 3_600.0
"""Event time the decisions are spread over: six windows of the router."""
PER_ENTITY = 50
"""Decisions per entity: 100,000 are about 2,000 entities."""
FAMILIES = (
    ("vessel", (("ais.jump", 3, 20), ("ais.identity_change", 3, 20), ("ais.cpa", 4, 25))),
    ("host:ip", (("net.new_service", 3, 21), ("net.flow_risk", 3, 22), ("net.risky_service", 3, 21))),
    ("vessel", (("ais.jump", 3, 20), ("ais.gone_dark", 3, 20), ("link.emitter_vessel", 4, 27))),
    ("rf", (("rf.new_emitter", 3, 16), ("rf.power_anomaly", 3, 16), ("rf.emitter_silent", 3, 16))),
)
"""Kind of entity, and the three decisions made on each: name, layer, device. A sixth of all come from Layer 4."""
_ARMOUR = [chr(n + 48 if n < 40 else n + 56) for n in range(64)]
"""ITU-R M.1371 six-bit armour."""


def nmea(count: int, *, start_ts: float, seed: int = 1, per_s: float = 0.0) -> tuple[list[str], float]:
    """`count` sentences with tag blocks in order of time, and the seconds they span (about `per_s` a second)."""
    rng = Random(seed)  # noqa: S311 - a sample, not a secret
    wanted = per_s / PER_VESSEL_S if per_s else count / 100
    vessels = int(min(VESSELS_MAX, max(VESSELS_MIN, wanted)))
    span_s = 1.1 * count / (vessels * PER_VESSEL_S) + harbour.UNDER_WAY_S
    fleet = harbour.fleet(rng, vessels, span_s)
    lines = list(islice(_sentences(fleet, rng, start_ts, span_s), count))
    return lines, span_s / 1.1


def observations(lines: list[str], *, now_s: float) -> list[bytes]:
    """The encoded events those sentences give on L3_IN."""
    parser = AisNmea()
    stamper = Stamper(file_origin("ais:file:bench.nmea", "b" * 64, device=11, path="/bench/bench.nmea"))
    data = ("\n".join(lines) + "\n").encode()
    items = [*parser.feed(data), *parser.close()]
    made = (stamper.stamp(item, now_s=now_s) for item in items if isinstance(item, Observation))
    return [one for one in made if isinstance(one, bytes)]


def decisions(
    count: int, *, start_ts: float, seed: int = 1, fresh: bool = False
) -> Iterator[tuple[StreamName, bytes]]:
    """`count` decisions for L3_OUT and L4_OUT in order of time: three kinds on each of `count / 50` entities, so
    about two thirds repeat one of the last ten minutes. `fresh`: each on an entity of its own, none repeats."""
    rng = Random(seed)  # noqa: S311 - a sample, not a secret
    entities = count if fresh else max(1, count // PER_ENTITY)
    for number in range(count):
        who = number if fresh else rng.randrange(entities)
        kind, made = FAMILIES[who % len(FAMILIES)]
        name, layer, device = made[rng.randrange(len(made))]
        ts = start_ts + SPAN_S * number / count
        yield (
            StreamName.L3_OUT if layer == 3 else StreamName.L4_OUT,
            _decision(name, f"{kind}:{211_000_000 + who}", (layer, device), (ts, number)),
        )


def median_bytes(start_ts: float) -> int:
    """Median size of the observations of the demo's harbour, bytes of JSON."""
    lines, _ = nmea(1_000, start_ts=start_ts)
    return int(median(map(len, observations(lines, now_s=start_ts))))


def _decision(name: str, entity: str, place: tuple[int, int], at: tuple[float, int]) -> bytes:
    (layer, device), (ts, number) = place, at
    refs = tuple(ids.digest("bench", str(number), part) for part in ("a", "b"))
    told = Decision(
        decision=name,
        score=0.5 + number % 50 / 100,
        entities=(entity,),
        features={
            "distance_nm": 3.25,
            "elapsed_s": 10.0,
            "speed_kn": 1170.0,
            "from_lat": 54.4213,
            "from_lon": 10.2,
        },
        explanation=f"{entity} moved 3.3 nm in 10 s, which implies 1170 kn (no ship exceeds 100 kn).",
    )
    return encode(
        Event(
            event_id=ids.derived(refs, f"{name}|{entity}"), ts=ts, ingest_ts=ts + 0.2, source_device=device,
            source_layer=layer, source=f"l{layer}", source_epoch="bench", source_seq=number + 1,
            category=category_of(name), severity=severity_of(name), kind="decision", refs=refs, payload=pack(told),
        )
    )  # fmt: skip


def _sentences(fleet: list[harbour.Vessel], rng: Random, start_ts: float, span_s: float) -> Iterator[str]:
    """Reports of a fleet in order of time, each odd one from a number of its own."""
    due: list[tuple[float, int, bool]] = []
    for index, vessel in enumerate(fleet):
        every = harbour.MOORED_S if vessel.moored else harbour.UNDER_WAY_S
        first, static = rng.uniform(0.0, every), rng.uniform(0.0, harbour.STATIC_S)
        due += [(first + n * every, index, False) for n in range(int((span_s - first) / every) + 1)]
        due += [
            (s, index, True)
            for s in (static + n * harbour.STATIC_S for n in range(int(span_s / harbour.STATIC_S) + 1))
        ]
    due.sort()
    known = [_static(vessel) for vessel in fleet]
    for group, (seconds, index, static) in enumerate(due):
        vessel, ts = fleet[index], start_ts + seconds
        odd = group % ODD_EVERY == 0 and not static
        text = known[index] if static else position(vessel, seconds, ODD_MMSI + group // ODD_EVERY if odd else 0)
        yield from harbour.tagged(text, ts, group).split("\n")


def position(vessel: harbour.Vessel, seconds: float, mmsi: int = 0) -> str:
    """An AIS message 1 (ITU-R M.1371-5 table 48) of a vessel, or of another number at its place."""
    lat, lon = vessel.at(seconds)
    fields = (
        (1, 6), (0, 2), (mmsi or vessel.mmsi, 30), (5 if vessel.moored else 0, 4), (0, 8),
        (int(vessel.sog_kn * 10), 10), (1, 1), (int(lon * 600_000) & 0xFFFFFFF, 28),
        (int(lat * 600_000) & 0x7FFFFFF, 27),
        (int(vessel.cog_deg * 10), 12), (int(vessel.cog_deg), 9), (int(seconds) % 60, 6), (0, 25),
    )  # fmt: skip
    bits = 0
    for value, width in fields:
        bits = bits << width | value
    body = "AIVDM,1,1,,A," + "".join(_ARMOUR[bits >> shift & 63] for shift in range(162, -1, -6)) + ",0"
    return f"!{body}*{reduce(xor, body.encode()):02X}"


def _static(vessel: harbour.Vessel) -> str:
    fields: dict[str, str | int | float | bytes | bool] = {
        "type": 5, "mmsi": vessel.mmsi, "shipname": vessel.name, "callsign": f"D{vessel.mmsi % 100000}",
        "imo": 9_000_000 + vessel.mmsi % 900_000, "ship_type": vessel.ship_type, "to_bow": 80, "to_stern": 20,
        "to_port": 8, "to_starboard": 8, "draught": 6.1, "destination": "ANYWHERE",
    }  # fmt: skip
    return "\n".join(
        encode_dict(fields, talker_id="AI", radio_channel="A", sentence_type="VDM", seq_id=vessel.mmsi % 10)
    )
