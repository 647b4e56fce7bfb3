"""Several processes write to the graph at once: every event is there once, under numbers without a gap."""

from __future__ import annotations

import subprocess
import sys

from dsmil.events.enums import StreamName
from dsmil.events.envelope import decode
from dsmil.fabric.address import Address
from dsmil.fabric.wire import Wire
from dsmil.graph.fold import fold
from dsmil.graph.hypergraph import Hypergraph

WRITERS, EACH = 4, 200
_WRITER = """
import sys
from dsmil.events.enums import Category, StreamName
from dsmil.events.envelope import Event, encode, pack
from dsmil.events.graph import NODE_UPDATE, Patch
from dsmil.fabric.address import Address
from dsmil.fabric.publisher import Publisher
from dsmil.fabric.wire import Wire

path, writer, each = sys.argv[1], sys.argv[2], int(sys.argv[3])
publisher = Publisher(Wire(Address(path=path), name=f"writer-{writer}"), StreamName.GRAPH_EVENTS)
for number in range(each):
    patch = Patch(id=f"node:{number % 50}", metadata={f"w{writer}": number}, by=f"op-{writer}")
    publisher.publish([encode(Event(
        event_id=f"{writer}-{number}", ts=float(number), ingest_ts=float(number), source_device=13, source_layer=0,
        source=f"writer-{writer}", category=Category.APP, kind=NODE_UPDATE, payload=pack(patch),
    ))])
"""


def test_row_19_four_writers_of_200_mutations_make_800_events_in_one_order(redis_socket: str) -> None:
    wire = Wire(Address(path=redis_socket), name="test")
    wire.call("XGROUP", "CREATE", "GRAPH_EVENTS", "projector", "0", "MKSTREAM")
    wire.call("SET", "dsmil:epoch", "e1")
    command = [sys.executable, "-c", _WRITER, redis_socket]
    writers = [subprocess.Popen([*command, str(number), str(EACH)]) for number in range(WRITERS)]
    assert [writer.wait(60) for writer in writers] == [0] * WRITERS

    graph, told = Hypergraph(), set()
    rows: list[tuple[bytes, list[bytes]]] = wire.call("XRANGE", StreamName.GRAPH_EVENTS.value, "-", "+")  # type: ignore[assignment]
    assert [entry_id for entry_id, _ in rows] == [b"0-%d" % number for number in range(1, WRITERS * EACH + 1)]
    for number, (_, fields) in enumerate(rows, 1):
        event = decode(fields[1])
        told.add(event.event_id)
        assert fold(graph, number, event)
    assert len(told) == WRITERS * EACH
    assert graph.sequence == WRITERS * EACH
    for number in range(50):
        last = {f"w{writer}": number + EACH - 50 for writer in range(WRITERS)}
        assert graph.nodes[f"node:{number}"].metadata == last, "each writer's last word stands beside the others'"
