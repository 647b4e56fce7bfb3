"""A projector of the test's own process beside a drainer that is told when to write, on a private Redis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import redis

from dsmil.clock import FakeClock
from dsmil.config import Settings
from dsmil.config.places import Paths
from dsmil.config.places import Redis as RedisSettings
from dsmil.config.projector import Projector as Section
from dsmil.daemons.projector import Projector
from dsmil.errors import Unavailable
from dsmil.events.enums import Category, StreamName
from dsmil.events.envelope import Event, decode, encode, pack
from dsmil.events.graph import NODE_DELETE, NODE_UPDATE, Patch, Seen
from dsmil.fabric.client import connect
from dsmil.fabric.frame import xadds
from dsmil.fabric.loss import LOSS_KEY, decode_loss
from dsmil.fabric.wire import Wire
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.keeper import Keeper
from dsmil.store.audit import AuditLog
from dsmil.store.chain import AuditRow

GRAPH = StreamName.GRAPH_EVENTS
NOW = 1_700_000_000.0


def told(number: int, kind: str, patch: Patch, **more: Any) -> bytes:
    """An event of the graph as bytes."""
    fields: dict[str, Any] = {
        "event_id": f"g{number:06d}", "ts": NOW + number, "ingest_ts": NOW + number, "source_device": 16,
        "source_layer": 3, "source": "l3", "source_seq": number, "category": Category.INTEL, "kind": kind,
        "payload": pack(patch), **more,
    }  # fmt: skip
    return encode(Event(**fields))


def seen(number: int, mmsi: int = 0, **keys: Any) -> bytes:
    """A vessel is seen once more, a little further on; its provenance counts it."""
    at = NOW + number
    mmsi = mmsi or 211_000_000 + number % 7
    fields: dict[str, Any] = {"kind": "vessel", "position": (54.0 + number % 9000 / 1000, 10.0), **keys}
    return told(number, NODE_UPDATE, Patch(id=f"vessel:{mmsi}", seen=(Seen("ais:t", at, at, 1),), **fields))


def gone(number: int, node_id: str) -> bytes:
    return told(number, NODE_DELETE, Patch(id=node_id))


class Suite:
    """What stands on disk and in Redis, and who works on it."""

    def __init__(self, directory: Path, socket: str, *, clock: FakeClock | None = None, **projector: Any) -> None:
        self.clock = clock or FakeClock(NOW + 1_000_000)
        self.settings = Settings(
            paths=Paths(data=directory / "data", run=directory / "run", hot=directory),
            redis=RedisSettings(url=f"unix://{socket}"),
            projector=Section(**projector),
        )
        self.redis = connect(f"unix://{socket}", "test")
        self.wire = Wire(f"unix://{socket}", name="producer")
        self.audit = AuditLog(self.settings.paths.audit, clock=self.clock)
        self.keeper, self.projector = self._projector()

    def _projector(self) -> tuple[Keeper, Projector]:
        url = self.settings.redis.address()
        keeper = Keeper(self.settings, clock=self.clock)
        keeper.open()
        wires = {"wire": Wire(url, name="projector"), "side": Wire(url, name="projector-graph")}
        return keeper, Projector(self.settings, keeper, clock=self.clock, **wires)

    def restart(self) -> None:
        """The projector is killed and started: nothing of its memory is left."""
        self.keeper.close()
        self.keeper, self.projector = self._projector()
        self.rest()

    def stop(self) -> None:
        """The projector ends as it is told to."""
        self.projector.drain()
        self.keeper.close()

    def rest(self, steps: int = 400) -> Hypergraph:
        """Step the projector until nothing changes any more."""
        quiet = 0
        before: object = None
        for _ in range(steps):
            try:
                self.projector.step(0.001)
            except Unavailable:
                self.clock.advance(0.1)
            self.clock.advance(1.1)
            stats = {**self.projector.stats(), "lag_s": 0}
            quiet = quiet + 1 if stats == before and not (stats["building"] or stats["keys_behind"]) else 0
            before = stats
            if quiet >= 6:  # longer than between two looks at the streams
                return self.keeper.graph
        raise AssertionError(f"the projector does not come to rest: {before}")

    def add(self, data: Sequence[bytes]) -> list[int]:
        """Publish to the graph's stream as every producer does; their numbers."""
        self.wire.send(b"".join(xadds([(GRAPH, one) for one in data])))
        return [int(reply.split(b"-")[1]) for reply in self.wire.receive(len(data))]  # type: ignore[attr-defined]

    def write_audit(self, upto: int | None = None) -> None:
        """The drainer writes down what is in the stream, up to a number."""
        rows = [row for row in self.entries() if upto is None or row[0] <= upto]
        self.audit.append(
            [
                AuditRow(
                    GRAPH.value, f"0-{number}", event.event_id, event.ts, event.ingest_ts, event.kind, "l3", data
                )
                for number, data in rows
                for event in (decode(data),)
            ]
        )

    def entries(self) -> list[tuple[int, bytes]]:
        rows: Any = self.redis.xrange(GRAPH.value)
        return [(int(entry_id.split(b"-")[1]), fields[b"event"]) for entry_id, fields in rows]

    def losses(self) -> list[str]:
        found: Any = self.redis.lrange(LOSS_KEY, 0, -1)
        return [decode_loss(data).kind for data in found]

    def epoch(self) -> str:
        found: Any = self.redis.get("dsmil:epoch")
        return (found or b"").decode()

    def close(self) -> None:
        self.keeper.close()
        self.audit.close()
        self.redis.close()
        self.wire.close()


def keys(client: redis.Redis) -> dict[str, Any]:
    """Everything the projection keeps, read back."""
    found: dict[str, Any] = {}
    for prefix in ("entity:", "network:host:", "adj:", "rf:band:", "ais:track:", "ais:positions", "counters"):
        names: Any = client.keys(f"dsmil:{prefix}*")
        for raw in names:
            found[raw.decode()] = _value(client, raw)
    return found


def _value(client: redis.Redis, name: bytes) -> Any:
    kind: Any = client.type(name)
    if kind == b"string":
        data: Any = client.get(name)
        return msgspec.json.decode(data)
    if kind == b"set":
        members: Any = client.smembers(name)
        return {one.decode() for one in members}
    if kind == b"list":
        points: Any = client.lrange(name, 0, -1)
        return [msgspec.json.decode(one) for one in points]
    if kind == b"zset":
        scores: Any = client.zrange(name, 0, -1, withscores=True)
        return {member.decode(): score for member, score in scores}
    flat: Any = client.hgetall(name)
    return {field.decode(): value.decode() for field, value in flat.items()}


def running(directory: Path, socket: str, **more: Any) -> Iterator[Suite]:
    """A suite whose graph is ready."""
    made = Suite(directory, socket, **more)
    made.rest()
    yield made
    made.close()
