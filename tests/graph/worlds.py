"""Random patches over a small world: few ids, few keys, few times, so that everything collides."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from msgspec import UNSET

from dsmil.events.graph import (
    EDGE_CREATE,
    EDGE_DELETE,
    EDGE_UPDATE,
    NODE_CREATE,
    NODE_DELETE,
    NODE_UPDATE,
    Patch,
    Seen,
)

NODE_IDS = ("vessel:1", "vessel:2", "rf:a", "host:ip:10.0.0.1", "svc:http", "subnet:10.0.0.0/24")
EDGE_IDS = ("he:link:1", "he:link:2", "flow:1", "he:service:1")
TIMES = st.sampled_from([0.0, 1.0, 250.0, 300.0, 5_000.0])
KINDS = st.sampled_from(["vessel", "rf_emitter", "host", "link"])
PLACES = st.sampled_from(
    [
        (0.0, 0.0),
        (89.999, 10.0),
        (90.0, -170.0),
        (-90.0, 0.0),
        (10.0, 179.999),
        (10.0, -179.999),
        (54.0, 10.0, 12.0),
    ]
)
VALUES = st.one_of(
    st.none(), st.sampled_from(["a", "b", "443", "0443", "1e3", True, False, 1, 443.0]),
    st.lists(st.sampled_from(["a", "443", 7]), max_size=2),
)  # fmt: skip
FACTS = st.one_of(
    st.just(UNSET), st.dictionaries(st.sampled_from(["name", "port", "service"]), VALUES, max_size=3)
)
SEEN = st.lists(
    st.builds(Seen, st.sampled_from([f"s{n}" for n in range(20)]), TIMES, TIMES, st.integers(1, 3)), max_size=3
).map(tuple)
BY = st.sampled_from(["", "", "", "op-1"])
FREQUENCIES = st.sampled_from([433.92, 430.0, 440.0, 439.999, 0.0, 2400.0])
EARLY = st.dictionaries(
    st.sampled_from(["labels.name", "position", "metadata.port", "weight"]), TIMES, max_size=2
)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.just(UNSET), strategy)


NODE_PATCHES = st.builds(
    Patch, id=st.sampled_from(NODE_IDS), kind=maybe(KINDS), position=maybe(st.one_of(st.none(), PLACES)),
    frequency=maybe(st.one_of(st.none(), FREQUENCIES)), labels=FACTS, metadata=FACTS, seen=SEEN, by=BY, times=EARLY,
)  # fmt: skip
EDGE_PATCHES = st.builds(
    Patch, id=st.sampled_from(EDGE_IDS), kind=maybe(KINDS), weight=maybe(st.sampled_from([-60.0, 0.0, 0.5])),
    nodes=maybe(st.lists(st.sampled_from(NODE_IDS), min_size=1, max_size=4).map(tuple)),
    labels=FACTS, metadata=FACTS, seen=SEEN, by=BY, times=EARLY,
)  # fmt: skip
STEPS = st.one_of(
    st.tuples(st.sampled_from([NODE_CREATE, NODE_UPDATE]), NODE_PATCHES, TIMES),
    st.tuples(st.sampled_from([EDGE_CREATE, EDGE_UPDATE]), EDGE_PATCHES, TIMES),
    st.tuples(st.just(NODE_DELETE), st.builds(Patch, id=st.sampled_from(NODE_IDS)), TIMES),
    st.tuples(st.just(EDGE_DELETE), st.builds(Patch, id=st.sampled_from(EDGE_IDS)), TIMES),
)
HISTORIES = st.lists(STEPS, max_size=30)
"""(kind, patch, ts) each."""
