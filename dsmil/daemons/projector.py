"""Daemon projector, Device 62: keeps the graph for good - snapshots, rows, keys in Redis - and its stream in order.

It alone makes GRAPH_EVENTS. Its place in there is its snapshot: after a start it finds its way to the end of the
stream by itself, and what its group then hands out once more is acknowledged without being folded twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dsmil.clock import SYSTEM, Clock
from dsmil.config import Settings
from dsmil.daemons.assembly import assemble, hot_of, timed, wire_of
from dsmil.errors import Unavailable
from dsmil.fabric import graphread
from dsmil.fabric.consumer import Consumer
from dsmil.fabric.entry import Entry, Output
from dsmil.fabric.graphstream import STREAM, sequence_of
from dsmil.fabric.journal import CHECKPOINTS_KEY, checkpoint_key
from dsmil.fabric.loss import LOSS_KEY, LOSS_MAX, Loss, encode_loss
from dsmil.fabric.projected import TAKE_SNAPSHOT
from dsmil.fabric.topology import BY_NAME
from dsmil.fabric.wire import Wire, checked
from dsmil.graph.bootstrap import Gap, Rebuild
from dsmil.graph.guard import Guard
from dsmil.graph.keeper import Keeper
from dsmil.graph.projection import Projection
from dsmil.graph.state import relax_collector, untracked
from dsmil.runtime import logs
from dsmil.runtime.daemon import Daemon, start
from dsmil.runtime.metrics import Metrics

NAME = "projector"
LOOK_S = 1.0
"""Between two looks whether the stream is the one it was: so long it may be gone before it is made anew."""
BUILD_S = 1.0
"""Longest stretch of the way to the graph in one step: the watchdog must be fed in between."""
PAUSE_S = 0.1
"""Wait where there is nothing to do but wait."""
AGAIN_S = 1.0
"""Between two attempts to bring keys to a Redis that does not take them."""

log = logs.get()


class Projector:
    """The daemon's work: the consumer, and all that keeps the graph. Satisfies `runtime.daemon.Work`."""

    def __init__(self, settings: Settings, keeper: Keeper, *, wire: Wire, side: Wire, clock: Clock) -> None:
        self._settings = settings
        self._keeper = keeper
        self._side = side
        self._clock = clock
        self._guard = Guard(side, settings.paths.audit, clock=clock)
        self._projection = Projection(side)
        self._consumer = Consumer(
            wire, group=NAME, streams=BY_NAME[NAME].reads, handler=self.take, batch=settings.projector.batch,
            settings=settings.streams, clock=clock,
        )  # fmt: skip
        self._rebuild: Rebuild | None = None
        self._building: Iterator[None] | None = None
        self._ready = self._asked = False
        self._look_due = self._show_due = 0.0
        self._gaps: list[Gap] = []

    def step(self, timeout_s: float) -> int:
        """Go on building the graph, or fold a batch and do what is due beside it. Unavailable: Redis or graph.db is
        away."""
        try:
            if self._building is not None:
                return self._build(timeout_s)
            if not self._secure():
                self._clock.sleep(min(timeout_s, PAUSE_S))
                return 0
            done = self._consumer.step(0.0 if self._showing() else timeout_s)
        except Unavailable:
            self._ready = False  # whatever comes back may be another Redis
            self._building = None
            self._projection.forget()
            raise
        self._show()
        if self._asked or self._keeper.due():
            self.snapshot(asked=self._asked)
            self._asked = False
        return done

    def drain(self) -> None:
        """Finish the batch in hand, and leave a snapshot to begin from."""
        self._consumer.drain()
        self._show()
        self.snapshot()

    def stats(self) -> Mapping[str, float | int | str | bool]:
        """Counts since the start, and how large the graph is."""
        keeper, graph = self._keeper, self._keeper.graph
        return {
            **self._consumer.stats(), "nodes": len(graph.nodes), "edges": len(graph.edges),
            "sequence": graph.sequence, "snapshot_sequence": keeper.snapshot_sequence,
            "snapshot_s": round(keeper.snapshot_s, 3), "refused": graph.refused,
            "building": self._building is not None, "keys_behind": self._projection.pending(graph, keeper.soc),
            "renumbered": self._guard.renumbered,
        }  # fmt: skip

    def take(self, entries: Sequence[Entry]) -> tuple[Output, ...]:
        """Fold a batch and write its rows; the entries are acknowledged when this returns. Unavailable: graph.db
        does not take it; what is folded by then is passed over when the batch comes again."""
        keeper = self._keeper
        assert keeper.intake is not None, "a batch before there is a graph"
        for entry in entries:
            if entry.stream is not STREAM:
                keeper.count_soc(entry.id, entry.event)
                continue
            sequence = sequence_of(entry.id)
            if keeper.gap_before(sequence):
                self._bridge(sequence)
            keeper.intake.take(sequence, entry.event)
        keeper.write()
        return ()

    def snapshot(self, *, asked: bool = False) -> bool:
        """Keep a snapshot, and let the stream's janitor follow; whether there was something new to keep, or somebody
        who `asked` for it."""
        if not self._keeper.keep(asked=asked):
            return False
        self._hold()
        return True

    def _secure(self) -> bool:
        """Whether the stream is sound and the graph that of it. Where not, mending or building has begun."""
        now = self._clock.monotonic()
        if self._ready and now < self._look_due:
            return True
        self._look_due = now + LOOK_S
        keeper = self._keeper
        standing = self._guard.stands(keeper.intake, keeper.known)
        self._ready = standing is not None and keeper.intake is not None and standing.epoch == keeper.graph.epoch
        if self._ready:
            self._asked = bool(self._side.call("GETDEL", TAKE_SNAPSHOT)) or self._asked
        elif standing is not None:
            self._rebuild = Rebuild(self._settings, self._side, tell=self._gaps.append)
            self._building = self._rebuild.steps()
        return self._ready

    def _build(self, timeout_s: float) -> int:
        """A stretch of the way to the graph."""
        rebuild, building = self._rebuild, self._building
        assert rebuild is not None
        assert building is not None
        until = self._clock.monotonic() + min(timeout_s, BUILD_S)
        with untracked():
            for _ in building:
                if self._clock.monotonic() >= until:
                    return 0
        if rebuild.diverged:
            self._guard.make(max(self._keeper.known, rebuild.intake.graph.sequence), "the stream lost its end")
            self._building = rebuild.rest()
            return 0
        self._keeper.begin(rebuild)
        self._building, self._ready = None, False  # one more look, and then the group
        self._look_due = 0.0
        self._report()
        self._hold()
        graph = self._keeper.graph
        log.info("graph_ready", sequence=graph.sequence, nodes=len(graph.nodes), edges=len(graph.edges))
        return 0

    def _bridge(self, sequence: int) -> None:
        """Entries that did not come with a batch: what is no event was buried, what is missing is gone."""
        intake = self._keeper.intake
        assert intake is not None
        for page in graphread.entries(self._side, intake.graph.sequence, until=sequence - 1):
            for number, data in page:
                self._miss(number)
                intake.take_raw(number, data)
        self._miss(sequence)

    def _miss(self, sequence: int) -> None:
        if self._keeper.gap_before(sequence):
            first = self._keeper.graph.sequence + 1
            log.error("graph_gap", first=first, last=sequence - 1)
            self._gaps.append(Gap("graph_gap", first, sequence - 1, "they are not in the stream"))
            self._report()

    def _report(self) -> None:
        """Put what is missing on record."""
        now, gaps = self._clock.now(), self._gaps
        if not gaps:
            return
        losses = [
            Loss(
                ts=now, kind=gap.kind, group=NAME, stream=STREAM.value, first_id=f"0-{gap.first}",
                last_id=f"0-{gap.last}", detail=gap.detail,
                count=gap.last - gap.first + 1 if gap.kind == "graph_gap" else None,
            )
            for gap in gaps
        ]  # fmt: skip
        for reply in self._side.pipeline(
            [("LPUSH", LOSS_KEY, *map(encode_loss, losses)), ("LTRIM", LOSS_KEY, 0, LOSS_MAX - 1)]
        ):
            checked(reply)
        gaps.clear()

    def _hold(self) -> None:
        """Tell the janitor which entries our snapshots need."""
        try:
            for reply in self._side.pipeline(
                [
                    ("SADD", CHECKPOINTS_KEY, NAME),
                    ("HSET", checkpoint_key(NAME), STREAM.value, f"0-{self._keeper.held}"),
                ]
            ):
                checked(reply)
        except Unavailable as error:  # the former place holds more than enough
            log.warning("checkpoint_not_told", error=str(error))

    def _showing(self) -> bool:
        """Whether there are keys to write now."""
        keeper = self._keeper
        return self._clock.monotonic() >= self._show_due and self._projection.pending(keeper.graph, keeper.soc)

    def _show(self) -> None:
        """Bring the keys in Redis a piece further. Where it does not take them the graph goes on all the same."""
        if not self._ready or not self._showing():
            return
        try:
            self._projection.update(self._keeper.graph, self._keeper.soc)
        except Unavailable as error:
            log.warning("keys_not_written", error=str(error))
            self._show_due = self._clock.monotonic() + AGAIN_S


def build(settings: Settings) -> Daemon:
    """Put the daemon together."""
    relax_collector()
    wire, side, metrics = wire_of(settings, NAME), wire_of(settings, f"{NAME}-graph"), Metrics(NAME)
    keeper = Keeper(settings, clock=SYSTEM, observe=timed(metrics))
    work = Projector(settings, keeper, wire=wire, side=side, clock=SYSTEM)
    metrics.watch(lambda: _tell(metrics, keeper))
    return assemble(
        settings,
        NAME,
        work,
        hot=hot_of(settings, metrics),
        metrics=metrics,
        parts=(wire, side, keeper),
        status_s=settings.projector.heartbeat_s,
    )


def _tell(metrics: Metrics, keeper: Keeper) -> None:
    graph = keeper.graph
    for name, about, value in (
        ("dsmil_graph_nodes", "Nodes of the graph", len(graph.nodes)),
        ("dsmil_graph_edges", "Edges of the graph", len(graph.edges)),
        ("dsmil_graph_sequence", "Number of the last event folded in", graph.sequence),
        ("dsmil_graph_placed_nodes", "Nodes in the spatial index", len(graph.places)),
        (
            "dsmil_graph_snapshot_sequence",
            "Number of the last event in the newest snapshot",
            keeper.snapshot_sequence,
        ),
        ("dsmil_graph_snapshot_seconds", "How long the last snapshot took", keeper.snapshot_s),
        ("dsmil_graph_snapshot_bytes", "How large the last snapshot is", keeper.snapshot_bytes),
    ):
        metrics.gauge(name, about).set(value)
    metrics.total("dsmil_graph_refused_total", "Graph events that could not be read", graph.refused)


def main(argv: list[str] | None = None) -> int:
    """Run until told to stop; the exit code."""
    return start(NAME, build, argv=argv)


if __name__ == "__main__":
    raise SystemExit(main())
