"""Beside routing: rows are written in time and never hold routing up, and rules may change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from dsmil.clock import FakeClock
from dsmil.config import Settings
from dsmil.config.soc import SocRouter
from dsmil.errors import ConfigError, Unavailable
from dsmil.events.envelope import Event
from dsmil.soc.router import Router
from dsmil.soc.service import BUMPS_MAX, RouterService
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
    assert isinstance(payload, dict) and (payload["count"], payload["last_ts"]) == (2, now + 1)


def test_draining_writes_everything(bench: Bench, clock: FakeClock, decide: Decide) -> None:
    now, ships = clock.now(), [f"vessel:{i}" for i in range(BUMPS_MAX + 10)]
    bench.feed.batches = [[decide("ais.jump", ship, ts=now + i) for i in range(2) for ship in ships]]
    bench.service.step(0)
    bench.service.drain()
    rows = bench.hot.get_recent_soc_events(limit=10_000)
    assert len(rows) == len(ships) and {row["payload"]["count"] for row in rows} == {2}


def test_changed_counts_go_in_bounded_parts_each_once(bench: Bench, clock: FakeClock, decide: Decide) -> None:
    now, ships = clock.now(), [f"vessel:{i}" for i in range(BUMPS_MAX + 10)]
    bench.feed.batches = [[decide("ais.jump", ship, ts=now + i) for i in range(2) for ship in ships]]
    for written in (BUMPS_MAX, BUMPS_MAX + 10):
        bench.service.step(0)
        clock.advance(1)
        rows = bench.hot.get_recent_soc_events(limit=10_000)
        assert sum("count" in row["payload"] for row in rows) == written


def test_what_is_held_back_is_counted_by_reason_over_a_reload(
    bench: Bench, tmp_path: Path, clock: FakeClock, decide: Decide
) -> None:
    settings = Settings(soc_router=SocRouter(rules_dir=tmp_path))
    (tmp_path / "a.toml").write_text("[[suppress]]\nwhere='score < 1'\nuntil=2999-01-01\nreason='drill'\n")
    bench.service.reload(settings)
    for _ in range(2):
        bench.feed.batches = [[decide(ts=clock.now())]]
        bench.service.step(0)
        bench.service.reload(settings)
    stats = bench.service.stats()
    assert (stats["suppressed"], stats["suppressed_by"]) == (2, "drill=2") and bench.rows() == []


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
