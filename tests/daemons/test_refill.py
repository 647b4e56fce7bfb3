"""Rows of the hot database come back out of the streams after the tmpfs was emptied, once and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsmil.clock import SYSTEM
from dsmil.daemons.refill import Refill, Supply
from dsmil.daemons.soc_router import storing
from dsmil.events import envelope, ids
from dsmil.events.decision import Decision
from dsmil.events.enums import Category, StreamName
from dsmil.events.envelope import Event
from dsmil.fabric.publisher import Publisher
from dsmil.fabric.wire import Wire
from dsmil.soc.router import Router
from dsmil.store.hot import HotPathDB

pytestmark = pytest.mark.live


def decide(name: str, entity: str, ts: float) -> Event:
    return Event(
        event_id=ids.digest("refill", name, entity, str(ts)), ts=ts, ingest_ts=ts, source_device=20, source_layer=3,
        source="l3", category=Category.INTEL, kind="decision",
        payload=envelope.pack(Decision(decision=name, score=0.5, entities=(entity,))),
    )  # fmt: skip


def test_an_emptied_tmpfs_is_filled_in_again(redis_socket: str, tmp_path: Path) -> None:
    wire, now = Wire(f"unix://{redis_socket}"), SYSTEM.now()
    router = Router()
    made = router.process([decide("ais.jump", f"vessel:{i}", now) for i in range(1200)])
    made += router.process([decide("ais.jump", "vessel:7", now + 5), decide("ais.zone", "vessel:x", now + 800)])
    Publisher(wire, StreamName.SOC_EVENTS).publish([envelope.encode(event) for event in made])
    wire.call("XADD", "SOC_EVENTS", "*", "event", "no event")
    hot = HotPathDB(tmp_path / "hotpath.db")
    hot.connect()

    def refill() -> Refill:
        supply = Supply(StreamName.SOC_EVENTS, 86_400.0, storing(hot))
        return Refill(wire, hot, [supply], stands=lambda: hot.holds("soc_events_cache"), clock=SYSTEM)

    first, pages = refill(), 0
    while first.step():
        pages += 1
    assert pages == 3 and hot.get_stats()["soc_events_cache"] == 1201
    row = next(r for r in hot.get_recent_soc_events(limit=2000) if r["payload"]["entity"] == "vessel:7")
    assert row["payload"]["last_ts"] == pytest.approx(now + 5, abs=1e-3) and row["payload"]["count"] == 2
    assert not first.step(), "nothing to do while the file stands"
    assert not refill().step(), "a restart finds the file as it was"
    for path in tmp_path.glob("hotpath.db*"):
        path.unlink()
    hot.connect()
    assert first.step(), "a new file wants all of it again"


def test_a_directory_mounted_anew_is_filled_in_without_a_restart(redis_socket: str, tmp_path: Path) -> None:
    wire, now, place = Wire(f"unix://{redis_socket}"), SYSTEM.now(), tmp_path / "ram"
    Publisher(wire, StreamName.L3_OUT).publish([envelope.encode(decide("ais.jump", "vessel:1", now))])
    place.mkdir()
    hot = HotPathDB(place / "hotpath.db")
    supply = Supply(StreamName.L3_OUT, 86_400.0, hot.insert_decisions)
    refill = Refill(wire, hot, [supply], stands=lambda: hot.holds("model_outputs_fast"), clock=SYSTEM)
    hot.connect()
    assert refill.step() and not refill.step()
    place.rename(tmp_path / "away")
    place.mkdir()
    assert not hot.holds("model_outputs_fast"), "whatever touches it next opens the new one"
    assert refill.step() and hot.holds("model_outputs_fast")


def test_what_is_older_than_retention_stays_away(redis_socket: str, tmp_path: Path) -> None:
    wire, now = Wire(f"unix://{redis_socket}"), SYSTEM.now()
    for age_s in (90_000, 100, 0):
        data = envelope.encode(decide("ais.jump", f"vessel:{age_s}", now - age_s))
        wire.call("XADD", "L3_OUT", f"{int((now - age_s) * 1000)}-0", "event", data)
    hot = HotPathDB(tmp_path / "hotpath.db")
    hot.connect()
    supply = Supply(StreamName.L3_OUT, 86_400.0, hot.insert_decisions)
    refill = Refill(wire, hot, [supply], stands=lambda: False, clock=SYSTEM)
    assert refill.step() and not refill.step()
    assert hot.get_stats()["model_outputs_fast"] == 2 and hot.holds("model_outputs_fast", layer=3)
    assert not hot.holds("model_outputs_fast", layer=4)
