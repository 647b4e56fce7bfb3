"""A suite without daemons whose graph the test tells: stream, audit log and snapshots are real."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from click.testing import CliRunner, Result

from dsmil.cli import main
from dsmil.clock import FakeClock
from dsmil.config import Settings, load
from dsmil.events.enums import Category, StreamName
from dsmil.events.envelope import Event, encode, pack
from dsmil.events.graph import EDGE_UPDATE, NODE_DELETE, NODE_UPDATE, Patch
from dsmil.fabric import graphstream
from dsmil.fabric.frame import xadds
from dsmil.fabric.wire import Wire
from dsmil.graph import snapshot
from dsmil.graph.bootstrap import rebuilt
from dsmil.store.audit import AuditLog
from dsmil.store.chain import AuditRow
from dsmil.store.graphdb import About, GraphDb

NOW = 1_700_000_000.0


class World:
    """Tells of nodes and edges, one second after the other, as the projector's suite would hold it."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = dict(env)
        self.settings: Settings = load(environ=self.env).settings
        self.wire = Wire(self.settings.redis.address(), name="test")
        self.sequence = 0
        self._audit = AuditLog(self.settings.paths.audit, clock=FakeClock())
        graphstream.create(self.wire, now=NOW)

    def close(self) -> None:
        self._audit.close()
        self.wire.close()

    def node(self, name: str, *, refs: tuple[str, ...] = (), **facts: Any) -> int:
        return self._say(NODE_UPDATE, Patch(id=name, **facts), refs)

    def edge(self, name: str, *nodes: str, refs: tuple[str, ...] = (), **facts: Any) -> int:
        return self._say(EDGE_UPDATE, Patch(id=name, nodes=nodes, **facts), refs)

    def delete(self, name: str) -> int:
        return self._say(NODE_DELETE, Patch(id=name), ())

    def _say(self, kind: str, patch: Patch, refs: tuple[str, ...]) -> int:
        self.sequence += 1
        ts = NOW + self.sequence
        event = Event(
            event_id=f"g{self.sequence}", ts=ts, ingest_ts=ts, source_device=25, source_layer=4, source="l4",
            category=Category.INTEL, kind=kind, refs=refs, payload=pack(patch),
        )  # fmt: skip
        self.wire.send(xadds([(StreamName.GRAPH_EVENTS, encode(event))])[0])
        (entry,) = self.wire.receive(1)
        assert entry == b"0-%d" % self.sequence
        row = AuditRow("GRAPH_EVENTS", f"0-{self.sequence}", event.event_id, ts, ts, kind, "l4", encode(event))
        self._audit.append([row])
        return self.sequence

    def audit(self, *events: Event) -> None:
        rows = [
            AuditRow("L3_IN", f"{n}-0", e.event_id, e.ts, e.ingest_ts, e.kind, e.source, encode(e))
            for n, e in enumerate(events, 1)
        ]
        self._audit.append(rows)

    def snapshot(self, created_ts: float) -> None:
        """As the projector does."""
        intake = rebuilt(self.settings, self.wire)
        data = snapshot.encode(intake.graph, intake.recent)
        graph = intake.graph
        about = About(
            graph.sequence, graph.epoch, graph.ts, intake.last[0], created_ts, len(graph.nodes), len(graph.edges),
            len(data), snapshot.checksum(data),
        )  # fmt: skip
        database = GraphDb(self.settings.paths.graph_db)
        database.keep(about, data, last=10, hours=0)
        database.close()

    def forget_stream(self, upto: int) -> None:
        """As the janitor trims what is audited."""
        self.wire.call("XTRIM", "GRAPH_EVENTS", "MINID", f"0-{upto + 1}")

    def run(self, *args: str, stdin: bytes | str | None = None) -> Result:
        return CliRunner().invoke(main, list(args), env=self.env, input=stdin)

    def json(self, *args: str, stdin: str | None = None) -> Any:
        done = self.run(*args, "--json", stdin=stdin)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)


def harbour(world: World) -> None:
    """Two ships that meet, an emitter, two hosts: 9 events."""
    world.node("vessel:1", kind="vessel", position=(55.70, 12.60), labels={"name": "ALMA\x1b[2J"})
    world.node("vessel:2", kind="vessel", position=(55.71, 12.61), labels={"name": "=BERTA"})
    world.node("rf:abc", kind="emitter", frequency=433.92)
    world.node("host:ip:192.0.2.1", kind="host", labels={"ip": "192.0.2.1"})
    world.edge("he:meet:1", "vessel:1", "vessel:2", kind="ais.rendezvous", weight=0.9)
    world.edge("he:heard:1", "rf:abc", "vessel:2", kind="heard")
    world.edge("flow:1", "host:ip:192.0.2.1", "host:ip:192.0.2.2", kind="flow")
    world.node("vessel:1", position=(55.80, 12.70))
    world.node("vessel:3", kind="vessel", position=(-10.0, 100.0))
