"""A graph that keeps up with the stream by plain XREAD, for a process that only reads: the API, the command line.

Each process has its own and sees every event. Whatever shows that Redis has lost something - another epoch, another
event under a number we hold, a hole - makes it begin anew as any process begins; the old graph answers meanwhile.
"""

from __future__ import annotations

import threading
from typing import Any, cast

from dsmil.clock import SYSTEM, Clock
from dsmil.config import Settings
from dsmil.config.places import BLOCK_S_MAX
from dsmil.errors import DsmilError
from dsmil.fabric import graphstream
from dsmil.fabric.graphread import Numbered, entry_at, event_id_of, numbered
from dsmil.fabric.graphstream import STREAM, follows
from dsmil.fabric.pressure import EPOCH_KEY
from dsmil.fabric.wire import Command, Wire, checked, pack
from dsmil.graph.bootstrap import rebuilt
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.intake import Intake
from dsmil.runtime import logs

COUNT = 500
"""Entries read at once."""
AGAIN_S = 0.5
"""Between two attempts to reach what is away."""
FRESH: Command = ("XREAD", "COUNT", COUNT)

log = logs.get()


class Follower:
    """`graph` under `lock`: who holds the lock reads a graph that stands still. `generation` grows each time another
    graph took its place, so that who sends differences knows to begin anew; `away` says why it does not follow."""

    def __init__(self, settings: Settings, wire: Wire, *, clock: Clock = SYSTEM) -> None:
        self._settings = settings
        self._wire = wire
        self._clock = clock
        self._intake: Intake | None = None
        self._connection = 0
        self._empty = Hypergraph()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition(threading.RLock())
        self.generation = 0
        self.away = "not begun"

    @property
    def lock(self) -> threading.Condition:
        """To be held while reading; folding waits for it."""
        return self._changed

    @property
    def graph(self) -> Hypergraph:
        """The graph of now; an empty one before the first."""
        return self._empty if self._intake is None else self._intake.graph

    def step(self, timeout_s: float) -> int:
        """Fold in what is new, waiting at most `timeout_s` for it; how many entries. Unavailable: Redis is away."""
        intake = self._intake
        if intake is None or not self._same(intake):
            self._begin()
            return 0
        epoch, found = self._read(intake.graph.sequence, min(timeout_s, BLOCK_S_MAX))
        if epoch and epoch != intake.graph.epoch:
            self._begin()
            return 0
        if found and not follows(found[0][0], intake.graph.sequence):
            self._begin()
            return 0
        if found:
            self._take(intake, found)
        return len(found)

    def wait_for(self, sequence: int, timeout: float) -> bool:
        """Whether it holds that sequence, within so many seconds. Without a thread it follows meanwhile."""
        until = self._clock.monotonic() + timeout
        while self.graph.sequence < sequence:
            left_s = until - self._clock.monotonic()
            if left_s <= 0:
                return False
            if self._thread is None:
                self.step(left_s)
            else:
                with self._changed:
                    self._changed.wait_for(lambda: self.graph.sequence >= sequence, left_s)
        return True

    def start(self) -> None:
        """Follow in a thread of its own until `stop`."""
        self._thread = threading.Thread(target=self._run, name="graph", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, at the latest after one wait for Redis."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._wire.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.step(self._settings.redis.block_s)
            except DsmilError as error:  # settled here: it is said, and tried again for as long as it takes
                if not self.away:
                    log.warning("graph_stands_still", error=str(error))
                self.away = str(error)
                self._connection = 0
                self._stop.wait(AGAIN_S)

    def _same(self, intake: Intake) -> bool:
        """After another connection: whether the stream still holds our last event under its number."""
        if self._connection and self._connection == self._wire.connections:
            return True
        event_id, sequence = intake.last
        standing = graphstream.look(self._wire)
        if standing.epoch != intake.graph.epoch or standing.last < intake.graph.sequence:
            return False
        held = standing.first and standing.first <= sequence
        if held and event_id_of(entry_at(self._wire, sequence)) != event_id:
            return False
        self._connection, self.away = self._wire.connections, ""
        return True

    def _begin(self) -> None:
        """Another graph in place of the old one; whoever holds the old one may keep it."""
        intake = rebuilt(self._settings, self._wire)
        with self._changed:
            self._intake = intake
            self.generation += 1
            self._changed.notify_all()
        self._connection, self.away = self._wire.connections, ""
        log.info("graph_ready", sequence=intake.graph.sequence, nodes=len(intake.graph.nodes))

    def _read(self, after: int, timeout_s: float) -> tuple[str, list[Numbered]]:
        """The epoch, and entries after a number. The epoch comes after them: it is theirs or a later one."""
        block: Command = ("BLOCK", max(1, int(timeout_s * 1000))) if timeout_s > 0 else ()
        self._wire.send(pack((*FRESH, *block, "STREAMS", STREAM.value, f"0-{after}")) + pack(("GET", EPOCH_KEY)))
        reply, epoch = (checked(one) for one in self._wire.receive(2, extra_s=timeout_s))
        rows = cast(list[Any], reply)[0][1] if reply else []
        return cast(bytes, epoch or b"").decode(), numbered(rows)

    def _take(self, intake: Intake, found: list[Numbered]) -> None:
        with self._changed:
            for sequence, data in found:
                intake.take_raw(sequence, data)
            self._changed.notify_all()
