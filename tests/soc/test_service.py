"""Beside routing: rows are written in time, never hold routing up, and come back after the tmpfs was emptied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from dsmil.clock import FakeClock
from dsmil.config import Settings
from dsmil.config.soc import SocRouter
from dsmil.errors import ConfigError, Unavailable
from dsmil.events import envelope
from dsmil.events.enums import StreamName
from dsmil.events.envelope import Event
from dsmil.fabric.publisher import Publisher
from dsmil.fabric.wire import Wire
from dsmil.soc.refill import Refill
from dsmil.soc.router import Router
from dsmil.soc.service import RouterService
from dsmil.soc.shrink import ShrinkPoller
from dsmil.store.hot import HotPathDB

Decide = Callable[..., Event]


class Feed:
    """Stands where the consumer does: one batch a step."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self.waits: list[float] = []
        self.batches: list[list[Event]] = []

    def step(self, timeout_s: float) -> int:
        self.waits.append(timeout_s)
        batch = self.batches.pop(0) if self.batches else []
        self._router.process(batch)
        return len(batch)

    def drain(self) -> None:
        self.waits.append(-1)

    def stats(self) -> dict[str, int]:
        return {"replayed": 0}


class Bench:
    def __init__(self, directory: Path, clock: FakeClock) -> None:
        self.router = Router()
        self.feed = Feed(self.router)
        self.hot = HotPathDB(directory / "hotpath.db", clock=clock)
        self.sent: list[bytes] = []
        self.away = False
        self.service = RouterService(
            self.router, self.feed, publish=self.publish, shrink=ShrinkPoller("", clock=clock), hot=self.hot,
            settings=SocRouter(), clock=clock,
        )  # fmt: skip

    def publish(self, encoded: Sequence[bytes]) -> None:
        if self.away:
            raise Unavailable("publish: Redis is away")
        self.sent += encoded

    def rows(self) -> list[dict[str, object]]:
        return self.hot.get_recent_soc_events()


@pytest.fixture
def bench(tmp_path: Path, clock: FakeClock) -> Bench:
    return Bench(tmp_path, clock)


def test_rows_wait_for_the_flush_and_shorten_the_wait(bench: Bench, clock: FakeClock, decide: Decide) -> None:
    bench.service.step(2.0)
    now = clock.now()
    bench.feed.batches = [[decide(ts=now)], [decide(ts=now + 1)]]
    bench.service.step(2.0)
    assert bench.rows() == []
    bench.service.step(2.0)
    assert bench.feed.waits[-1] == pytest.approx(0.25)
    clock.advance(0.25)
    bench.service.step(2.0)
    assert len(bench.rows()) == 1
    clock.advance(1)
    bench.service.step(2.0)
    payload = bench.rows()[0]["payload"]
    assert isinstance(payload, dict) and payload["last_ts"] == now + 1


def test_draining_writes_everything_and_says_offline(bench: Bench, clock: FakeClock, decide: Decide) -> None:
    bench.feed.batches = [[decide(ts=clock.now()), decide(ts=clock.now() + 1)]]
    bench.service.step(0)
    bench.service.drain()
    assert len(bench.rows()) == 1 and bench.hot.get_device_statuses()[0]["status"] == "OFFLINE"


def test_an_absent_hot_database_never_stops_routing(tmp_path: Path, clock: FakeClock, decide: Decide) -> None:
    bench = Bench(tmp_path / "not" / "there", clock)
    for i in range(20):
        bench.feed.batches = [[decide("ais.jump", f"vessel:{i}", ts=clock.now())]]
        assert bench.service.step(0.0) == 1
        clock.advance(1)
    bench.service.drain()
    assert bench.router.counts()["published"] == 20 and bench.hot.state == "absent"


def test_a_report_that_could_not_be_sent_is_sent_later_once(
    bench: Bench, clock: FakeClock, decide: Decide
) -> None:
    now = clock.now()
    bench.feed.batches = [[decide(ts=now), decide(ts=now + 1)]]
    bench.service.step(0)
    clock.advance(700)
    bench.away = True
    with pytest.raises(Unavailable):
        bench.service.step(0)
    bench.away = False
    for _ in range(3):
        clock.advance(2)
        bench.service.step(0)
    assert [msgspec.json.decode(data)["kind"] for data in bench.sent] == ["soc.repeats"]


def test_reload_takes_new_rules_or_keeps_the_old(bench: Bench, tmp_path: Path) -> None:
    settings = Settings(soc_router=SocRouter(rules_dir=tmp_path))
    (tmp_path / "a.toml").write_text("[[suppress]]\nwhere='score < 1'\nuntil=2999-01-01\nreason='drill'\n")
    bench.service.reload(settings)
    assert len(bench.router.suppression.rules) == 1
    (tmp_path / "a.toml").write_text("nonsense = 1\n")
    with pytest.raises(ConfigError):
        bench.service.reload(settings)
    assert len(bench.router.suppression.rules) == 1


@pytest.mark.live
def test_an_emptied_tmpfs_is_filled_in_again(redis_socket: str, tmp_path: Path, decide: Decide) -> None:
    from dsmil.clock import SYSTEM

    wire, now = Wire(f"unix://{redis_socket}"), SYSTEM.now()
    router = Router()
    made = router.process([decide("ais.jump", f"vessel:{i}", ts=now) for i in range(1200)])
    made += router.process(
        [decide("ais.jump", "vessel:7", ts=now + 5), decide("ais.zone", "vessel:x", ts=now + 800)]
    )
    Publisher(wire, StreamName.SOC_EVENTS).publish([envelope.encode(event) for event in made])
    hot = HotPathDB(tmp_path / "hotpath.db")
    hot.connect()
    refill = Refill(wire, hot, retention_s=86_400, now=SYSTEM.now)
    pages = 0
    while refill.step():
        pages += 1
    assert pages == 3 and hot.get_stats()["soc_events_cache"] == 1201
    row = next(r for r in hot.get_recent_soc_events(limit=2000) if r["payload"]["entity"] == "vessel:7")
    assert row["payload"]["last_ts"] == pytest.approx(now + 5, abs=1e-3)
    assert not refill.step(), "nothing to do while the file stands"
    restarted = Refill(wire, hot, retention_s=86_400, now=SYSTEM.now)
    assert not restarted.step(), "a restart finds the file as it was"
