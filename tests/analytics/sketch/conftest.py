"""What the tests of the sketch share: observations on streams, drawn, read again and folded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from dsmil.analytics.engine import Engine
from dsmil.analytics.sketch.sketch import SHAPES, Sketch
from dsmil.events import ids
from dsmil.events.decision import Decision
from dsmil.events.enums import Category, StreamName
from dsmil.events.envelope import Event, decode, encode, pack, unpack
from dsmil.events.graph import Patch
from dsmil.fabric.entry import Entry
from dsmil.graph.fold import fold
from dsmil.graph.hypergraph import Hypergraph

T0 = 1_700_000_000.0


class Drawing:
    """A sketch behind an engine without detectors. Times are seconds after `T0`."""

    def __init__(self, stream: StreamName = StreamName.L3_IN) -> None:
        self.stream = stream
        self.engine = Engine([], SHAPES, source="l3", layer=3, epoch="x")
        self.sketch = Sketch(stream=stream, source="l3", device=16, layer=3)
        self.graph = Hypergraph()
        self.count = 0

    def event(self, kind: str, payload: Struct, at_s: float = 0.0, **more: Any) -> Event:
        self.count += 1
        source = more.pop("source", "test:file")
        fields: dict[str, Any] = {
            "event_id": ids.network(source, "run", self.count), "ts": T0 + at_s, "ingest_ts": T0 + 1e6 + self.count,
            "source_device": 11, "source_layer": 0, "source": source, "source_epoch": f"run-{source}",
            "source_seq": self.count, "category": Category.NETWORK if kind.startswith("net") else Category.INTEL,
            "kind": kind, "payload": pack(payload),
        }  # fmt: skip
        return Event(**{**fields, **more})

    def decision(self, name: str, entities: tuple[str, ...], at_s: float = 0.0, **more: Any) -> Event:
        said = Decision(decision=name, score=more.pop("score", 0.8), entities=entities, **more)
        return self.event("decision", said, at_s, source="l3", source_layer=3)

    def entries(self, events: Sequence[Event]) -> list[Entry]:
        return [Entry(self.stream, f"1700000000000-{event.source_seq}", encode(event), event) for event in events]

    def draw(self, *events: Event, made: Sequence[Event] = ()) -> list[Event]:
        """What one batch gives."""
        news: list[tuple[int, Any]] = []
        self.engine.process(events, news)
        carrier = events or (self.event("other", msgspec.defstruct("Nothing", [])()),)
        return [decode(data) for data in self.sketch.draw(self.entries(carrier), news, made)]

    def patches(self, *events: Event, made: Sequence[Event] = ()) -> dict[str, Patch]:
        """The patches of one batch by id."""
        return {patch.id: patch for event in self.draw(*events, made=made) if (patch := unpack(event, Patch))}

    def fold(self, *events: Event, made: Sequence[Event] = ()) -> Hypergraph:
        """Draw a batch and fold it; nothing may be refused."""
        for event in self.draw(*events, made=made):
            assert fold(self.graph, self.graph.sequence + 1, event), event
        return self.graph


@pytest.fixture
def drawing() -> Drawing:
    return Drawing()


@pytest.fixture(scope="session")
def drawings() -> Callable[..., Drawing]:
    return Drawing
