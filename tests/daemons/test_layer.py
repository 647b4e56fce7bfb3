"""What a layer remembers it takes over a restart, with a sketch and without; what it says leaves together."""

from __future__ import annotations

import msgspec
import pytest

from dsmil.analytics.l3 import catalog
from dsmil.analytics.sketch.sketch import Sketch
from dsmil.clock import SYSTEM
from dsmil.config.detectors import L3
from dsmil.daemons.l3 import ROLE
from dsmil.daemons.l4 import ROLE as FUSION
from dsmil.daemons.layer import Layer
from dsmil.errors import Corrupt
from dsmil.events import ids
from dsmil.events.enums import Category, StreamName
from dsmil.events.envelope import Event, encode, pack
from dsmil.events.net import Host, Port
from dsmil.fabric.entry import Entry, Output

SSH = Port(proto="tcp", port=22, state="open", service="ssh")
SHUT = Port(proto="tcp", port=22, state="closed")


def layer(*, graph: bool) -> Layer:
    sketch = Sketch(stream=ROLE.told, source="l3", device=16, layer=3) if graph else None
    return Layer(catalog.engine(catalog.detectors(L3()), epoch="x"), ROLE, SYSTEM, sketch)


def scan(seq: int, port: Port) -> Entry:
    event = Event(
        event_id=ids.network("nmap", "run", seq), ts=1.7e9 + seq, ingest_ts=1.7e9 + seq, source_device=5,
        source_layer=0, source="nmap:scan.xml", source_epoch="run", source_seq=seq, category=Category.NETWORK,
        kind="net.host", payload=pack(Host(ip="10.0.0.5", ports=(port,), ports_total=1)),
    )  # fmt: skip
    return Entry(StreamName.L3_IN, f"1-{seq}", encode(event), event)


def said(outputs: list[Output]) -> list[str]:
    return [msgspec.json.decode(one.data)["kind"] for one in outputs if one.stream is StreamName.GRAPH_EVENTS]


def test_what_is_seen_leaves_with_the_decisions_and_only_where_asked_for() -> None:
    outputs = layer(graph=True)([scan(1, SSH)])
    assert said(outputs)[0] == "graph.node_update" and "graph.edge_update" in said(outputs)
    assert said(layer(graph=False)([scan(1, SSH)])) == []


def test_each_observation_is_said_by_one_layer() -> None:
    assert ROLE.told is not FUSION.told


@pytest.mark.parametrize(("before", "after"), [(True, True), (True, False), (False, True), (False, False)])
def test_a_memory_is_taken_over_whether_or_not_the_graph_is_asked_for(*, before: bool, after: bool) -> None:
    old, new = layer(graph=before), layer(graph=after)
    old([scan(1, SSH)])
    new([scan(7, SSH)])
    new.restore(old.dump())
    told = said(new([scan(1, SSH), scan(2, SHUT)]))
    assert new.engine.repeats == 1
    # The host's subnet, and the service that is closed where it was known to be open.
    assert told.count("graph.edge_update") == after + (before and after)


@pytest.mark.parametrize(
    "data", [b"", b"\xff", msgspec.msgpack.encode({"engine": b""}), msgspec.msgpack.encode(1)]
)
def test_what_is_no_memory_is_refused(data: bytes) -> None:
    with pytest.raises(Corrupt):
        layer(graph=True).restore(data)


def test_the_memory_of_an_engine_alone_is_taken_over() -> None:
    """As a layer wrote it before there was a graph: an upgrade forgets nothing that was learned."""
    old, new = layer(graph=False), layer(graph=True)
    old([scan(1, SSH), scan(2, SHUT)])
    new.restore(old.engine.dump())
    assert new.engine.dump() == old.engine.dump()


def test_forgetting_forgets_the_sketch_too() -> None:
    one, fresh = layer(graph=True), layer(graph=True)
    one([scan(1, SSH)])
    one.reset()
    fresh.reset()
    assert one.dump() == fresh.dump()
