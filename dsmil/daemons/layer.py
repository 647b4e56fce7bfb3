"""What the daemons of Layers 3 and 4 share: an engine behind a consumer, its rows in the hot database.

The hot database's rows are written beside the batches: it is a cache, and where it is away the detectors go on
without it.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, cast

import msgspec
from msgspec import Struct

from dsmil.analytics.engine import Engine
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
from dsmil.runtime.daemon import Daemon
from dsmil.runtime.metrics import Metrics
from dsmil.sensors.pause import Pausable, PauseSwitch, pause_key
from dsmil.store.hot import HotPathDB, config_of

TICK_S = 1.0
"""Between two looks at the clock while nothing comes."""
PAGE = 500
"""Entries a page of refilling: about 10 ms to read and store."""
Stat = float | int | str | bool


class Role(Struct, frozen=True, kw_only=True):
    """Which layer a daemon is: `out` takes its decisions, which carry its name as their source; `raw` is the
    stream whose events it keeps in raw_events_fast, if any."""

    name: str
    layer: int
    devices: tuple[int, ...]
    out: StreamName
    raw: StreamName | None = None


class _Named(msgspec.Struct):
    decision: str


class Layer:
    """The engine as a stateful handler of the fabric; it keeps aside what belongs into the hot database."""

    def __init__(self, engine: Engine, role: Role, clock: Clock) -> None:
        self.engine = engine
        self.role = role
        self._clock = clock
        self._seen: list[Event] = []
        self._made: list[Event] = []
        self._busy_s = 0.0
        self._count = 0

    def __call__(self, entries: Sequence[Entry]) -> list[Output]:
        """The decisions a batch leads to."""
        began = self._clock.monotonic()
        events = [entry.event for entry in entries]
        made = self.engine.process(events)
        outputs = [Output(self.role.out, encode(event)) for event in made]
        if self.role.raw is not None:
            self._seen += [entry.event for entry in entries if entry.stream is self.role.raw]
        self._count += len(events)
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
        seen, made, each_ms = self._seen, self._made, self._busy_s * 1000.0 / max(1, self._count)
        self._seen, self._made, self._busy_s, self._count = [], [], 0.0, 0
        return seen, made, each_ms


class Batches(Protocol):
    """The consumer whose handler the layer is."""

    def step(self, timeout_s: float) -> int: ...
    def drain(self) -> None: ...
    def stats(self) -> Mapping[str, Stat]: ...


class Refill:
    """Fills the hot database in again from the retained streams, a page at a time, when its file is new."""

    def __init__(self, wire: Wire, hot: HotPathDB, role: Role, *, retention_s: float, clock: Clock) -> None:
        self._wire = wire
        self._hot = hot
        self._role = role
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
        if stream is self._role.raw:
            self._hot.insert_events(events)
        else:
            self._hot.insert_decisions([event for event in events if event.source == self._role.name])
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
        self._next = {stream: start_id for stream in (self._role.raw, self._role.out) if stream is not None}


class Service:
    """Satisfies `runtime.daemon.Work`. `publish` sends encoded decisions, or raises Unavailable."""

    def __init__(  # noqa: PLR0913 - all but two are keywords
        self,
        layer: Layer,
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
                "dsmil_layer_events_total", "Decisions made", layer=str(self._layer.role.layer), type=name
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
        stats, role = self.stats(), self._layer.role
        active = sorted(self._layer.engine.devices)
        for number in role.devices:
            meta = {**stats, "detectors": list(self._layer.engine.devices.get(number, ()))}
            self._hot.set_status(number, role.layer, DEVICES[number].name, state.value, meta)
        self._hot.set_layer(role.layer, active_devices=active, event_count=self._layer.engine.events)


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


def assemble(settings: Settings, role: Role, engine: Engine, *, batch: int, status_s: float) -> Daemon:
    """The daemon of one layer, not yet running."""
    address, timeout_s = settings.redis.address(), settings.redis.socket_timeout_s
    wire, side = (Wire(address, name=name, timeout_s=timeout_s) for name in (role.name, f"{role.name}-side"))
    hot, metrics = HotPathDB(config_of(settings)), Metrics(role.name)
    layer = Layer(engine, role, SYSTEM)
    consumer = Consumer(
        wire,
        group=role.name,
        streams=BY_NAME[role.name].reads,
        handler=layer,
        batch=batch,
        checkpoint=Checkpoint(settings.paths.checkpoint(role.name), every_s=settings.streams.checkpoint_s),
        settings=settings.streams,
    )
    service = Service(
        layer,
        consumer,
        publish=Publisher(side, role.out, cap=settings.streams.cap).publish,
        hot=hot,
        status_s=status_s,
        clock=SYSTEM,
        metrics=metrics,
        refill=Refill(side, hot, role, retention_s=settings.hot.retention_s, clock=SYSTEM).step,
    )
    switch = PauseSwitch(lambda: bool(side.call("EXISTS", pause_key(role.name))), clock=SYSTEM)
    return Daemon(
        role.name,
        Pausable(service, switch, clock=SYSTEM),
        settings=settings,
        parts=(wire, side, HotPart(hot)),
        heartbeat=heartbeat_writer(connect(settings.redis, role.name), role.name),
        metrics=metrics,
    )


def epoch() -> str:
    """A name for this run."""
    return secrets.token_hex(8)


def _event(data: bytes) -> Event | None:
    try:
        return decode(data)
    except BadEvent:  # the consumers of the stream bury it; here it is merely no row
        return None
