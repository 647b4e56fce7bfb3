"""Observation to Event: the id, the counter and the place of its raw record.

A file's events are named by where they stand in it, so reading it again gives the same ids and the same
counters; a network's are named by the run and the counter, so a gap in the counter proves a loss.
"""

from __future__ import annotations

from msgspec import Struct

from dsmil.events import ids
from dsmil.events.enums import TsBasis
from dsmil.events.envelope import TEXT_MAX, TS_MAX, Event, RawRecord, cut_text, encode, pack
from dsmil.sensors.record import Observation, Reason, Reject

EPOCH_DIGITS = 16
"""Digits of a file's SHA-256 in its `source_epoch`: 64 bits tell any two files apart."""
NAME_MAX = 256
"""Characters of a file name in a source name; the whole path stands in `raw`."""
PATH_MAX = 4096
PEER_MAX = 256
"""What the envelope allows."""


class Origin(Struct, frozen=True, kw_only=True):
    """Where a source's events come from. `sha256` is set for a file and names its records; `loop` counts
    the rounds of a playback; `path` or `peer` goes into `raw`."""

    source: str
    epoch: str
    device: int
    layer: int = 0
    sha256: str | None = None
    loop: int = 0
    path: str | None = None
    live: bool = False


def source_name(family: str, name: str) -> str:
    """A file's source name: `nmap:scan.xml`, `ais:file:log.nmea`, `rf:file:...`, `ndpi:file:...`."""
    # A name is the sender's text: it must encode as UTF-8, and be readable in a terminal.
    clean = "".join(c if c.isprintable() else "?" for c in cut_text(name, NAME_MAX))
    return f"{family}:{clean}" if family == "nmap" else f"{family}:file:{clean}"


def file_origin(source: str, sha256: str, *, device: int, loop: int = 0, path: str | None = None) -> Origin:
    """The origin of one round over a file."""
    return Origin(
        source=source,
        epoch=f"{sha256[:EPOCH_DIGITS]}.{loop}",
        device=device,
        sha256=sha256,
        loop=loop,
        path=cut_text(path, PATH_MAX) if path is not None else None,
    )


def live_origin(source: str, run: str, *, device: int) -> Origin:
    """The origin of a network source in one run of a daemon."""
    return Origin(source=source, epoch=run, device=device, live=True)


class Stamper:
    """Stamps the observations of one source, in order. `seq` is the counter of the last event, from 1."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.seq = 0
        self._offset = self._offset_max = -1
        self._nth = self._count = 0

    def skip(self, events: int) -> None:
        """Leave a gap in the counter for `events` that were lost before they could be read."""
        self.seq += events

    def stamp(self, seen: Observation, *, now_s: float, peer: str | None = None) -> bytes | Reject:
        """The encoded event of one observation, seen at `now_s`; a reject where it cannot be one."""
        name = self._name(seen.offset)
        if seen.ts is not None and not 0.0 <= seen.ts <= TS_MAX:
            return _refused(seen, Reason.OUT_OF_RANGE, f"time {seen.ts!r}")
        try:
            data = encode(self._event(seen, name, now_s, peer))
        except ValueError as error:  # too large, or text that is no Unicode
            return _refused(seen, Reason.OVERSIZED, str(error))
        self.seq += 1
        return data

    def _event(self, seen: Observation, name: str, now_s: float, peer: str | None) -> Event:
        origin = self.origin
        return Event(
            event_id=name,
            ts=now_s if seen.ts is None else seen.ts,
            since_ts=seen.since_ts,
            ts_basis=TsBasis.INGEST if seen.ts is None else TsBasis.SOURCE,
            ingest_ts=now_s,
            source_device=origin.device,
            source_layer=origin.layer,
            source=origin.source,
            source_epoch=origin.epoch,
            source_seq=self.seq + 1,
            category=seen.category,
            kind=seen.kind,
            raw=raw_record(origin, seen, peer),
            payload=pack(seen.payload),
        )

    def _name(self, offset: int) -> str:
        origin = self.origin
        if origin.sha256 is None:
            return ids.network(origin.source, origin.epoch, self.seq + 1)
        # Pages of one record follow each other. A parser that comes back to an earlier offset (a summary at
        # the end of a scan) gets a number no page can have had, for `_count` outruns every `_nth`.
        if offset == self._offset:
            self._nth += 1
        else:
            self._nth = 0 if offset > self._offset_max else self._count
        self._count += 1
        self._offset = offset
        self._offset_max = max(offset, self._offset_max)
        return ids.file_record(origin.sha256, offset, self._nth, origin.loop)


def raw_record(origin: Origin, item: Observation | Reject, peer: str | None) -> RawRecord:
    """Where an item's record stood, and its text: place and line in a file, or the peer it came from."""
    text = item.text
    # Most records are short ASCII; only the others pay for the cut.
    if len(text) > TEXT_MAX or not text.isascii():
        text = cut_text(text)
    return RawRecord(
        path=origin.path,
        peer=peer[:PEER_MAX] if peer is not None else None,
        offset=item.offset if peer is None else None,
        line=(item.line or None) if peer is None else None,
        text=text or None,
    )


def _refused(seen: Observation, reason: Reason, detail: str) -> Reject:
    return Reject(
        reason=reason,
        detail=f"{seen.kind}: {detail}",
        offset=seen.offset,
        line=seen.line,
        text=seen.text,
        records=seen.records,
    )
