"""Whatever happens in whatever order - events, snapshots, restarts, redeliveries - the graph is what the plainest
model says, at its end and at every moment that is kept; and a diff leads from any subgraph to any later one.

`DSMIL_TEST_SEQUENCES=10000` runs the full measure.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dsmil.errors import QueryError
from dsmil.events.graph import EDGE_DELETE, EDGE_UPDATE, NODE_CREATE, NODE_DELETE, NODE_UPDATE, Patch
from dsmil.graph import snapshot
from dsmil.graph.diff import apply as changed
from dsmil.graph.diff import diff
from dsmil.graph.fold import apply
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.state import state_hash
from dsmil.graph.subgraph import extract
from dsmil.query import parse_query
from tests.graph.model import Model, shown, told
from tests.graph.worlds import EDGE_IDS, EDGE_PATCHES, NODE_IDS, NODE_PATCHES, TIMES

SEQUENCES = int(os.environ.get("DSMIL_TEST_SEQUENCES", "150"))
QUESTIONS = [
    parse_query(text)
    for text in (
        "FIND SUBGRAPH",
        'FIND SUBGRAPH WHERE kind = "vessel"',
        'FIND SUBGRAPH WHERE labels.name = "a" OR metadata.port = 443',
        'FIND SUBGRAPH WITHIN 5km OF "vessel:1"',
        "FIND SUBGRAPH IN BBOX [-1, -1, 60, 20]",
        "FIND SUBGRAPH FREQ 430 TO 440",
        "FIND EDGES ANY WHERE weight < 0",
        'FIND NEIGHBORS OF "vessel:1" DEPTH 2',
        "FIND SUBGRAPH SINCE 5m",
        "FIND NODES ORDER BY updated_at DESC LIMIT 2",
    )
]


class Life(RuleBasedStateMachine):
    """One graph and its model; what was applied, and the snapshots taken on the way."""

    @initialize()
    def born(self) -> None:
        self.graph = Hypergraph(epoch="e")
        self.model = Model()
        self.events: list[tuple[str, Patch, float]] = []
        self.snapshots: list[bytes] = []
        self.first = 0

    @rule(kind=st.sampled_from([NODE_CREATE, NODE_UPDATE]), patch=NODE_PATCHES, ts=TIMES)
    def node(self, kind: str, patch: Patch, ts: float) -> None:
        self._take(kind, patch, ts)

    @rule(patch=EDGE_PATCHES, ts=TIMES)
    def edge(self, patch: Patch, ts: float) -> None:
        self._take(EDGE_UPDATE, patch, ts)

    @rule(kind=st.sampled_from([NODE_DELETE, EDGE_DELETE]), data=st.data(), ts=TIMES)
    def delete(self, kind: str, data: Any, ts: float) -> None:
        ids = NODE_IDS if kind == NODE_DELETE else EDGE_IDS
        self._take(kind, Patch(id=data.draw(st.sampled_from(ids))), ts)

    @rule()
    def snapshot(self) -> None:
        self.snapshots.append(snapshot.encode(self.graph))

    @precondition(lambda self: self.snapshots)
    @rule(data=st.data())
    def restart(self, data: Any) -> None:
        """From any snapshot, with everything since, and some of what was before once more."""
        loaded = snapshot.decode(data.draw(st.sampled_from(self.snapshots)))
        graph = loaded.restored()
        begin = data.draw(st.integers(0, loaded.sequence))
        for number in range(begin + 1, len(self.events) + 1):
            self._apply(graph, number)
        assert state_hash(graph) == state_hash(self.graph)
        self.graph, self.first = graph, loaded.sequence

    @rule(data=st.data())
    def redelivery(self, data: Any) -> None:
        if self.events:
            self._apply(self.graph, data.draw(st.integers(1, len(self.events))))

    @rule(data=st.data())
    def look_back(self, data: Any) -> None:
        moment = data.draw(st.integers(self.first, len(self.events)))
        assert shown(self.graph.as_of(moment)) == told(moment, self.model)
        assert self.graph.sequence_at(float(moment)) == moment

    @rule(data=st.data(), query=st.sampled_from(QUESTIONS))
    def follow(self, data: Any, query: Any) -> None:
        end = data.draw(st.integers(self.first, len(self.events)))
        begin = data.draw(st.integers(self.first, end))
        try:
            was = extract(self.graph.as_of(begin), query)
            now = extract(self.graph.as_of(end), query)
        except QueryError as error:  # a name that is not there at one end
            if "vessel:1" not in str(error):
                raise
            return
        found = changed(was, diff(self.graph, query, from_sequence=begin, to_sequence=end))
        assert (found.nodes, found.edges) == (now.nodes, now.edges)

    @invariant()
    def as_modelled(self) -> None:
        if hasattr(self, "graph"):
            assert shown(self.graph) == told(len(self.events), self.model)

    def _take(self, kind: str, patch: Patch, ts: float) -> None:
        self.events.append((kind, patch, ts))
        self.model.apply(kind, patch, ts)
        self._apply(self.graph, len(self.events))

    def _apply(self, graph: Hypergraph, number: int) -> None:
        kind, patch, ts = self.events[number - 1]
        apply(graph, number, kind, patch, ts=ts, ingest_ts=float(number))


Life.TestCase.settings = settings(
    max_examples=SEQUENCES, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLife = Life.TestCase
