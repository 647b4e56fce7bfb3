"""A batch in, GRAPH_EVENTS out: one patch per entity, and per entity that a link was taken from one deletion.

What comes out hangs on the batch and on what is remembered of open ports: the same entries handled again from there
give the same events under the same ids, and another delivery gives others. Repeats, which the engine knows by their
sources' counters, say nothing, so reading a file again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import UNSET, Struct

from dsmil.analytics.engine import News
from dsmil.analytics.sketch import ais, decided, net, rf
from dsmil.analytics.sketch.draft import Draft, Row, merged, newest_of, time_of
from dsmil.analytics.sketch.ports import OpenPorts
from dsmil.analytics.sketch.said import Said, Tell
from dsmil.events import ids
from dsmil.events.ais import Aton, Base, Position, Static
from dsmil.events.decision import Decision
from dsmil.events.enums import StreamName
from dsmil.events.envelope import Event, encode, pack, unpack
from dsmil.events.graph import EDGE_DELETE, EDGE_UPDATE, NODE_UPDATE, Patch
from dsmil.events.net import Alert, Flow, Host, Ports
from dsmil.events.rf import Burst, Emission, Frame, SweepPeak
from dsmil.fabric.entry import Entry

PATCHES_MAX = 10_000
"""Entities one batch may touch: some 8 MB, which Redis takes in 50 ms. Five hundred pages of 200 open ports would be
a hundred thousand; nobody has as many services, but a host that answers on every port may look like it."""
ID_CHARS_MAX = 512
"""As `events.graph.EntityId`; what is longer is left out here, or every reader would refuse the patch."""

SHAPES: dict[str, type[Struct]] = {
    "ais.position": Position,
    "ais.static": Static,
    "ais.base": Base,
    "ais.aton": Aton,
    "rf.burst": Burst,
    "rf.emission": Emission,
    "rf.sweep_peak": SweepPeak,
    "rf.frame": Frame,
    "net.host": Host,
    "net.ports": Ports,
    "net.flow": Flow,
    "net.alert": Alert,
}
"""The payload type of each kind that says something of an entity."""
_TELL: dict[str, Tell] = {
    "ais.position": ais.position,
    "ais.static": ais.static,
    "ais.base": ais.base,
    "ais.aton": ais.aton,
    "rf.burst": rf.burst,
    "rf.emission": rf.emission,
    "rf.sweep_peak": rf.sweep_peak,
    "rf.frame": rf.frame,
    "net.host": net.host,
    "net.ports": net.ports,
    "net.flow": net.flow,
    "net.alert": net.alert,
}


class Sketch:
    """Draws the observations on `stream` and a layer's own decisions. `source`, `device` and `layer` sign the events;
    `left_out` counts what the bounds kept out."""

    def __init__(self, *, stream: StreamName, source: str, device: int, layer: int) -> None:
        self._stream = stream
        self._source = source
        self._device = device
        self._layer = layer
        self._ports = OpenPorts()
        self.left_out = 0

    def dump(self) -> bytes:
        """What it remembers, for a checkpoint."""
        return self._ports.dump()

    def restore(self, data: bytes) -> None:
        """Take over a memory of `dump`."""
        self._ports.restore(data)

    def reset(self) -> None:
        """Forget everything."""
        self._ports.reset()

    def draw(self, entries: Sequence[Entry], news: Iterable[News], made: Iterable[Event]) -> list[bytes]:
        """Encoded events in order of first touch. `news` are those of `entries` that are no repeats, `made` the
        decisions they led to."""
        drafts: dict[str, Draft] = {}
        for place, payload in news:
            entry = entries[place]
            if entry.stream is self._stream and (tell := _TELL.get(entry.event.kind)) is not None:
                self._take(drafts, entry.event, tell(payload, entry.event))
                if isinstance(payload, Host | Ports):
                    self._take(drafts, entry.event, self._ports.note(payload, entry.event))
        for event in made:
            self._take(drafts, event, decided.decision(unpack(event, Decision), event))
        if not drafts:
            return []
        first, last = entries[0], entries[-1]
        delivery = ids.digest(self._source, first.stream.value, first.id, last.stream.value, last.id)
        return list(self._encoded(drafts, delivery))

    def _take(self, drafts: dict[str, Draft], event: Event, told: Iterable[Said]) -> None:
        ts = time_of(event)
        for kind, patch in told:
            draft = drafts.get(patch.id)
            if draft is None:
                if len(drafts) >= PATCHES_MAX or not _fits(patch):
                    self.left_out += 1
                    continue
                draft = drafts[patch.id] = Draft(kind != NODE_UPDATE)
            if kind == EDGE_DELETE:
                draft.ended, draft.rows = Row(ts, patch, event), []
            else:
                draft.rows.append(Row(ts, patch, event))

    def _encoded(self, drafts: dict[str, Draft], delivery: str) -> Iterator[bytes]:
        for draft in drafts.values():
            if draft.ended is not None:
                yield from self._event(EDGE_DELETE, draft.ended.patch, [draft.ended], delivery)
            if draft.rows:
                kind = EDGE_UPDATE if draft.edge else NODE_UPDATE
                yield from self._event(kind, merged(draft.rows), draft.rows, delivery)

    def _event(self, kind: str, patch: Patch, rows: list[Row], delivery: str) -> Iterator[bytes]:
        newest = newest_of(rows)
        event = newest.event
        alone = len(rows) == 1
        try:
            yield encode(
                Event(
                    event_id=ids.derived((delivery,), f"{kind}|{patch.id}"),
                    ts=newest.ts,
                    ts_basis=event.ts_basis,
                    ingest_ts=event.ingest_ts if alone else max(row.event.ingest_ts for row in rows),
                    source_device=self._device,
                    source_layer=self._layer,
                    source=self._source,
                    category=event.category,
                    kind=kind,
                    refs=(event.event_id,) if alone else ids.bounded_refs([row.event.event_id for row in rows]),
                    payload=pack(patch),
                )
            )
        except ValueError:  # beyond 64 KiB: every text in it is cut, so this takes a forger
            self.left_out += 1


def _fits(patch: Patch) -> bool:
    members = () if patch.nodes is UNSET else patch.nodes
    return 0 < len(patch.id) <= ID_CHARS_MAX and all(len(one) <= ID_CHARS_MAX for one in members)
