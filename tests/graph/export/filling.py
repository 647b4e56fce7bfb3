"""Folding a few patches into a graph, with a stranger's text among them."""

from __future__ import annotations

from typing import Any

from dsmil.events.graph import EDGE_UPDATE, NODE_UPDATE, Patch, Seen
from dsmil.graph.fold import apply
from dsmil.graph.hypergraph import Hypergraph

NOW = 1_700_000_000.0
HOSTILE = '=HYPERLINK("http://x")\x1b[2J\u202egnp.exe\x85\n; drop'
SEEN = (Seen("ais:udp:10110", NOW - 60, NOW, 7),)


class Filling:
    """Folds patches one after the other."""

    def __init__(self) -> None:
        self.graph = Hypergraph(epoch="e1")

    def node(self, name: str, *, ts: float = NOW, **facts: Any) -> None:
        self._put(NODE_UPDATE, name, ts, facts)

    def edge(self, name: str, *nodes: str, ts: float = NOW, **facts: Any) -> None:
        self._put(EDGE_UPDATE, name, ts, {"nodes": nodes, **facts})

    def _put(self, kind: str, name: str, ts: float, facts: dict[str, Any]) -> None:
        sequence = self.graph.sequence + 1
        assert apply(self.graph, sequence, kind, Patch(id=name, **facts), ts=ts, ingest_ts=NOW + sequence)
