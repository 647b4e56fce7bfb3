"""A world to observe: events of any kind with ids and counters as a sensor stamps them, and a Layer 3 engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from msgspec import Struct

from dsmil.analytics.engine import Engine
from dsmil.analytics.l3 import catalog
from dsmil.config.detectors import L3
from dsmil.events import ais, ids
from dsmil.events.decision import Decision
from dsmil.events.enums import Category, TsBasis
from dsmil.events.envelope import Event, RawRecord, pack, unpack

T0 = 1_700_000_000.0
FILE = "ais:file:test.nmea"


class World:
    """Makes events. Time is given in seconds after `T0`."""

    def __init__(self) -> None:
        self.seq: dict[str, int] = {}

    def event(self, kind: str, payload: Struct, at_s: float, *, source: str = FILE, **more: Any) -> Event:
        seq = self.seq[source] = self.seq.get(source, 0) + 1
        fields: dict[str, Any] = {
            "event_id": ids.network(source, "run", seq), "ts": T0 + at_s, "ingest_ts": T0 + 100_000.0 + at_s,
            "source_device": 11, "source_layer": 0, "source": source, "source_epoch": "run", "source_seq": seq,
            "category": Category.INTEL, "kind": kind, "payload": pack(payload),
        }  # fmt: skip
        return Event(**{**fields, **more})

    def untimed(self, event: Event) -> Event:
        """The same record in a recording without times."""
        return replaced(event, ts_basis=TsBasis.INGEST)

    def at(self, mmsi: int, at_s: float, lat: float | None, lon: float | None, **more: Any) -> Event:
        """A class A position."""
        source = more.pop("source", FILE)
        fields = {"msg_type": 1, "sog_kn": 10.0, "cog_deg": 90.0, "nav_status": 0, **more}
        return self.event(
            "ais.position", ais.Position(mmsi=mmsi, lat=lat, lon=lon, **fields), at_s, source=source
        )

    def track(
        self,
        mmsi: int,
        start_s: float,
        end_s: float,
        lat: float,
        lon: float,
        *,
        every_s: float = 10.0,
        **more: Any,
    ) -> list[Event]:
        """A ship on an easterly course from a place, reporting each `every_s`."""
        sog = more.get("sog_kn", 10.0)
        out, at_s = [], start_s
        while at_s < end_s:
            east = sog * (at_s - start_s) / 3600.0 / 60.0 / 0.6
            out.append(self.at(mmsi, at_s, lat, lon + east, **more))
            at_s += every_s
        return out


def replaced(event: Event, **fields: Any) -> Event:
    from msgspec.structs import replace

    return replace(event, **fields)


def in_order(*tracks: Iterable[Event]) -> list[Event]:
    """Several tracks as a receiver hears them; counters follow the order."""
    events = sorted((event for track in tracks for event in track), key=lambda event: event.ts)
    return [
        replaced(event, source_seq=number, event_id=ids.network(event.source, "run", number))
        for number, event in enumerate(events, 1)
    ]


def live(event: Event, peer: str = "127.0.0.1:4000") -> Event:
    """The same record, without a time of its own, as it arrives over the network."""
    return replaced(event, ts_basis=TsBasis.INGEST, raw=RawRecord(peer=peer))


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def make_engine() -> Callable[[], Engine]:
    return lambda: catalog.engine(catalog.detectors(L3()), epoch="test")


@pytest.fixture
def decide(make_engine: Callable[[], Engine]) -> Callable[..., list[tuple[str, Event, Decision]]]:
    """Everything a fresh engine concludes from some events: (name, event, payload)."""

    def run(events: Iterable[Event]) -> list[tuple[str, Event, Decision]]:
        made = make_engine().process(list(events))
        told = [(event, unpack(event, Decision)) for event in made]
        return [(payload.decision, event, payload) for event, payload in told]

    return run


@pytest.fixture
def names(decide: Callable[..., list[tuple[str, Event, Decision]]]) -> Callable[[Iterable[Event]], list[str]]:
    """Only the names of what is concluded."""
    return lambda events: [name for name, _, _ in decide(events)]


@pytest.fixture
def merge() -> Callable[..., list[Event]]:
    return in_order


@pytest.fixture
def arrive() -> Callable[[Event], Event]:
    return live
