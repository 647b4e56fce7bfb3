"""How a process comes to hold the graph: the newest good snapshot, what was audited since, the rest of the stream.

The audit log holds every event once and in its order, so a graph is right when it is what folding the whole audit log
gives. A snapshot whose last event neither the audit log nor the stream knows is of a past that did not happen - Redis
lost its end - and an older one is taken. What is torn, or reaches nowhere, is said; nobody waits for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from dsmil.config import Settings
from dsmil.errors import BadEvent, Corrupt, DsmilError, Unavailable
from dsmil.events.envelope import decode
from dsmil.fabric import graphread, graphstream
from dsmil.fabric.graphread import event_id_of
from dsmil.fabric.graphstream import STREAM, STRIDE, Standing
from dsmil.fabric.wire import Wire
from dsmil.graph import snapshot
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.intake import Intake
from dsmil.graph.state import untracked
from dsmil.runtime import logs
from dsmil.store.chain import AuditRow
from dsmil.store.graphdb import About, snapshot_data, snapshots
from dsmil.store.reader import AuditReader

PAGE = 500
"""Events folded between two looks at the clock: a few milliseconds."""

log = logs.get()


class Gap(Struct, frozen=True):
    """Something that should be there and is not: `kind` as in `dsmil.fabric.loss`, numbers `first` to `last`."""

    kind: str
    first: int
    last: int
    detail: str


class Rebuild:
    """One way to the graph. `steps` does it piece by piece; then `intake` holds it. `unfit` are the snapshots that
    were passed over for good; `diverged` tells that the stream is not the one the audit log knows."""

    def __init__(self, settings: Settings, wire: Wire, *, tell: Callable[[Gap], None] = lambda _: None) -> None:
        self._path = settings.paths.graph_db
        self._audit = AuditReader(settings.paths.audit)
        self._wire = wire
        self._tell = tell
        self.intake = Intake()
        self.unfit: list[int] = []
        self.diverged = False
        self._run = 0
        self._spent: set[int] = set()
        """Numbers of what was no event, as audited: no gap where the stream has them no more."""

    def steps(self) -> Iterator[None]:
        """Each step takes milliseconds, but for reading a snapshot. Unavailable: Redis is away; begin anew."""
        self._wire.call("PING")  # before minutes of work that would be for nothing
        yield
        at = yield from self._base()
        standing = graphstream.look(self._wire)
        self._run = standing.last // STRIDE
        if at is not None:
            yield from self._of_audit(at)
        yield from self._of_stream(standing)

    def rest(self) -> Iterator[None]:
        """What came since, after the stream was renumbered because it had `diverged`."""
        yield from self._of_stream(graphstream.look(self._wire))
        self.diverged = False

    def _base(self) -> Generator[None, None, int | None]:
        """Begin with a snapshot, or with nothing; the audit row to go on from, null where none is known."""
        spare: snapshot.Loaded | None = None
        passed: list[int] = []
        for about in self._snapshots():
            loaded = self._loaded(about)
            yield
            if loaded is None:
                continue
            known, at = self._known(loaded)
            if known:
                self._begin(loaded)
                self.unfit += passed
                return at
            spare = spare or loaded
            passed.append(about.sequence)
        if spare is None:
            return 0
        log.warning("snapshot_unconfirmed", sequence=spare.sequence, mend="dsmil audit verify")
        self._begin(spare)
        return None

    def _snapshots(self) -> list[About]:
        try:
            return snapshots(self._path)
        except DsmilError as error:
            log.warning("snapshots_unreadable", error=str(error))
            return []

    def _loaded(self, about: About) -> snapshot.Loaded | None:
        try:
            data = snapshot_data(self._path, about.sequence)
            return None if data is None else snapshot.decode(data)
        except Corrupt as error:
            self.unfit.append(about.sequence)
            log.error("snapshot_torn", sequence=about.sequence, error=str(error), instead="the one before it")
            self._tell(Gap("snapshot_torn", about.sequence, about.sequence, str(error)))
        except Unavailable as error:
            log.warning("snapshots_unreadable", error=str(error))
        return None

    def _begin(self, loaded: snapshot.Loaded) -> None:
        self.intake = Intake(loaded.restored(), loaded.recent)

    def _known(self, loaded: snapshot.Loaded) -> tuple[bool, int | None]:
        """Whether audit log or stream know the last event of a snapshot, and the audit row of it, if there is one."""
        event_id, sequence = next(reversed(loaded.recent.items()), ("", 0))
        if not sequence:
            return True, 0
        with suppress(DsmilError):  # the audit may be closed to us, then the stream must know
            row = self._audit.find(event_id)
            if row is not None:
                return (row.stream, row.stream_id) == (STREAM.value, f"0-{sequence}"), row.seq
        return event_id_of(graphread.entry_at(self._wire, sequence)) == event_id, None

    def _of_audit(self, at: int) -> Iterator[None]:
        first = not self.intake.graph.sequence
        try:
            for count, row in enumerate(self._audit.rows(STREAM.value, after_seq=at)):
                sequence = graphstream.sequence_of(row.stream_id)
                if row.fault:
                    self._spent.add(sequence)
                elif numbered(row):
                    if first and not (graphstream.follows(sequence, 0) or self._spent_all(1, sequence)):
                        self._miss(1, sequence - 1, "the audit log begins later")
                    if sequence <= self.intake.graph.sequence:
                        self._diverges(sequence)
                    first = False
                absorb_row(self.intake, row)
                if count % PAGE == PAGE - 1:
                    yield
        except DsmilError as error:
            log.warning("audit_unreadable", error=str(error), instead="what the stream still holds")

    def _of_stream(self, standing: Standing) -> Iterator[None]:
        intake, before = self.intake, self._start(standing)
        for page in graphread.entries(self._wire, before):
            for sequence, data in page:
                if not (graphstream.follows(sequence, before) or self._spent_all(before + 1, sequence)):
                    self._miss(before + 1, sequence - 1, "neither snapshot, audit log nor stream has them")
                before = sequence
                self._take(sequence, data)
            yield
        intake.graph.epoch = standing.epoch or intake.graph.epoch
        intake.skip_to(standing.last)

    def _take(self, sequence: int, data: bytes) -> None:
        """One entry of the stream, unless its event is known."""
        intake, event_id = self.intake, event_id_of(data)
        if event_id in intake.recent:
            return
        if sequence > intake.graph.sequence:
            intake.take_raw(sequence, data)
        elif event_id:
            self._diverges(sequence)
            with suppress(BadEvent):
                intake.absorb(sequence, decode(data))

    def _start(self, standing: Standing) -> int:
        """The number after which the stream may hold what is new to us."""
        event_id, sequence = self.intake.last
        reached = self.intake.graph.sequence
        if not standing.first or standing.first > sequence:
            return reached
        if event_id_of(graphread.entry_at(self._wire, sequence)) == event_id:
            return reached if standing.last >= reached else sequence
        self._diverges(sequence)
        log.warning("stream_diverged", sequence=sequence, event_id=event_id)
        # It cannot have lost more than we remember; what we hold already is known by its id.
        return max(min(self.intake.recent.values()), standing.first) - 1

    def _spent_all(self, first: int, end: int) -> bool:
        return all(number in self._spent for number in range(first, end))

    def _diverges(self, sequence: int) -> None:
        """A number was handed out twice: of no account where the stream has been renumbered since."""
        self.diverged |= sequence // STRIDE == self._run

    def _miss(self, first: int, last: int, detail: str) -> None:
        if last < first:
            return
        log.error("graph_gap", first=first, last=last, detail=detail)
        self._tell(Gap("graph_gap", first, last, detail))


def rebuilt(settings: Settings, wire: Wire) -> Intake:
    """The graph as it is now, and what it took last. Unavailable: Redis is away."""
    rebuild = Rebuild(settings, wire)
    with untracked():
        for _ in rebuild.steps():
            pass
    return rebuild.intake


def open_graph(settings: Settings, wire: Wire) -> Hypergraph:
    """The graph as it is now. Unavailable: Redis is away."""
    return rebuilt(settings, wire).graph


def of_audit(directory: Path) -> Hypergraph:
    """What folding the whole audit log gives: the measure of every other graph. Unavailable, Corrupt."""
    intake = Intake()
    for row in AuditReader(directory).rows(STREAM.value):
        absorb_row(intake, row)
    return intake.graph


def numbered(row: AuditRow) -> bool:
    """Whether its id is a number of the graph; one of somebody's own (`ms-n`) is left out, as by whoever reads the
    stream."""
    return row.stream_id.startswith("0-")


def absorb_row(intake: Intake, row: AuditRow) -> None:
    """Take one row of the audit log. One flagged as no event is left out: it stands there before the events that
    were read with it, lower numbers too, which have to be taken yet."""
    if row.fault or not numbered(row):
        return
    sequence = graphstream.sequence_of(row.stream_id)
    try:
        intake.absorb(sequence, decode(row.data))
    except BadEvent:
        intake.skip_to(sequence)
