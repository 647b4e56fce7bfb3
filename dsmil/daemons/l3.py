"""Daemon l3, devices 15 to 22: observations in, decisions out.

Reads L3_IN, writes L3_OUT. The hot database's rows (raw_events_fast, its own model_outputs_fast, layer 3) are
written beside the batches: it is a cache, and where it is away the detectors go on without it.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, cast

import msgspec

from dsmil.analytics.engine import Engine
from dsmil.analytics.l3 import catalog
from dsmil.clock import SYSTEM, Clock
from dsmil.config import Settings
from dsmil.errors import BadEvent
from dsmil.events.devices import DEVICES
from dsmil.events.enums import DeviceState, StreamName
from dsmil.events.envelope import Event, decode, encode
from dsmil.fabric.checkpoint import Checkpoint
from dsmil.fabric.client import connect, heartbeat_writer
from dsmil.fabric.consumer import Consumer
from dsmil.fabric.entry import Entry, Output
from dsmil.fabric.publisher import Publisher
from dsmil.fabric.topology import BY_NAME
from dsmil.fabric.wire import Wire
from dsmil.runtime.daemon import Daemon, start
from dsmil.runtime.metrics import Metrics
from dsmil.sensors.pause import Pausable, PauseSwitch, pause_key
from dsmil.store.hot import HotPathDB, config_of

NAME = "l3"
TICK_S = 1.0
"""Between two looks at the clock while nothing comes."""
PAGE = 500
"""Entries a page of refilling: about 10 ms to read and store."""
Stat = float | int | str | bool


class _Named(msgspec.Struct):
    decision: str


class Layer3:
    """The engine as a stateful handler of the fabric; it keeps aside what belongs into the hot database."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine = engine
        self._clock = clock
        self._seen: list[Event] = []
        self._made: list[Event] = []
        self._busy_s = 0.0

    def __call__(self, entries: Sequence[Entry]) -> list[Output]:
        """The decisions a batch leads to, for L3_OUT."""
        began = self._clock.monotonic()
        events = [entry.event for entry in entries]
        made = self.engine.process(events)
        outputs = [Output(StreamName.L3_OUT, encode(event)) for event in made]
        self._seen += events
        self._made += made
        self._busy_s += self._clock.monotonic() - began
        return outputs

    def dump(self) -> bytes:
        """The engine's memory."""
        return self.engine.dump()

    def restore(self, state: bytes) -> None:
        """Take over a memory of `dump`."""
        self.engine.restore(state)

    def reset(self) -> None:
        """Forget everything."""
        self.engine.reset()

    def take(self) -> tuple[list[Event], list[Event], float]:
        """Events seen and decisions made since last asked, and the milliseconds one event took."""
        seen, made, busy = self._seen, self._made, self._busy_s
        self._seen, self._made, self._busy_s = [], [], 0.0
        return seen, made, busy * 1000.0 / len(seen) if seen else 0.0


class Batches(Protocol):
    """The consumer whose handler the layer is."""

    def step(self, timeout_s: float) -> int: ...
    def drain(self) -> None: ...
    def stats(self) -> Mapping[str, Stat]: ...


class Refill:
    """Fills the hot database in again from the retained streams, a page at a time, when its file is new."""

    def __init__(self, wire: Wire, hot: HotPathDB, *, retention_s: float, clock: Clock) -> None:
        self._wire = wire
        self._hot = hot
        self._retention_s = retention_s
        self._clock = clock
        self._generation = 0
        self._next: dict[StreamName, str] = {}

    def step(self) -> bool:
        """Whether a page was done. Unavailable where Redis is away; the page is done again."""
        self._watch()
        if not self._next:
            return False
        stream, first = next(iter(self._next.items()))
        rows = cast(list[Any], self._wire.call("XRANGE", stream.value, first, "+", "COUNT", PAGE))
        events = [event for _, fields in rows if (event := _event(fields[1])) is not None]
        if stream is StreamName.L3_IN:
            self._hot.insert_events(events)
        else:
            self._hot.insert_decisions([event for event in events if event.source == catalog.SOURCE])
        if len(rows) == PAGE:
            self._next[stream] = f"({rows[-1][0].decode()}"
        else:
            del self._next[stream]
        return True

    def _watch(self) -> None:
        generation = self._hot.generation
        if generation == self._generation:
            return
        first, self._generation = self._generation == 0, generation
        if first and self._hot.get_recent_events(limit=1):
            return  # a restart of ours: the file outlived us
        start_id = str(max(0, int((self._clock.now() - self._retention_s) * 1000)))
        self._next = {StreamName.L3_IN: start_id, StreamName.L3_OUT: start_id}


class Service:
    """Satisfies `runtime.daemon.Work`. `publish` sends encoded events to L3_OUT, or raises Unavailable."""

    def __init__(  # noqa: PLR0913 - all but two are keywords
        self,
        layer: Layer3,
        batches: Batches,
        *,
        publish: Callable[[Sequence[bytes]], None],
        hot: HotPathDB,
        status_s: float,
        clock: Clock,
        metrics: Metrics,
        refill: Callable[[], bool] = lambda: False,
    ) -> None:
        self._layer = layer
        self._batches = batches
        self._publish = publish
        self._hot = hot
        self._status_s = status_s
        self._clock = clock
        self._metrics = metrics
        self._refill = refill
        self._unsent: list[bytes] = []
        self._filling = False
        self._replayed: Stat = 0
        self._tick_due = self._status_due = clock.monotonic()

    def step(self, timeout_s: float) -> int:
        """One batch, then whatever is due beside it."""
        done = self._batches.step(0.0 if self._filling else timeout_s)
        self._store()
        self._filling = self._refill()
        stats = self._batches.stats()
        caught_up = not done and stats.get("replayed", 0) == self._replayed and not stats.get("waiting_on")
        self._replayed = stats.get("replayed", 0)
        now = self._clock.monotonic()
        if caught_up and now >= self._tick_due:
            self._tick_due = now + TICK_S
            self._tick()
        if now >= self._status_due:
            self._status_due = now + self._status_s
            self._show(DeviceState.ONLINE)
        return done

    def drain(self) -> None:
        """Finish the batch in hand, write the last rows, say OFFLINE."""
        self._batches.drain()
        self._store()
        self._show(DeviceState.OFFLINE)

    def stats(self) -> dict[str, Stat]:
        """Counts of the batches and of the engine, and how the hot database is."""
        engine = self._layer.engine
        counts = {"decisions": engine.decided, "repeats": engine.repeats, "refused": engine.refused}
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
                "dsmil_layer_events_total", "Decisions made", layer=str(catalog.LAYER), type=name
            ).inc(number)

    def _tick(self) -> None:
        """Tell what the clock gives away; what could not be sent goes first next time."""
        if not self._unsent:
            made = self._layer.engine.clock_tick(self._clock.now())
            self._unsent = [encode(event) for event in made]
            if made:
                self._hot.insert_decisions(made)
                self._count(made)
        if self._unsent:
            self._publish(self._unsent)
            self._unsent = []

    def _show(self, state: DeviceState) -> None:
        stats = self.stats()
        active = sorted(self._layer.engine.devices)
        for number in catalog.DEVICES:
            meta = {**stats, "detectors": list(self._layer.engine.devices.get(number, ()))}
            self._hot.set_status(number, catalog.LAYER, DEVICES[number].name, state.value, meta)
        self._hot.set_layer(catalog.LAYER, active_devices=active, event_count=self._layer.engine.events)


class HotPart:
    """The hot database as a part of a daemon: it may be away, so opening never fails."""

    def __init__(self, hot: HotPathDB) -> None:
        self._hot = hot

    def open(self) -> None:
        """Open it, or say in its state why not."""
        self._hot.connect()

    def close(self) -> None:
        """Close it."""
        self._hot.disconnect()


def build(settings: Settings) -> Daemon:
    """Put the daemon together; ConfigError where the settings are wrong."""
    mine, address, timeout_s = settings.l3, settings.redis.address(), settings.redis.socket_timeout_s
    wire, side = (Wire(address, name=name, timeout_s=timeout_s) for name in (NAME, f"{NAME}-side"))
    hot, metrics = HotPathDB(config_of(settings)), Metrics(NAME)
    found = catalog.detectors(
        mine,
        ais_set=settings.l3_ais,
        net_set=settings.l3_net,
        rf_set=settings.l3_rf,
        source_set=settings.l3_source,
    )
    layer = Layer3(catalog.engine(found, epoch=secrets.token_hex(8)), SYSTEM)
    consumer = Consumer(
        wire,
        group=NAME,
        streams=BY_NAME[NAME].reads,
        handler=layer,
        batch=mine.batch,
        checkpoint=Checkpoint(settings.paths.checkpoint(NAME), every_s=settings.streams.checkpoint_s),
        settings=settings.streams,
    )
    service = Service(
        layer,
        consumer,
        publish=Publisher(side, StreamName.L3_OUT, cap=settings.streams.cap).publish,
        hot=hot,
        status_s=mine.status_s,
        clock=SYSTEM,
        metrics=metrics,
        refill=Refill(side, hot, retention_s=settings.hot.retention_s, clock=SYSTEM).step,
    )
    switch = PauseSwitch(lambda: bool(side.call("EXISTS", pause_key(NAME))), clock=SYSTEM)
    return Daemon(
        NAME,
        Pausable(service, switch, clock=SYSTEM),
        settings=settings,
        parts=(wire, side, HotPart(hot)),
        heartbeat=heartbeat_writer(connect(settings.redis, NAME), NAME),
        metrics=metrics,
    )


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop; the exit code."""
    return start(NAME, build)


def _event(data: bytes) -> Event | None:
    try:
        return decode(data)
    except BadEvent:  # the consumers of the stream bury it; here it is merely no row
        return None


if __name__ == "__main__":
    raise SystemExit(main())
