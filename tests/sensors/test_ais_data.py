"""On every shared recording our shifts and pyais read the same, and all sentences are accounted for."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyais.bit_vector import bit_vector
from pyais.messages import MSG_CLASS

from dsmil.events.ais import Base, Position
from dsmil.sensors.ais_nmea import AisNmea
from dsmil.sensors.record import Item, Observation, Tally

pytestmark = pytest.mark.data


def recordings(shared_data: Path) -> list[tuple[str, bytes]]:
    found = []
    for truth in sorted((shared_data / "ais" / "expected").glob("*.json")):
        name = truth.name.removesuffix(".json")
        plain, packed = shared_data / "ais" / name, shared_data / "ais" / f"{name}.gz"
        if name.endswith(".csv") or not (plain.exists() or packed.exists()):
            continue
        found.append((name, plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())))
    return found


def read(data: bytes) -> list[Item]:
    parser = AisNmea()
    return [*parser.feed(data), *parser.close()]


def lines(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt") as file:
        return [json.loads(line) for line in file]


def below(value: float | None, limit: float) -> float | None:
    return None if value is None or value >= limit else round(float(value), 1)


def test_every_sentence_is_accounted_for(shared_data: Path) -> None:
    for name, data in recordings(shared_data):
        truth = json.loads((shared_data / "ais" / "expected" / f"{name}.json").read_text())
        tally = Tally()
        for item in read(data):
            tally.add(item)
        assert tally.received == truth["vdm_vdo_sentences"], name
        wrong = truth["checksum"]["bad"] + truth["checksum"]["absent"]
        assert tally.rejected.get("checksum", 0) == wrong, name


def test_positions_agree_with_pyais(shared_data: Path) -> None:
    for name, data in recordings(shared_data):
        truth = shared_data / "ais" / "expected" / f"{name}.positions.jsonl.gz"
        if not truth.exists():
            continue
        theirs: Counter[Any] = Counter()
        for p in lines(truth):
            if (
                p["valid"]
                and p["type"] in (1, 2, 3, 9, 18, 19, 27)
                and abs(p["lat"]) <= 90
                and abs(p["lon"]) <= 180
            ):
                sog = below(p["sog"], {9: 1023, 27: 63}.get(p["type"], 102.3))
                theirs[p["type"], p["mmsi"], p["lat"], p["lon"], sog, below(p["cog"], 360)] += 1
        ours: Counter[Any] = Counter()
        for item in read(data):
            body = item.payload if isinstance(item, Observation) else None
            if isinstance(body, Position) and body.lat is not None:
                ours[body.msg_type, body.mmsi, body.lat, body.lon, body.sog_kn, body.cog_deg] += 1
        assert ours == theirs, name


def test_receive_times_agree_with_pyais(shared_data: Path) -> None:
    name = "aisabn-212123000_drift_1.ais"
    theirs = Counter(
        datetime.fromisoformat(p["gatehouse_time"]).replace(tzinfo=UTC).timestamp()
        for p in lines(shared_data / "ais" / "expected" / f"{name}.positions.jsonl.gz")
        if p["type"] in (1, 3)
    )
    data = dict(recordings(shared_data))[name]
    ours = Counter(
        item.ts for item in read(data) if isinstance(item, Observation) and item.kind == "ais.position"
    )
    assert ours == theirs


def test_our_shifts_and_pyais_read_every_field_alike(shared_data: Path) -> None:
    checked = 0
    for _, data in recordings(shared_data):
        for item in read(data):
            if not isinstance(item, Observation) or item.records != 1:
                continue
            body = item.payload
            if not isinstance(body, Position | Base) or body.msg_type not in (1, 2, 3, 4, 11, 18):
                continue
            armour, fill = item.text[item.text.index("!") :].split("*")[0].split(",")[5:7]
            vector = bit_vector(armour.encode(), int(fill))
            same(body, MSG_CLASS[body.msg_type].from_vector(vector))
            checked += 1
    assert checked > 70_000


def same(body: Position | Base, message: Any) -> None:
    place = (message.lat, message.lon) if abs(message.lat) <= 90 and abs(message.lon) <= 180 else (None, None)
    assert (body.mmsi, body.lat, body.lon) == (message.mmsi, *place)
    if isinstance(body, Base):
        return
    assert body.sog_kn == (None if message.speed >= 102.3 else message.speed)
    assert body.cog_deg == (None if message.course >= 360 else message.course)
    assert body.heading_deg == (None if message.heading >= 360 else message.heading)
    assert body.utc_second == (None if message.second >= 60 else message.second)
    assert (body.accuracy, body.repeat) == (message.accuracy, message.repeat)
    if body.msg_type != 18:
        assert body.nav_status == int(message.status)
        turn = float(message.turn)
        assert body.rot_deg_min == (turn if turn == int(turn) and type(message.turn) is float else None)
