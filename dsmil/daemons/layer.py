"""What the daemons of Layers 3 and 4 share: an engine behind a consumer, its rows in the hot database.

The hot database's rows are written beside the batches: it is a cache, and where it is away the detectors go on
without it.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
from msgspec import Struct

from dsmil.analytics.engine import Engine, News
from dsmil.analytics.sketch.sketch import Sketch
from dsmil.clock import SYSTEM, Clock
from dsmil.config import Settings
from dsmil.config.detectors import L3
from dsmil.config.fusion import L4
from dsmil.daemons.assembly import assemble, consumer_of, hot_of, wire_of
from dsmil.daemons.refill import Refill, Supply
from dsmil.events.enums import StreamName
from dsmil.events.envelope import Event, encode
from dsmil.fabric.entry import Entry, Output
from dsmil.fabric.publisher import Publisher
from dsmil.fabric.topology import BY_NAME
from dsmil.fabric.wire import Wire
from dsmil.runtime.daemon import Daemon, Work
from dsmil.runtime.metrics import Metrics
from dsmil.runtime.ticker import Ticker
from dsmil.store.hot import HotPathDB

Stat = float | int | str | bool


class Role(Struct, frozen=True, kw_only=True):
    """Which layer a daemon is: `out` takes its decisions, which carry its name as their source; `raw` is the
    stream whose events it keeps in raw_events_fast, if any. `told` is the stream whose observations it says on
    GRAPH_EVENTS: each is said by one layer only."""

    name: str
    layer: int
    devices: tuple[int, ...]
    out: StreamName
    told: StreamName
    raw: StreamName | None = None


class _Named(msgspec.Struct):
    decision: str


class _Memory(msgspec.Struct):
    engine: bytes
    sketch: bytes | None = None


class Layer:
    """The engine as a stateful handler of the fabric, with a sketch where it says on GRAPH_EVENTS what it sees; it
    keeps aside what belongs into the hot database."""

    def __init__(self, engine: Engine, role: Role, clock: Clock, sketch: Sketch | None = None) -> None:
        self.engine = engine
        self.role = role
        self.sketch = sketch
        self._clock = clock
        self._seen: list[Event] = []
        self._made: list[Event] = []
        self._busy_s = 0.0
        self._count = 0

    def __call__(self, entries: Sequence[Entry]) -> list[Output]:
        """The decisions a batch leads to, and what it says of the graph."""
        began = self._clock.monotonic()
        events = [entry.event for entry in entries]
        news: list[News] | None = None if self.sketch is None else []
        made = self.engine.process(events, news)
        outputs = [Output(self.role.out, encode(event)) for event in made]
        if self.sketch is not None and news is not None:
            drawn = self.sketch.draw(entries, news, made)
            outputs += [Output(StreamName.GRAPH_EVENTS, data) for data in drawn]
        if self.role.raw is not None:
            self._seen += [entry.event for entry in entries if entry.stream is self.role.raw]
        self._count += len(events)
        self._made += made
        self._busy_s += self._clock.monotonic() - began
        return outputs

    def dump(self) -> bytes:
        """The memory of the engine and of the sketch."""
        sketch = None if self.sketch is None else self.sketch.dump()
        return msgspec.msgpack.encode(_Memory(self.engine.dump(), sketch))

    def restore(self, state: bytes) -> None:
        """Take over a memory of `dump`, or of an engine alone; Corrupt where it is neither. Of a layer that drew no
        sketch the sketch knows nothing."""
        try:
            memory = msgspec.msgpack.decode(state, type=_Memory)
        except msgspec.MsgspecError:
            memory = _Memory(state)  # of before there was a graph, or nothing at all: the engine will say
        self.engine.restore(memory.engine)
        if self.sketch is not None:
            self.sketch.reset()
            if memory.sketch is not None:
                self.sketch.restore(memory.sketch)

    def reset(self) -> None:
        """Forget everything."""
        self.engine.reset()
        if self.sketch is not None:
            self.sketch.reset()

    def take(self) -> tuple[list[Event], list[Event], float]:
        """Events seen and decisions made since last asked, and the milliseconds one event took."""
        seen, made, each_ms = self._seen, self._made, self._busy_s * 1000.0 / max(1, self._count)
        self._seen, self._made, self._busy_s, self._count = [], [], 0.0, 0
        return seen, made, each_ms


class Service:
    """Satisfies `runtime.daemon.Work`. `publish` sends encoded decisions, or raises Unavailable."""

    def __init__(  # noqa: PLR0913 - all but two are keywords
        self,
        layer: Layer,
        batches: Work,
        *,
        publish: Callable[[Sequence[bytes]], None],
        hot: HotPathDB,
        clock: Clock,
        metrics: Metrics,
        refill: Callable[[], bool] = lambda: False,
    ) -> None:
        self._layer = layer
        self._batches = batches
        self._hot = hot
        self._metrics = metrics
        self._refill = refill
        self._filling = False
        self._ticker = Ticker(batches, self._tick, publish, clock=clock)

    def step(self, timeout_s: float) -> int:
        """One batch, then whatever is due beside it."""
        done = self._batches.step(0.0 if self._filling else timeout_s)
        self._store()
        self._filling = self._refill()
        self._ticker.after(done)
        return done

    def drain(self) -> None:
        """Finish the batch in hand and write the last rows."""
        self._batches.drain()
        self._store()

    def stats(self) -> dict[str, Stat]:
        """Counts of the batches and of the engine, and how the hot database is."""
        engine = self._layer.engine
        counts = {"decisions": engine.decided, "repeats": engine.repeats, "refused": engine.refused}
        sketch = self._layer.sketch
        if sketch is not None:
            counts["graph_left_out"] = sketch.left_out
        return {**self._batches.stats(), **counts, "hot": self._hot.state}

    def _store(self) -> None:
        seen, made, latency_ms = self._layer.take()
        if seen:
            self._hot.insert_events(seen)
        if made:
            self._hot.insert_decisions(made, latency_ms)
            self._count(made)

    def _count(self, made: Sequence[Event]) -> None:
        names = Counter(msgspec.json.decode(event.payload, type=_Named).decision for event in made)
        for name, number in names.items():
            self._metrics.counter(
                "dsmil_layer_events_total", "Decisions made", layer=str(self._layer.role.layer), type=name
            ).inc(number)

    def _tick(self, now: float) -> list[bytes]:
        made = self._layer.engine.clock_tick(now)
        if made:
            self._hot.insert_decisions(made)
            self._count(made)
        return [encode(event) for event in made]


def build(settings: Settings, role: Role, engine: Engine, *, mine: L3 | L4) -> Daemon:
    """The daemon of one layer, not yet running. What only the clock gave away is no part of the graph: it speaks of
    our own sources, and would come at another place in every replay."""
    wire, side = wire_of(settings, role.name), wire_of(settings, f"{role.name}-side")
    metrics = Metrics(role.name)
    sketch = None
    if mine.graph:
        device = BY_NAME[role.name].device
        sketch = Sketch(stream=role.told, source=role.name, device=device, layer=role.layer)
    hot, layer = hot_of(settings, metrics), Layer(engine, role, SYSTEM, sketch)
    waits_for = (StreamName.GRAPH_EVENTS,) if mine.graph else ()
    service = Service(
        layer,
        consumer_of(settings, wire, role.name, layer, batch=mine.batch, waits_for=waits_for),
        publish=Publisher(side, role.out, cap=settings.streams.cap).publish,
        hot=hot,
        clock=SYSTEM,
        metrics=metrics,
        refill=_refill(settings, role, side, hot).step,
    )
    return assemble(
        settings,
        role.name,
        service,
        hot=hot,
        metrics=metrics,
        parts=(wire, side),
        devices=role.devices,
        status_s=mine.status_s,
        about=lambda device: {"detectors": list(engine.devices.get(device, ()))},
    )


def _refill(settings: Settings, role: Role, wire: Wire, hot: HotPathDB) -> Refill:
    kept_s = settings.hot.retention_s

    def decisions(events: Sequence[Event]) -> bool:
        return hot.insert_decisions([event for event in events if event.source == role.name])

    supplies = [Supply(role.out, kept_s, decisions)]
    if role.raw is not None:
        supplies.insert(0, Supply(role.raw, kept_s, hot.insert_events))

    def stands() -> bool:
        return (
            hot.holds("raw_events_fast")
            if role.raw is not None
            else hot.holds("model_outputs_fast", layer=role.layer)
        )

    return Refill(wire, hot, supplies, stands=stands, clock=SYSTEM)


def epoch() -> str:
    """A name for this run."""
    return secrets.token_hex(8)
