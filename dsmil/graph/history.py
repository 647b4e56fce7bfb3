"""The graph at a moment further back than the engine remembers: the snapshot before it, and what was audited since.

A picture of its own, made each time it is asked for; what it takes is the time of folding a snapshot's distance of
events. Where neither a snapshot nor the whole audit log reaches back, that is said, with the moment that is kept.
"""

from __future__ import annotations

from contextlib import suppress

from dsmil.config import Settings
from dsmil.errors import Corrupt
from dsmil.fabric import graphstream
from dsmil.fabric.graphstream import STREAM
from dsmil.graph import snapshot
from dsmil.graph.bootstrap import absorb_row, numbered
from dsmil.graph.hypergraph import Hypergraph
from dsmil.graph.intake import Intake
from dsmil.graph.picture import TooOld
from dsmil.graph.state import untracked
from dsmil.store.chain import AuditRow
from dsmil.store.graphdb import About, snapshot_data, snapshots
from dsmil.store.reader import AuditReader


def sequence_at(settings: Settings, ts: float) -> int:
    """The number of the last audited event of the graph that came in at `ts` (Unix seconds) or earlier; TooOld where
    there is none. Unavailable, Corrupt: the audit log cannot be read."""
    row = AuditReader(settings.paths.audit).last_before(STREAM.value, ts)
    if row is None:
        raise TooOld(f"look at time {ts}: before the earliest kept moment", hint="nothing was audited until then")
    return graphstream.sequence_of(row.stream_id)


def picture_at(settings: Settings, sequence: int) -> Hypergraph:
    """The graph after event `sequence`. TooOld: it is not kept; Unavailable, Corrupt: what has it cannot be read."""
    audit = AuditReader(settings.paths.audit)
    with untracked():
        intake, at = _begun(settings, audit, sequence)
        began = at > 0
        for row in audit.rows(STREAM.value, after_seq=at):
            if row.fault or not numbered(row):  # one with a fault stands before events of lower numbers
                continue
            number = graphstream.sequence_of(row.stream_id)
            if not began and not graphstream.follows(number, 0):
                break
            began = True
            if number > sequence:
                break
            absorb_row(intake, row)
    if not began:
        raise TooOld(f"look at sequence {sequence}: before the earliest kept moment", hint=_kept(settings))
    intake.skip_to(sequence)
    return intake.graph


def _begun(settings: Settings, audit: AuditReader, sequence: int) -> tuple[Intake, int]:
    """The newest snapshot of that moment or before it whose place in the audit log is known, and that place."""
    for about in snapshots(settings.paths.graph_db):
        if about.sequence <= sequence and (row := _last_row(audit, about)) is not None:
            with suppress(Corrupt):  # an older one will do
                data = snapshot_data(settings.paths.graph_db, about.sequence)
                if data is not None:
                    loaded = snapshot.decode(data)
                    return Intake(loaded.restored(), loaded.recent), row.seq
    return Intake(), 0


def _last_row(audit: AuditReader, about: About) -> AuditRow | None:
    """The audit row of the last event in a snapshot; null where it is not there, or stands under another number."""
    row = audit.find(about.event_id) if about.event_id else None
    return row if row is not None and row.stream == STREAM.value else None


def _kept(settings: Settings) -> str:
    kept = [about.sequence for about in snapshots(settings.paths.graph_db)]
    return (
        f"kept from sequence {min(kept)} on"
        if kept
        else "neither a snapshot nor the audit log reaches back to it"
    )
