"""A small picture with everything an export may meet: all kinds of node, a stranger's text, the antimeridian."""

from __future__ import annotations

import pytest

from dsmil.graph.hypergraph import Hypergraph
from tests.graph.export.filling import HOSTILE, NOW, SEEN, Filling


@pytest.fixture
def filling() -> Filling:
    return Filling()


@pytest.fixture
def graph(filling: Filling) -> Hypergraph:
    put = filling
    put.node("vessel:1", kind="vessel", position=(51.5, 179.5), labels={"name": HOSTILE, "flags": ["a", "b"]},
             metadata={"sog_kn": 12.5, "note": "-1+1"}, seen=SEEN, ts=NOW - 60)  # fmt: skip
    put.node("vessel:1", position=(52.0, 179.75), metadata={"note": None})
    put.node("vessel:2", kind="vessel", position=(53.0, -179.75, 3.0), labels={"name": "MÆRSK"})
    put.node("rf:abc", kind="emitter", position=(0.0, 0.0), frequency=433.92)
    put.node("host:ip:192.0.2.1", kind="host", labels={"ip": "192.0.2.1"}, seen=SEEN)
    put.node("host:ip:2001:db8::1", kind="host")
    put.node("subnet:192.0.2.0/24", kind="subnet")
    put.node("svc:https", kind="service")
    put.node("operator:ada", kind="operator", labels={"name": "Ada"}, by="ada")
    put.edge(
        "he:encounter:1", "vessel:1", "vessel:2", kind="encounter", weight=0.5, labels={"a b": 1}, ts=NOW - 5
    )
    put.edge("he:encounter:1", "vessel:1", "vessel:2", weight=0.75)
    put.edge("he:heard:1", "rf:abc", "vessel:1", "vessel:2", kind="heard")
    put.edge("flow:1", "host:ip:2001:db8::1", "host:ip:192.0.2.1", kind="flow", metadata={"bytes": 10}, seen=SEEN)
    put.edge(
        "he:subnet:1", "subnet:192.0.2.0/24", "host:ip:192.0.2.1", "host:ip:203.0.113.9", kind="subnet_group"
    )
    put.edge("he:note:1", "operator:ada", kind="note")
    return put.graph
