"""The drainer keeps every entry of every stream exactly once and in order, whatever becomes of it meanwhile."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from click.testing import CliRunner

from dsmil import config
from dsmil.cli import main
from dsmil.clock import SYSTEM, FakeClock
from dsmil.config import Settings, private_environment
from dsmil.daemons.drainer import Drainer
from dsmil.events import envelope
from dsmil.events.enums import Category, StreamName
from dsmil.events.envelope import Event, pack
from dsmil.fabric.client import connect
from dsmil.fabric.loss import LOSS_KEY, Loss, encode_loss
from dsmil.fabric.topology import CREATED_BY_PROJECTOR, USER_GROUP
from dsmil.fabric.wire import Wire
from dsmil.runtime.metrics import Metrics
from dsmil.store.loss import read_losses
from dsmil.store.reader import AuditReader
from dsmil.store.verify import verify

pytestmark = pytest.mark.live
STREAMS = (StreamName.L3_IN, StreamName.L3_OUT, StreamName.SOC_EVENTS)


def event(number: int, prefix: str = "e") -> bytes:
    made = Event(
        event_id=f"{prefix}-{number}", ts=1.0, ingest_ts=1_700_000_000.0, source_device=11, source_layer=0,
        source="test", category=Category.INTEL, kind="ais.position", payload=pack({"n": number, "pad": "x" * 200}),
    )  # fmt: skip
    return envelope.encode(made)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def clock() -> FakeClock:
    """Stands at the time of the Redis server, which makes the ids."""
    return FakeClock(SYSTEM.now())


@pytest.fixture
def settings(place: Path, redis_socket: str) -> Settings:
    return config.load(environ=private_environment(place, f"unix://{redis_socket}")).settings


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with connect(settings.redis, "test") as client:
        yield client


@pytest.fixture
def make(settings: Settings, client: redis.Redis, clock: FakeClock) -> Iterator[Callable[[], Drainer]]:
    made: list[Drainer] = []

    def one() -> Drainer:
        if made:
            made.pop().close()
        drainer = Drainer(
            settings, wire=Wire(settings.redis.address(), name="drainer"), client=client, metrics=Metrics("drainer"),
            clock=clock,
        )  # fmt: skip
        drainer.open()
        made.append(drainer)
        return drainer

    yield one
    for drainer in made:
        drainer.close()


def drained(drainer: Drainer) -> None:
    while drainer.step(0.01):
        pass
    drainer.step(0.01)
    drainer.drain()


def ids_in(client: redis.Redis, stream: StreamName) -> list[str]:
    return [json.loads(fields[b"event"])["event_id"] for _, fields in client.xrange(stream.value)]


def test_entries_of_all_streams_are_kept_then_acknowledged(
    make: Callable[[], Drainer], client: redis.Redis, place: Path
) -> None:
    for number in range(300):
        client.xadd(STREAMS[number % 3].value, {"event": event(number)})
    drainer = make()
    drained(drainer)
    reader = AuditReader(place / "audit")
    for stream in STREAMS:
        assert [row.event_id for row in reader.rows(stream.value)] == ids_in(client, stream)
        assert client.xpending(stream.value, "drainer")["pending"] == 0
        newest = next(iter(client.xrevrange(stream.value, count=1)))
        assert reader.heads()[stream.value] == (newest[0].decode(), 100)
    row = reader.find("e-7")
    assert row is not None
    assert row.data == event(7)
    assert drainer.stats()["audited"] == 300


def test_all_groups_stand_once_it_runs_and_again_after_redis_was_emptied(
    make: Callable[[], Drainer], client: redis.Redis, clock: FakeClock
) -> None:
    drainer = make()

    def standing() -> list[set[str]]:
        drained(drainer)
        return [
            {group["name"].decode() for group in client.xinfo_groups(stream.value)}
            for stream in StreamName if stream not in CREATED_BY_PROJECTOR
        ]  # fmt: skip

    first = standing()
    assert first[list(StreamName).index(StreamName.L3_IN)] == {"drainer", "l3", "l4", USER_GROUP}
    client.flushall()
    clock.advance(10)
    assert standing() == first


def test_an_event_published_twice_is_kept_once(
    make: Callable[[], Drainer], client: redis.Redis, place: Path
) -> None:
    for _ in range(2):
        for number in range(10):
            client.xadd("L3_IN", {"event": event(number)})
    drainer = make()
    drained(drainer)
    assert AuditReader(place / "audit").count() == 10
    assert drainer.stats()["duplicates"] == 10


def test_what_is_no_event_is_kept_as_it_stands(
    make: Callable[[], Drainer], client: redis.Redis, place: Path
) -> None:
    client.xadd("L3_IN", {"event": event(1)})
    for data in (b"{broken", b"\xff\xfe\x00", b"{broken", b"[]"):
        client.xadd("L3_IN", {"event": data})
    client.xadd("L3_IN", {"other": "thing", "more": "fields"})
    client.xadd("L3_IN", {"event": event(2)})
    drained(make())
    rows = list(AuditReader(place / "audit").rows("L3_IN"))
    assert sorted(row.event_id for row in rows if not row.fault) == ["e-1", "e-2"]
    bad = [row for row in rows if row.fault]
    assert [row.data for row in bad][:4] == [b"{broken", b"\xff\xfe\x00", b"{broken", b"[]"]
    assert b"thing" in bad[4].data
    assert len({row.event_id for row in bad}) == 5
    assert {row.kind for row in bad} == {"undecodable"}
    assert client.xlen("DEAD_LETTER") == 0, "whoever works on that stream buries it"
    assert client.xpending("L3_IN", "drainer")["pending"] == 0


def test_entries_stay_pending_while_they_cannot_be_kept(
    make: Callable[[], Drainer], client: redis.Redis, place: Path
) -> None:
    from dsmil.errors import Unavailable

    drainer = make()
    drained(drainer)
    assert drainer._audit is not None
    drainer._audit._current().connection.execute("PRAGMA max_page_count = 1")
    for number in range(100):
        client.xadd("L3_IN", {"event": event(number)})
    with pytest.raises(Unavailable, match="full"):
        drainer.step(0.1)
    assert client.xpending("L3_IN", "drainer")["pending"] == 100
    assert client.xlen("DEAD_LETTER") == 0
    drained(drainer)
    assert AuditReader(place / "audit").count() == 100
    assert client.xpending("L3_IN", "drainer")["pending"] == 0


def test_loss_records_become_the_ledger(make: Callable[[], Drainer], client: redis.Redis, place: Path) -> None:
    told = [Loss(ts=float(n), kind="trimmed_unread", group="l3", stream="L3_IN", count=n) for n in range(1200)]
    client.lpush(LOSS_KEY, *map(encode_loss, told))
    client.rpush(LOSS_KEY, b"rubbish")
    drained(make())
    rows = read_losses(place / "audit")
    assert len(rows) == 1201
    assert (rows[0].ts, rows[0].kind, rows[0].reader, rows[0].count) == (1199.0, "trimmed_unread", "l3", 1199)
    assert client.llen(LOSS_KEY) == 0
    shown = CliRunner().invoke(main, ["loss", "--dir", str(place), "--json"])
    assert shown.exit_code == 0
    assert len(json.loads(shown.output)) == 1201


def test_a_redis_that_came_back_as_another_is_on_record(
    make: Callable[[], Drainer], client: redis.Redis, place: Path, clock: FakeClock
) -> None:
    client.xadd("L3_IN", {"event": event(1)})
    drainer = make()
    drained(drainer)
    clock.advance(10)
    drained(drainer)
    client.flushall()
    client.xadd("L3_IN", {"event": event(2)})
    drained(make())
    assert {row.kind for row in read_losses(place / "audit")} == {"stream_replaced"}
    assert list(AuditReader(place / "audit").event_ids()) == ["e-1", "e-2"]


def test_an_id_far_ahead_of_the_clock_is_on_record(
    make: Callable[[], Drainer], client: redis.Redis, place: Path, clock: FakeClock
) -> None:
    ahead = int((clock.now() + 3600) * 1000)
    client.xadd("L3_IN", {"event": event(1)}, id=f"{ahead}-0")
    drained(make())
    assert [row.kind for row in read_losses(place / "audit")] == ["id_ahead"]


def test_what_everybody_has_read_is_trimmed(
    make: Callable[[], Drainer], client: redis.Redis, clock: FakeClock, settings: Settings
) -> None:
    client.xadd("L5_IN", {"event": event(1)})
    drainer = make()
    drained(drainer)
    clock.advance(settings.audit.janitor_s)
    drained(drainer)
    for _ in range(2):
        clock.advance(settings.streams.retention_s + 120)
        client.xadd("L5_IN", {"event": event(2, f"{clock.now()}")})
        drained(drainer)
    assert client.xlen("L5_IN") == 2
    assert drainer.stats()["trimmed"] == 1


def test_the_command_finds_a_changed_row(make: Callable[[], Drainer], client: redis.Redis, place: Path) -> None:
    for number in range(10):
        client.xadd("L3_IN", {"event": event(number)})
    drainer = make()
    drained(drainer)
    command = ["audit", "verify", "--dir", str(place), "--json"]
    good = CliRunner().invoke(main, command)
    assert good.exit_code == 0, good.output
    assert json.loads(good.output)["rows"] == 10
    drainer._audit._current().connection.execute("UPDATE entity_audit_log SET ts = 2 WHERE seq = 4")  # type: ignore[union-attr]
    bad = CliRunner().invoke(main, command)
    assert bad.exit_code == 1
    assert json.loads(bad.output)["faults"][0]["seq"] == 4
    assert "4" in CliRunner().invoke(main, ["audit", "verify", "--dir", str(place)]).output


class Suite:
    """The drainer as a process of its own, started again and again."""

    def __init__(self, place: Path, redis_socket: str) -> None:
        self.environ = private_environment(place, f"unix://{redis_socket}", extra={"LOG_LEVEL": "WARNING"})
        self.log = (place / "drainer.log").open("ab")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dsmil.daemons.drainer"], env=self.environ, stdout=self.log, stderr=self.log
        )

    def until(self, true: Callable[[], bool], timeout_s: float = 60.0) -> None:
        """Wait for something, a hundredth of a second at a time, failing when the daemon ends."""
        assert self.process is not None
        for _ in range(int(timeout_s * 100)):
            if true():
                return
            try:
                code = self.process.wait(0.01)
            except subprocess.TimeoutExpired:
                continue
            pytest.fail(f"the drainer ended with {code}: {Path(self.log.name).read_text()}")
        pytest.fail(f"nothing happened: {Path(self.log.name).read_text()}")

    def kill(self, how: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(60)


@pytest.fixture
def suite(place: Path, redis_socket: str) -> Iterator[Suite]:
    suite = Suite(place, redis_socket)
    yield suite
    if suite.process is not None and suite.process.poll() is None:
        suite.process.kill()
        suite.process.wait()
    suite.log.close()


def test_row_16_drained_under_a_kill_9_loop(suite: Suite, client: redis.Redis, place: Path) -> None:
    """Every acknowledged event exactly once, in stream order, over kill -9 after kill -9."""
    chance, reader, published = random.Random(16), AuditReader(place / "audit"), 0

    def publish(count: int) -> None:
        nonlocal published
        with client.pipeline(transaction=False) as pipe:
            for number in range(published, published + count):
                pipe.xadd(STREAMS[chance.randrange(3)].value, {"event": event(number)})
            pipe.execute()
        published += count

    publish(2_000)
    kills = 6
    for _ in range(kills):
        suite.start()
        reached = reader.last_seq() + chance.randrange(1, 1_500)
        suite.until(lambda wanted=reached: reader.last_seq() >= wanted)  # type: ignore[misc]
        suite.kill(signal.SIGKILL)
        publish(2_000)
    suite.start()
    suite.until(lambda: reader.last_seq() >= published)
    assert suite.kill(signal.SIGTERM) == 0

    for stream in STREAMS:
        assert [row.event_id for row in reader.rows(stream.value)] == ids_in(client, stream)
        assert client.xpending(stream.value, "drainer")["pending"] == 0
    assert reader.count() == reader.distinct() == published
    report = verify(place / "audit")
    assert report.ok, report.faults
    assert report.rows_after_anchor == 0, "a clean stop anchors what there is"
    assert client.xlen("DEAD_LETTER") == 0


def test_a_second_drainer_is_refused(suite: Suite, client: redis.Redis, place: Path) -> None:
    suite.start()
    suite.until(lambda: bool(client.exists("dsmil:hb:drainer")))
    second = subprocess.run(
        [sys.executable, "-m", "dsmil.daemons.drainer"],
        env=suite.environ,
        check=False,
        capture_output=True,
        timeout=60,
    )
    assert second.returncode == 78
    assert suite.process is not None
    assert str(suite.process.pid) in second.stderr.decode()
