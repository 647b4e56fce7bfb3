"""Whole suites for tests of faults: started in a directory of their own, polled while a test waits for something."""

from __future__ import annotations

import heapq
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
import redis

from dsmil.cli.ingest import DAEMON_OF
from dsmil.cli.place import settings_of
from dsmil.cli.stack import NO_GRAPH, PROJECTOR, groups, private_suite, shipped
from dsmil.clock import SYSTEM
from dsmil.config import Settings
from dsmil.config.private import private_environment
from dsmil.events.ais import Position
from dsmil.events.enums import Category
from dsmil.events.envelope import Event, decode, encode, pack
from dsmil.fabric.client import connect
from dsmil.fabric.private import PrivateRedis
from dsmil.fabric.topology import BY_NAME
from dsmil.runtime.supervisor import WATCHDOG_S, Supervisor
from dsmil.scenarios import story
from dsmil.sensors.files import hashing, open_regular
from dsmil.sensors.reading import Reading
from dsmil.sensors.record import Observation
from dsmil.sensors.stamp import Stamper, file_origin, source_name
from dsmil.store.reader import AuditReader

T = TypeVar("T")
QUIET = {
    "DSMIL_AIS_PLAYBACK_UDP": "", "DSMIL_RF_INGEST_SYSLOG": "", "DSMIL_NET_PARSER_NDPID": "",
    "DSMIL_SOC_ROUTER_SHRINK_URL": "", "DSMIL_REDIS_BLOCK_MS": "200", "DSMIL_API_LISTEN": "127.0.0.1:0",
}  # fmt: skip
"""No ports and no SHRINK: suites of several test processes stand beside each other. And short waits, so that
ending a suite takes no two seconds for each group of daemons."""
WAIT_S = 30.0
LOOK_S = 0.02
INGEST = ("rf-ingest", "ais-playback", "net-parser")
KILLS_VARIABLE = "DSMIL_TEST_KILLS"


class Suite:
    """A running private suite, seen from outside: its supervisor, its Redis, its audit log."""

    def __init__(self, supervisor: Supervisor, settings: Settings, env: Mapping[str, str]) -> None:
        self.supervisor = supervisor
        self.environ = private_environment(supervisor.directory, extra=env)
        self.settings = settings
        self.directory = supervisor.directory
        # Without retries of its own: a Redis that is away must not keep the supervisor waiting.
        self.redis = connect(supervisor.server.url, "test")

    @property
    def audit(self) -> AuditReader:
        return AuditReader(self.settings.paths.audit)

    def until(self, what: str, look: Callable[[], T], *, within_s: float = WAIT_S) -> T:
        """The first true answer of `look`; the suite is looked after meanwhile. A Redis that is away is a no."""
        deadline = SYSTEM.monotonic() + within_s
        while True:
            try:
                if found := look():
                    return found
            except (redis.RedisError, OSError):
                pass
            assert SYSTEM.monotonic() < deadline, f"not within {within_s} s: {what}\n{self.words()}"
            self.supervisor.poll(LOOK_S)

    def ready(self) -> None:
        assert self.supervisor.wait_ready(60.0), self.words()

    def drop(self, family: str, name: str, data: bytes) -> Path:
        """Put a file into a drop folder, whole at once."""
        beside = self.settings.paths.drop / f".{name}"
        beside.write_bytes(data)
        return beside.rename(self.settings.paths.drop / family / name)

    def add(self, stream: str, events: Sequence[bytes]) -> None:
        """Add entries to a stream, as any producer may."""
        pipe = self.redis.pipeline(transaction=False)
        for data in events:
            pipe.xadd(stream, {"event": data})
        pipe.execute()

    def events(self, stream: str) -> list[Event]:
        rows: Any = self.redis.xrange(stream)
        return [decode(fields[b"event"]) for _, fields in rows]

    def beat(self, daemon: str) -> dict[str, Any]:
        """The heartbeat of a daemon; empty where there is none."""
        data: Any = self.redis.get(f"dsmil:hb:{daemon}")
        return msgspec.json.decode(data) if data else {}

    def state(self, daemon: str) -> str:
        """What the daemon now running says it is: starting, ready, degraded or draining."""
        beat = self.beat(daemon)
        return str(beat["state"]) if beat.get("pid") == self.supervisor.pids.get(daemon) else ""

    def all_in_audit(self, events: Sequence[bytes]) -> bool:
        wanted = {decode(data).event_id for data in events}
        return wanted <= set(self.audit.event_ids())

    def stat(self, daemon: str, name: str) -> Any:
        return self.beat(daemon).get("stats", {}).get(name, 0)

    def caught_up(self, stream: str, group: str) -> bool:
        """Whether a group has read and acknowledged a whole stream."""
        about: Any = self.redis.xinfo_stream(stream)
        groups: Any = self.redis.xinfo_groups(stream)
        mine = next((one for one in groups if one["name"] == group.encode()), None)
        last = about["last-generated-id"]
        return mine is not None and not mine["pending"] and mine["last-delivered-id"] == last

    def log(self, daemon: str) -> str:
        return (self.directory / "log" / f"{daemon}.log").read_text()

    def words(self) -> str:
        """The ends of all logs, for a failure."""
        logs = sorted((self.directory / "log").glob("*.log"))
        return "\n".join(f"{log.name} {self.supervisor.fates}\n{log.read_text()[-1200:]}" for log in logs)


class Suites:
    """Makes suites, and ends them all."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._running: list[Supervisor] = []

    def __call__(
        self,
        daemons: Sequence[str] | None = None,
        *,
        env: Mapping[str, str] | None = None,
        args: Mapping[str, Sequence[str]] | None = None,
        server: Callable[[Path], Any] | None = None,
        env_by_daemon: Callable[[Path], Mapping[str, Mapping[str, str]]] = lambda _: {},
        watchdog_s: float = WATCHDOG_S,
    ) -> Suite:
        place = self._root / f"s{len(self._running)}"
        place.mkdir()
        wanted = shipped() if daemons is None else daemons
        given = {**QUIET, **({} if PROJECTOR in wanted else NO_GRAPH), **(env or {})}
        if server is None:
            made = private_suite(place, daemons=daemons, extra_env=given, args_by_daemon=args)
        else:
            names = groups(wanted)
            made = Supervisor(
                place, names, server=server(place), extra_env=given, args_by_daemon=args,
                env_by_daemon=env_by_daemon(place),
            )  # fmt: skip
        made._watchdog_s = watchdog_s
        self._running.append(made)
        made.start()
        return Suite(made, settings_of(place), given)

    def close(self) -> None:
        for one in self._running:
            one.stop()


@pytest.fixture
def suites(tmp_path: Path) -> Iterator[Suites]:
    made = Suites(tmp_path)
    yield made
    made.close()


class Alone:
    """One daemon as a process against a Redis, with nobody to restart it."""

    def __init__(self, directory: Path, server: PrivateRedis) -> None:
        self.directory = directory
        self.server = server
        self.redis = connect(server.url, "test")
        self.children: list[subprocess.Popen[bytes]] = []

    def start(self, daemon: str, *args: str, **env: str) -> subprocess.Popen[bytes]:
        module = f"dsmil.daemons.{daemon.replace('-', '_')}"
        log = (self.directory / f"{daemon}.log").open("ab")
        environ = private_environment(self.directory, self.server.url, extra={**QUIET, **NO_GRAPH, **env})
        child = subprocess.Popen([sys.executable, "-m", module, *args], env=environ, stdout=log, stderr=log)
        self.children.append(child)
        return child

    def words(self) -> str:
        return "\n".join(log.read_text()[-3000:] for log in self.directory.glob("*.log"))

    def close(self) -> None:
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.wait()
        self.redis.close()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Callable[[str], Alone]]:
    """Makes a Redis with nothing else, under a name."""
    made: list[Alone] = []

    def make(name: str) -> Alone:
        place = tmp_path / name
        (place / "run").mkdir(parents=True)
        server = PrivateRedis(place)
        server.start()
        made.append(Alone(place, server))
        return made[-1]

    yield make
    for one in made:
        one.close()
        one.server.stop()


@pytest.fixture(scope="session")
def kills() -> int:
    """How often each process is killed: the full measure is 20."""
    return int(os.environ.get(KILLS_VARIABLE, "1"))


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], list[bytes]]:
    """A recorded L3_IN: the demo's story of so many seeds, each file through its parser, merged by time, and
    among it vessels that jump all the while."""

    def record(stories: int) -> list[bytes]:
        root = tmp_path_factory.mktemp("story")
        lanes: list[list[tuple[float, int, bytes]]] = []
        for seed in range(1, stories + 1):
            told = story.write(root / str(seed), seed=seed, start_ts=1_700_000_000.0 + seed * 60.0)
            for family, paths in told.files.items():
                lanes += [_events_of(path, family, seed, len(lanes) + n) for n, path in enumerate(paths)]
            moving = traffic(60, reports=60, first=seed * 1000, since=1_700_000_000.0, every_s=60.0)
            lanes.append([(decode(data).ts, len(lanes), data) for data in moving])
        return [data for _, _, data in heapq.merge(*lanes)]

    return record


def _events_of(path: Path, family: str, seed: int, lane: int) -> list[tuple[float, int, bytes]]:
    with open_regular(path) as file:
        sha256 = next(digest for digest in hashing(file) if digest)
        source = source_name(family, f"{seed}-{path.name}")
        stamper = Stamper(file_origin(source, sha256, device=BY_NAME[DAEMON_OF[family]].device))
        made, latest = [], 0.0
        for item in Reading(file, family, path.name, path=path, options={}):
            if isinstance(item, Observation) and isinstance(
                data := stamper.stamp(item, now_s=1_700_010_000.0), bytes
            ):
                latest = max(latest, item.ts or 0.0)
                made.append((latest, lane, data))
    return made


def traffic(
    vessels: int, *, reports: int = 7, first: int = 0, since: float = 0.0, every_s: float = 10.0
) -> list[bytes]:
    """Position events of vessels that each jump once, at a time of their own: one decision of l3 each. `since` is
    Unix seconds, by default so that the last report is of now."""
    now, run = SYSTEM.now(), f"run-{first}"
    since = since or now - reports * every_s
    rows = []
    for number in range(first, first + vessels):
        jump = 3 + number * 7 % (reports - 6)  # three reports before and after, or it is no jump
        for report in range(reports):
            lat = 50.0 + number * 0.01 + (1.0 if report >= jump else 0.0)
            rows.append((since + report * every_s + (number - first) / vessels, 211_000_000 + number, lat))
    found = []
    for seq, (ts, mmsi, lat) in enumerate(sorted(rows), 1):
        at = Position(mmsi=mmsi, msg_type=1, lat=lat, lon=1.0, sog_kn=10.0, cog_deg=90.0, nav_status=0)
        event = Event(
            event_id=f"traffic-{run}-{seq}", ts=ts, ingest_ts=now, source_device=11, source_layer=0,
            source=f"ais:traffic-{first}", source_epoch=run, source_seq=seq, category=Category.INTEL,
            kind="ais.position", payload=pack(at),
        )  # fmt: skip
        found.append(encode(event))
    return found


@pytest.fixture(scope="session")
def jumps() -> Callable[..., list[bytes]]:
    return traffic
