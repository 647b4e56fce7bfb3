"""A stateful handler that is killed at any moment decides as if nothing had happened."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from dsmil.clock import FakeClock
from dsmil.events.enums import StreamName
from dsmil.events.envelope import decode, encode
from dsmil.fabric.checkpoint import Checkpoint
from dsmil.fabric.consumer import Consumer
from dsmil.fabric.janitor import Janitor
from dsmil.fabric.loss import decode_loss
from dsmil.fabric.wire import Wire

from .conftest import Summing, cut_up, event, events, sums, until_idle

IN, OUT = StreamName.L3_IN, StreamName.L3_OUT
Publish = Callable[..., None]


def decided(client: redis.Redis) -> list[str]:
    return [decode(fields[b"event"]).source for _, fields in client.xrange(OUT.value)]


def losses(client: redis.Redis) -> list[str]:
    return [decode_loss(row).kind for row in client.lrange("dsmil:loss", 0, -1)]


def consumer(url: str, path: Path, handler: Summing | None = None, **more: object) -> Consumer:
    settings: dict[str, object] = {"streams": [IN], "batch": 7, "clock": FakeClock(), **more}
    every_s = float(settings.pop("every_s", 1e9))  # type: ignore[arg-type]
    return Consumer(
        Wire(url, name="l3-0"),
        group="l3",
        handler=handler or Summing(),
        checkpoint=Checkpoint(path / "l3.ckpt", every_s=every_s),
        **settings,  # type: ignore[arg-type]
    )


def steps(one: Consumer, count: int) -> None:
    for _ in range(count):
        one.step(0.01)


def test_a_restart_without_a_checkpoint_replays_the_journal(
    url: str, client: redis.Redis, publish: Publish, tmp_path: Path
) -> None:
    publish(events(100))
    for _ in range(5):
        steps(consumer(url, tmp_path), 5)  # forgotten without a word, as if killed
    until_idle(consumer(url, tmp_path))
    assert decided(client) == sums(range(100))
    assert not losses(client)


def test_a_restart_uses_the_checkpoint_and_trims_the_journal_behind_the_one_before(
    url: str, client: redis.Redis, publish: Publish, tmp_path: Path
) -> None:
    clock = FakeClock()
    publish(events(70))
    first = consumer(url, tmp_path, every_s=5, clock=clock)
    for _ in range(30):
        first.step(0.01)
        clock.advance(2)
    assert client.llen("dsmil:journal:l3") < 8
    again = consumer(url, tmp_path)
    publish(events(10, 70))
    until_idle(again)
    assert decided(client) == sums(range(80))
    assert again.stats()["replayed"] < 60


@pytest.mark.parametrize("torn", ["cut", "flipped", "empty", "missing"])
def test_a_torn_checkpoint_falls_back_to_the_one_before(
    url: str, client: redis.Redis, publish: Publish, tmp_path: Path, torn: str
) -> None:
    for start in (0, 40):
        one = consumer(url, tmp_path)
        publish(events(40, start))
        until_idle(one)
        one.drain()
    path = tmp_path / "l3.ckpt"
    data = path.read_bytes()
    if torn == "missing":
        path.unlink()
    else:
        path.write_bytes({"cut": data[:-3], "flipped": data[:-1] + bytes([data[-1] ^ 1]), "empty": b""}[torn])
    again = consumer(url, tmp_path)
    publish(events(5, 80))
    until_idle(again)
    assert decided(client) == sums(range(85))
    assert losses(client) == ([] if torn == "missing" else ["checkpoint_torn"])
    assert again.stats()["replayed"] == 40


def test_all_checkpoints_lost_replays_what_is_still_in_the_streams(
    url: str, client: redis.Redis, publish: Publish, tmp_path: Path
) -> None:
    publish(events(60))
    for number in range(3):
        one = consumer(url, tmp_path)
        publish(events(10, 60 + 10 * number))
        until_idle(one)
        one.drain()
    again = consumer(url, tmp_path / "elsewhere")
    publish(events(5, 90))
    until_idle(again)
    assert decided(client) == sums(range(95))
    assert losses(client) == ["journal_gap"]


def test_acknowledged_entries_without_any_journal_are_replayed_first(
    url: str, client: redis.Redis, publish: Publish, tmp_path: Path
) -> None:
    publish(events(250))
    client.xgroup_create(IN.value, "l3", id="0")
    rows = client.xreadgroup("l3", "l3-0", {IN.value: ">"}, count=240)[0][1]
    client.xack(IN.value, "l3", *(row[0] for row in rows[:230]))
    until_idle(consumer(url, tmp_path))
    assert decided(client) == sums(range(250))[230:]


def test_a_replay_gap_is_a_loss_and_does_not_stop_it(
    url: str, client: redis.Redis, publish: Publish, tmp_path: Path
) -> None:
    publish(events(30))
    until_idle(consumer(url, tmp_path))
    client.xtrim(IN.value, maxlen=5, approximate=False)
    publish(events(2, 30))
    assert until_idle(consumer(url, tmp_path)) == 2
    assert set(losses(client)) == {"replay_gap"}


def test_a_state_ahead_of_redis_is_a_loss(
    url: str, client: redis.Redis, publish: Publish, tmp_path: Path
) -> None:
    publish(events(30))
    one = consumer(url, tmp_path)
    until_idle(one)
    one.drain()
    client.flushall()
    publish(events(4, 30))
    until_idle(consumer(url, tmp_path))
    assert decided(client) == sums(range(34))[30:]
    assert "state_ahead" in losses(client)
    assert "stream_replaced" in losses(client)


def test_a_poison_entry_leaves_no_trace_in_the_state(
    url: str, client: redis.Redis, publish: Publish, tmp_path: Path
) -> None:
    publish(events(60))
    handler = Summing(lambda entry: ValueError("boom") if entry.event.source_seq in (33, 34, 50) else None)
    until_idle(consumer(url, tmp_path, handler))
    left = [number for number in range(60) if number not in (33, 34, 50)]
    assert decided(client) == sums(left)
    assert client.xlen("DEAD_LETTER") == 3
    healthy = consumer(url, tmp_path)  # and none in the journal either
    publish(events(3, 60))
    until_idle(healthy)
    assert decided(client) == sums([*left, 60, 61, 62])


def test_several_streams_are_replayed_in_the_order_they_were_handled(
    url: str, client: redis.Redis, publish: Publish, tmp_path: Path
) -> None:
    both = {"streams": [IN, StreamName.L4_IN]}
    first = consumer(url, tmp_path, **both)
    publish(events(9), StreamName.L4_IN)
    until_idle(first)
    publish(events(9, 20))
    until_idle(first)
    publish(events(9, 40), StreamName.L4_IN)
    until_idle(first)
    again = consumer(url, tmp_path, **both)
    publish(events(1, 99))
    until_idle(again)
    assert decided(client)[-1] == sums([*range(9), *range(20, 29), *range(40, 49), 99])[-1]


def test_lost_replies_never_show_in_the_decisions(
    url: str, client: redis.Redis, publish: Publish, tmp_path: Path
) -> None:
    publish(events(300))
    one = consumer(url, tmp_path, every_s=0)
    cut_up(one, one._wire, 300)
    until_idle(one)
    assert decided(client) == sums(range(300))


def test_the_janitor_stays_behind_the_checkpoint_before_the_last(
    url: str, client: redis.Redis, publish: Publish, tmp_path: Path
) -> None:
    from dsmil.config.streams import Streams

    settings = Streams(cap=1000)
    janitor = Janitor(client, settings, required=lambda _: ("l3",))
    for start in range(0, 6000, 1000):
        publish(events(1000, start))
        one = consumer(url, tmp_path, batch=100)
        until_idle(one)
        janitor.trim()
        one.drain()
        janitor.trim()
    assert client.xlen(IN.value) < 3000
    until_idle(consumer(url, tmp_path))
    assert decided(client) == sums(range(6000))
    assert not losses(client)


CHILD = """
import sys
sys.path.insert(0, sys.argv[3])
from pathlib import Path
from tests.fabric.conftest import Summing
from dsmil.events.enums import StreamName
from dsmil.fabric.checkpoint import Checkpoint
from dsmil.fabric.consumer import Consumer
from dsmil.fabric.wire import Wire

consumer = Consumer(Wire(sys.argv[1], name="l3-0"), group="l3", streams=[StreamName.L3_IN], handler=Summing(),
                    batch=20, checkpoint=Checkpoint(Path(sys.argv[2]) / "l3.ckpt", every_s=0.02))
while True:
    if consumer.step(0.1):
        print(consumer.stats()["processed"], flush=True)
"""


def test_killed_by_sigkill_again_and_again_decides_the_same(
    url: str, client: redis.Redis, publish: Publish, tmp_path: Path
) -> None:
    root = str(Path(__file__).parents[2])
    publish([encode(event(number)) for number in range(2000)])
    for life in range(6):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, url, str(tmp_path), root], stdout=subprocess.PIPE, cwd=root
        )
        assert child.stdout is not None
        for _ in range(5 + 7 * life % 11):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    until_idle(consumer(url, tmp_path, batch=100))
    assert decided(client) == sums(range(2000))
    assert not losses(client)
