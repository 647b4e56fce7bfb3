"""Time is told only where the batches have caught up, and each word of it gets out once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from dsmil.clock import FakeClock
from dsmil.errors import Unavailable
from dsmil.runtime.ticker import TICK_S, Ticker


class Batches:
    """Stands where the consumer does."""

    def __init__(self) -> None:
        self.told: dict[str, float | int | str | bool] = {"replayed": 0, "waiting_on": ""}

    def step(self, timeout_s: float) -> int:
        return 0

    def drain(self) -> None:
        return

    def stats(self) -> dict[str, float | int | str | bool]:
        return self.told


class Bench:
    def __init__(self, clock: FakeClock) -> None:
        self.batches = Batches()
        self.made: list[float] = []
        self.sent: list[bytes] = []
        self.away = False
        self.ticker = Ticker(self.batches, self.make, self.publish, clock=clock)

    def make(self, now: float) -> list[bytes]:
        self.made.append(now)
        return [str(now).encode()]

    def publish(self, encoded: Sequence[bytes]) -> None:
        if self.away:
            raise Unavailable("publish: gone")
        self.sent += encoded


def test_it_waits_for_batches_replays_and_full_streams(clock: FakeClock) -> None:
    bench = Bench(clock)
    bench.ticker.after(3)
    bench.batches.told["replayed"] = 10
    bench.ticker.after(0)
    bench.batches.told["waiting_on"] = "L3_OUT"
    bench.ticker.after(0)
    assert bench.made == []
    bench.batches.told["waiting_on"] = ""
    bench.ticker.after(0)
    bench.ticker.after(0)
    assert bench.made == [clock.now()], "once a second at most"
    clock.advance(TICK_S)
    bench.ticker.after(0)
    assert len(bench.made) == len(bench.sent) == 2


def test_what_could_not_be_sent_goes_first_and_once(clock: FakeClock) -> None:
    bench = Bench(clock)
    bench.away = True
    for _ in range(3):
        with pytest.raises(Unavailable):
            bench.ticker.after(0)
        clock.advance(TICK_S)
    bench.away = False
    bench.ticker.after(0)
    assert len(bench.made) == len(bench.sent) == 1
