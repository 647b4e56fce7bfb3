"""Where a benchmark runs: a private Redis in a directory of its own, emptied between runs, and child processes.

What is measured runs in a process of its own, so that its CPU and memory are its own and nothing else's.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal, cast

import msgspec

from dsmil.bench.figures import Sample
from dsmil.bench.stopwatch import cpu_s
from dsmil.clock import SYSTEM
from dsmil.config import private_environment
from dsmil.errors import DsmilError
from dsmil.events.enums import StreamName
from dsmil.fabric.pressure import EPOCH_KEY
from dsmil.fabric.private import PrivateRedis
from dsmil.fabric.publisher import PUBLISH_MAX, Publisher
from dsmil.fabric.topology import BY_NAME
from dsmil.fabric.wire import Wire, WireError

Profile = Literal["fast", "durable"]
NO_CAP = 1 << 40
"""A benchmark fills its streams beyond the cap on purpose: it measures readers, not their backpressure."""
CHILD_S_MAX = 600.0
LIMIT_EVENTS = 200_000
"""Half a second of redis-benchmark."""
REWRITE_S_MAX = 10.0
LEFT_OVERS = ("audit", "checkpoints", "run-events")
SHM = Path("/dev/shm")  # noqa: S108 - the hot database belongs on a tmpfs, and this is the one every Linux has
SHM_BYTES_MIN = 2 << 30
"""A smaller one (containers: 64 MB) could not hold the hot database beside what is there."""


class Rig:
    """A private Redis and its directory, from `with` to its end."""

    def __init__(self, folder: Path, profile: Profile, *, event_bytes: int = 512) -> None:
        self.folder = folder
        self.profile = profile
        self.event_bytes = event_bytes
        self.redis = PrivateRedis(folder, profile=profile)
        self.wire = Wire(self.redis.url, name="bench")
        self.hot = _hot_folder(folder)

    def __enter__(self) -> Rig:
        self.redis.start()
        # A rewrite in the middle of a run would cost one of two cores; `clear` rewrites between runs.
        self.wire.call("CONFIG", "SET", "auto-aof-rewrite-percentage", "0")
        return self

    def __exit__(self, *_: object) -> None:
        self.wire.close()
        self.redis.stop()
        if self.hot != self.folder:
            shutil.rmtree(self.hot, ignore_errors=True)

    def clear(self) -> None:
        """An empty Redis with an empty append-only file, and no stores. The stream of the graph stands, as the
        projector makes it: who publishes there waits for that."""
        self.wire.call("FLUSHALL")
        graph = StreamName.GRAPH_EVENTS.value
        self.wire.transaction(
            [("XGROUP", "CREATE", graph, "bench", "0", "MKSTREAM"), ("SET", EPOCH_KEY, "bench")]
        )
        self.wire.call("BGREWRITEAOF")
        until = SYSTEM.monotonic() + REWRITE_S_MAX
        while b"aof_rewrite_in_progress:0" not in cast(bytes, self.wire.call("INFO", "persistence")):
            if SYSTEM.monotonic() > until:
                raise DsmilError("empty the append-only file: it takes too long", hint=f"see {self.redis.log}")
            SYSTEM.sleep(0.01)
        for name in LEFT_OVERS:
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for path in self.hot.glob("hotpath*"):
            path.unlink()

    def fill(self, events: Iterable[tuple[StreamName, bytes]]) -> None:
        """Put encoded events on their streams, in order."""
        publishers: dict[StreamName, Publisher] = {}
        rest = iter(events)
        while part := list(islice(rest, PUBLISH_MAX)):
            for stream in dict.fromkeys(stream for stream, _ in part):
                publisher = publishers.setdefault(stream, Publisher(self.wire, stream, cap=NO_CAP))
                publisher.publish([data for name, data in part if name is stream])

    def limit(self, events: int = LIMIT_EVENTS) -> float:
        """L: entries a second that redis-benchmark adds with one client, 256 in flight."""
        done = subprocess.run(
            ["redis-benchmark", "-s", str(self.redis.socket), "-c", "1", "-P", "256", "-n", str(events), "-q",
             "--csv", "XADD", "bench", "*", "event", "x" * self.event_bytes],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        self.wire.call("DEL", "bench")
        try:
            return float(done.stdout.strip().splitlines()[-1].split('","')[1])
        except (IndexError, ValueError):
            raise DsmilError(
                f"measure the limit of Redis: redis-benchmark said {done.stdout or done.stderr!r}",
                hint="apt-get install redis-tools",
            ) from None

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """What a child of this rig is started with."""
        hot = {"DSMIL_PATHS_HOT": str(self.hot), "LOG_LEVEL": "WARNING"}
        return private_environment(self.folder, self.redis.url, extra={**hot, **(extra or {})})

    def child(self, task: str, **options: Any) -> Sample:
        """Run a task of `dsmil.bench.child` in a process of its own."""
        before = cpu_s(self.redis.pid)
        done = subprocess.run(
            [sys.executable, "-m", "dsmil.bench.child", task, json.dumps(options)],
            capture_output=True, text=True, check=False, timeout=CHILD_S_MAX, env=self.environment(),
        )  # fmt: skip
        if done.returncode != 0:
            raise DsmilError(f"run benchmark {task}: {(done.stderr.strip().splitlines() or ['no output'])[-1]}")
        told = msgspec.json.decode(done.stdout.strip().splitlines()[-1], type=Sample)
        return self.with_server(told, before)

    def with_server(self, told: Sample, before_s: float) -> Sample:
        """The sample with what Redis itself spent since its CPU time was `before_s`."""
        spent = (cpu_s(self.redis.pid) - before_s) / told.items * 100_000
        return msgspec.structs.replace(told, more={**told.more, "redis_cpu_s_per_100k": round(spent, 3)})


def _hot_folder(folder: Path) -> Path:
    if not SHM.is_dir() or shutil.disk_usage(SHM).free < SHM_BYTES_MIN:
        return folder
    place = SHM / f"dsmil-bench-{folder.name}"
    place.mkdir(mode=0o700, exist_ok=True)
    return place


def level(wire: Wire, daemons: Sequence[str]) -> bool:
    """Whether the groups of these daemons have read and acknowledged everything there is."""
    reads = {name: BY_NAME[name].reads for name in daemons}
    streams = sorted({stream for read in reads.values() for stream in read})
    replies = wire.pipeline(
        [command for s in streams for command in (("XINFO", "STREAM", s.value), ("XINFO", "GROUPS", s.value))]
    )
    for stream, info, groups in zip(streams, replies[::2], replies[1::2], strict=True):
        if isinstance(info, WireError) or isinstance(groups, WireError):
            continue  # a stream nobody has made yet
        last = _pairs(info)[b"last-generated-id"]
        by_name = {group[b"name"].decode(): group for group in map(_pairs, cast(list[Any], groups))}
        for name, read in reads.items():
            if stream not in read:
                continue
            group = by_name.get(name)
            if group is None or group[b"pending"] or group[b"last-delivered-id"] != last:
                return False
    return True


def added(wire: Wire, stream: StreamName) -> int:
    """Entries ever added to a stream."""
    info = wire.pipeline([("XINFO", "STREAM", stream.value)])[0]
    return 0 if isinstance(info, WireError) else int(_pairs(info)[b"entries-added"])


def _pairs(flat: Any) -> dict[bytes, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
