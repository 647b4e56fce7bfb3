"""A snapshot gives back exactly what went in, and one that is torn or changed is refused by name."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsmil.errors import Corrupt
from dsmil.graph import snapshot
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.state import state_hash
from tests.graph.test_fold import folded
from tests.graph.worlds import HISTORIES


@settings(max_examples=150, deadline=None)
@given(HISTORIES, st.integers(0, 30))
def test_any_graph_comes_back_whole(steps: list, back: int) -> None:
    graph = folded(steps)
    graph.epoch = "e1"
    then = graph.as_of(max(0, graph.sequence - back))
    loaded = snapshot.decode(snapshot.encode(then, {"a": 1, "b": 2}))
    again = loaded.restored()
    assert state_hash(again) == state_hash(then)
    assert (again.sequence, again.ts, again.epoch) == (then.sequence, then.ts, "e1")
    assert list(loaded.recent.items()) == [("a", 1), ("b", 2)]
    assert {one: set(again.memberships(one)) for one in again.nodes} == {
        one: set(then.memberships(one)) for one in then.nodes
    }


@given(HISTORIES, HISTORIES)
@settings(max_examples=60, deadline=None)
def test_what_is_folded_after_it_comes_out_as_without_it(first: list, rest: list) -> None:
    graph = folded(first)
    again = snapshot.decode(snapshot.encode(graph)).restored()
    assert state_hash(folded(rest, again)) == state_hash(folded(rest, graph))
    assert again.sequence == graph.sequence


def test_members_and_kinds_are_the_graphs_own_words() -> None:
    """A hundred thousand edges name the same nodes: each id is held once."""
    graph = Hypergraph()
    graph = folded([], graph)
    from dsmil.events.graph import EDGE_UPDATE, Patch

    folded([(EDGE_UPDATE, Patch(id="he:1", nodes=("vessel:1", "vessel:2")), 1.0)], graph)
    again = snapshot.decode(snapshot.encode(graph)).restored()
    assert again.edges["he:1"].nodes[0] is again.nodes["vessel:1"].id
    assert again.nodes["vessel:1"].fresh is again.nodes["vessel:2"].fresh


def test_whole_numbers_beyond_64_bits_are_kept_as_they_are() -> None:
    """JSON may hold them, so anybody may post one: the projector must not fall over it."""
    from dsmil.events.graph import EDGE_UPDATE, NODE_UPDATE, Patch

    wide = {"a": 2**64, "b": [-(2**63) - 1, {"c": 10**400}], "d": 2**64 - 1, "e": "x", "f": -(2**63)}
    steps = [
        (NODE_UPDATE, Patch(id="n", labels=wide, metadata={"z": -(10**4000)}), 1.0),
        (EDGE_UPDATE, Patch(id="e", nodes=("n",), labels=wide), 2.0),
    ]
    graph = folded(steps)
    again = snapshot.decode(snapshot.encode(graph)).restored()
    assert (again.nodes["n"], again.edges["e"]) == (graph.nodes["n"], graph.edges["e"])
    assert state_hash(again) == state_hash(graph)
    assert state_hash(graph) != state_hash(folded(steps[:1]))


def test_a_provenance_row_counts_no_further_than_everybody_can_read() -> None:
    from dsmil.events.graph import COUNT_MAX, NODE_UPDATE, Patch, Seen

    steps = [(NODE_UPDATE, Patch(id="n", seen=(Seen("s", 0.0, 1.0, COUNT_MAX),)), 1.0)] * 2_000
    graph = folded(steps)
    assert graph.nodes["n"].seen[0].count == COUNT_MAX
    assert state_hash(snapshot.decode(snapshot.encode(graph)).restored()) == state_hash(graph)


@pytest.fixture(scope="module")
def whole() -> bytes:
    return snapshot.encode(Hypergraph(epoch="e"))


def test_every_changed_byte_is_found(whole: bytes) -> None:
    for place in range(len(whole)):
        torn = bytearray(whole)
        torn[place] ^= 1
        with pytest.raises(Corrupt, match="begin|checksum"):
            snapshot.decode(bytes(torn))


def test_every_torn_end_is_found(whole: bytes) -> None:
    for length in range(len(whole)):
        with pytest.raises(Corrupt):
            snapshot.decode(whole[:length])


def test_another_layout_under_a_right_sum_is_refused_too() -> None:
    from hashlib import blake2b

    for body in (b"no zlib", zlib.compress(b"\xc1"), zlib.compress(b"\x93\x01\x02\x03")):
        data = snapshot.MAGIC + blake2b(body, digest_size=32).digest() + body
        with pytest.raises(Corrupt, match="read snapshot"):
            snapshot.decode(data)


def test_its_sum_can_be_told_without_reading_it(whole: bytes) -> None:
    assert len(snapshot.checksum(whole)) == 64
    assert bytes.fromhex(snapshot.checksum(whole)) in whole
