"""Layer 4 binds what moves or answers together, and nothing that merely happens at the same time."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import msgspec
import pytest

from dsmil.analytics.engine import Engine
from dsmil.analytics.l4.catalog import SHAPES, detectors
from dsmil.analytics.sphere import ahead
from dsmil.config.fusion import L4
from dsmil.events import envelope
from dsmil.events.ais import Position
from dsmil.events.decision import Decision
from dsmil.events.enums import Category, TsBasis
from dsmil.events.envelope import Event
from dsmil.events.net import Flow, Host, Port
from dsmil.events.rf import Burst

T0 = 1_760_000_000.0


def engine(**changes: object) -> Engine:
    settings = msgspec.structs.replace(L4(), **changes)  # type: ignore[arg-type]
    return Engine(detectors(settings), SHAPES, source="l4", layer=4, epoch="test")


class World:
    """Makes events in order; ids and counters count up."""

    def __init__(self) -> None:
        self.count = 0

    def event(self, ts: float, payload: msgspec.Struct, kind: str, *, timed: bool = True) -> Event:
        self.count += 1
        source = kind.split(".", maxsplit=1)[0]
        return Event(
            event_id=f"{source}-{self.count}", ts=ts, ingest_ts=ts,
            ts_basis=TsBasis.SOURCE if timed else TsBasis.INGEST,
            source_device=11, source_layer=0, source=f"{source}:test", source_epoch="e", source_seq=self.count,
            category=Category.INTEL, kind=kind, payload=envelope.pack(payload),
        )  # fmt: skip

    def ship(
        self, mmsi: int, ts: float, place: tuple[float, float], motion: tuple[float, float] = (10.0, 90.0)
    ) -> Event:
        sog, cog = motion
        return self.event(
            ts,
            Position(mmsi=mmsi, msg_type=1, lat=place[0], lon=place[1], sog_kn=sog, cog_deg=cog),
            "ais.position",
        )

    def burst(
        self, ts: float, place: tuple[float, float], device_id: str = "7", level: float | None = None
    ) -> Event:
        lat, lon = place
        return self.event(
            ts,
            Burst(model="Tag", device_id=device_id, lat=lat, lon=lon, freq_hz=433.92e6, rssi_db=level),
            "rf.burst",
        )


def decided(events: Sequence[Event], runner: Engine | None = None) -> list[Decision]:
    return [msgspec.json.decode(e.payload, type=Decision) for e in (runner or engine()).process(list(events))]


def along(start: tuple[float, float], cog: float, kn: float, seconds: float) -> tuple[float, float]:
    return ahead(*start, cog, kn * seconds / 3600.0)


def test_a_radio_at_the_dead_reckoned_place_of_a_silent_ship_is_bound_to_it() -> None:
    world, start = World(), (54.0, 10.0)
    events = [world.ship(211000001, T0 + s, along(start, 90, 12, s), (12, 90)) for s in range(0, 601, 10)]
    events += [world.burst(T0 + s, along(start, 90, 12, s)) for s in range(1800, 3001, 120)]
    links = [d for d in decided(events) if d.decision == "link.emitter_vessel"]
    assert len(links) == 1
    assert links[0].entities[1] == "vessel:211000001"
    assert links[0].features["dead_reckoned"] is True
    assert links[0].score >= 0.7


def test_row_44_coincidence_in_time_alone_binds_nothing() -> None:
    """A hundred times the density: a fixed radio amid many ships passing and lying still."""
    world, rng, place = World(), random.Random(4), (54.0, 10.0)
    events: list[Event] = []
    for ship in range(100):
        lat, lon = 54.0 + rng.uniform(-0.03, 0.03), 10.0 + rng.uniform(-0.04, 0.04)
        kn, cog = rng.choice((0.0, 6.0, 12.0)), rng.uniform(0, 359)
        events += [
            world.ship(211000000 + ship, T0 + s, along((lat, lon), cog, kn, s - 600), (kn, cog))
            for s in range(0, 1200, 60)
        ]
    events += [world.burst(T0 + s, place, level=-10.0) for s in range(5, 1200, 60)]
    events.sort(key=lambda event: event.ts)
    events = [msgspec.structs.replace(e, source_seq=n) for n, e in enumerate(events, 1)]
    assert not [d for d in decided(events) if d.decision.startswith("link.")]


def test_a_link_is_undone_when_the_radio_goes_another_way() -> None:
    world, start = World(), (54.0, 10.0)
    events = []
    for s in range(0, 4800, 60):
        events.append(world.ship(211000001, T0 + s, along(start, 90, 12, s), (12, 90)))
        where = along(start, 90, 12, s) if s < 1800 else along(along(start, 90, 12, 1800), 270, 12, s - 1800)
        events.append(world.burst(T0 + s + 1, where))
    names = [d.decision for d in decided(events) if "emitter_vessel" in d.decision]
    assert names[:2] == ["link.emitter_vessel", "unlink.emitter_vessel"]


def test_two_ships_side_by_side_are_not_told_apart() -> None:
    world, start = World(), (54.0, 10.0)
    events = []
    for s in range(0, 1800, 60):
        for mmsi in (211000001, 211000002):
            events.append(world.ship(mmsi, T0 + s, along(start, 90, 12, s), (12, 90)))
        events.append(world.burst(T0 + s + 1, along(start, 90, 12, s)))
    assert not [d for d in decided(events) if "emitter_vessel" in d.decision]


def host(world: World, *, state: str = "open") -> Event:
    port = Port(proto="tcp", port=23, state=state, service="telnet")
    return world.event(T0, Host(ip="192.0.2.10", ports=(port,)), "net.host")


def flow(world: World, *, protocol: str | None = "Telnet", swapped: bool = False) -> Event:
    ends = ("192.0.2.99", 50000, "192.0.2.10", 23)
    src, sport, dst, dport = (*ends[2:], *ends[:2]) if swapped else ends
    said = Flow(
        flow_id="f1", src_ip=src, src_port=sport, dst_ip=dst, dst_port=dport, l4_proto="TCP", l7_proto=protocol
    )
    return world.event(T0 + 60, said, "net.flow")


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("flow_first", [False, True])
def test_a_flow_to_a_scanned_open_port_is_linked_once(swapped: bool, flow_first: bool) -> None:
    world = World()
    events = [flow(world, swapped=swapped and not flow_first), host(world)]
    events = events if flow_first else events[::-1]
    events = [msgspec.structs.replace(e, source_seq=n) for n, e in enumerate([*events, flow(world)], 1)]
    links = [d for d in decided(events) if d.decision == "link.host_service"]
    assert [d.entities for d in links] == [("host:ip:192.0.2.10", "svc:telnet", "flow:f1", "host:ip:192.0.2.99")]
    assert links[0].features["term_address"] == 1.0


def test_a_closed_port_and_another_protocol_are_no_link() -> None:
    world = World()
    assert not decided([host(world, state="closed"), flow(world)])
    world = World()
    assert not decided([host(world), flow(world, protocol="SSH")])


def meeting(world: World, *, minutes: int = 15, kn: float = 0.3, nav: int | None = None) -> Iterator[Event]:
    place = (54.5, 11.0)
    for mmsi, cog in ((211000001, 90.0), (211000002, 270.0)):
        for s in range(0, 1201, 60):
            away = along(place, cog + 180, 10, 1200 - s)
            yield world.ship(mmsi, T0 + s, away, (10, cog))
    for s in range(1260, 1260 + minutes * 60, 60):
        for mmsi, shift in ((211000001, 0.0), (211000002, 0.001)):
            said = Position(
                mmsi=mmsi, msg_type=1, lat=place[0] + shift, lon=place[1], sog_kn=kn, cog_deg=0.0, nav_status=nav
            )
            yield world.event(T0 + s, said, "ais.position")


def ordered(events: Sequence[Event]) -> list[Event]:
    return [msgspec.structs.replace(e, source_seq=n) for n, e in enumerate(sorted(events, key=lambda e: e.ts), 1)]


def test_two_ships_that_come_together_and_stop_have_a_rendezvous_once() -> None:
    found = [d for d in decided(ordered(list(meeting(World(), minutes=40)))) if d.decision == "ais.rendezvous"]
    assert [d.entities for d in found] == [("vessel:211000001", "vessel:211000002")]


@pytest.mark.parametrize(("minutes", "kn", "nav"), [(8, 0.3, None), (30, 4.0, None), (30, 0.3, 1)])
def test_short_moving_or_anchored_meetings_are_none(minutes: int, kn: float, nav: int | None) -> None:
    events = ordered(list(meeting(World(), minutes=minutes, kn=kn, nav=nav)))
    assert not [d for d in decided(events) if d.decision == "ais.rendezvous"]


def test_a_rendezvous_inside_a_configured_port_is_none() -> None:
    events = ordered(list(meeting(World(), minutes=30)))
    runner = engine(ports=((54.5, 11.0, 1.0),))
    assert not [d for d in decided(events, runner) if d.decision == "ais.rendezvous"]


def test_head_on_courses_are_told_before_the_ships_meet() -> None:
    world = World()
    events = []
    for s in range(0, 1500, 10):
        events.append(world.ship(211000001, T0 + s, along((54.0, 10.0), 90, 12, s), (12, 90)))
        events.append(world.ship(211000002, T0 + s, along((54.002, 10.2), 270, 12, s), (12, 270)))
    found = [d for d in decided(events) if d.decision == "ais.cpa"]
    assert len(found) == 1
    assert found[0].features["cpa_nm"] == pytest.approx(0.12, abs=0.02)


def test_courses_that_pass_a_mile_apart_are_none() -> None:
    world = World()
    events = []
    for s in range(0, 1500, 10):
        events.append(world.ship(211000001, T0 + s, along((54.0, 10.0), 90, 12, s), (12, 90)))
        events.append(world.ship(211000002, T0 + s, along((54.02, 10.2), 270, 12, s), (12, 270)))
    assert not [d for d in decided(events) if d.decision == "ais.cpa"]


def test_cuts_and_restarts_change_no_decision() -> None:
    rng, world = random.Random(7), World()
    events = ordered([
        *meeting(world, minutes=20),
        *(world.burst(T0 + s, along((54.5, 11.0), 270, 10, 1200 - s)) for s in range(0, 1200, 60)),
        host(world), flow(world),
    ])  # fmt: skip
    whole = engine().process(events)
    assert len(whole) >= 3
    runner, parts, at = engine(), [], 0
    while at < len(events):
        step = rng.randint(1, 9)
        parts += runner.process(events[at : at + step])
        at += step
        memory = runner.dump()
        runner = engine()
        runner.restore(memory)
    assert [e.event_id for e in parts] == [e.event_id for e in whole]
    assert [bytes(e.payload) for e in parts] == [bytes(e.payload) for e in whole]
