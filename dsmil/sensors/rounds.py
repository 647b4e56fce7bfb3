"""One round over an open file: its bytes through a parser into an intake, and its mark in the ledger.

A round over the same bytes always makes the same events with the same counters. So an interrupted one is read
again from the beginning and publishes only what is not known to be out.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from dsmil.sensors.ledger import Ledger, Mark
from dsmil.sensors.playback import Player
from dsmil.sensors.reading import Reading
from dsmil.sensors.record import Item, Observation
from dsmil.sensors.source import Intake, Kit
from dsmil.sensors.stamp import file_origin, source_name

Which = Literal["first", "again", "next"]
"""`first`: only where the ledger does not know the content. `again`: the same events once more, under the same
ids, for whoever lost them downstream. `next`: a new round of a playback, new events."""


class Found(Struct, frozen=True, kw_only=True):
    """An open file to ingest. `path` is where people will find it; `disk` where its neighbours lie now."""

    file: io.FileIO
    name: str
    path: str
    disk: Path | None = None
    which: Which = "first"


class Shelf(Struct, frozen=True, kw_only=True):
    """What all files of one family share: `options` are constructor keywords by format name."""

    family: str
    ledger: Ledger
    options: Mapping[str, Mapping[str, Any]] = {}
    player: Player | None = None


class Round:
    """Reads one round, item by item. Whoever reads calls `intake.take` on what is to count."""

    def __init__(self, found: Found, shelf: Shelf, kit: Kit, *, mark: Mark) -> None:
        self.mark = mark
        origin = file_origin(
            source_name(shelf.family, found.name),
            mark.sha256,
            device=kit.device,
            loop=mark.loop,
            path=found.path,
        )
        self.intake = Intake(origin, kit, resume_seq=0 if found.which == "again" else mark.seq)
        self._key = (mark.family, mark.sha256, mark.loop)
        self._ledger = shelf.ledger
        self._outbox = kit.outbox
        found.file.seek(0)
        self._reading = Reading(
            found.file,
            shelf.family,
            found.name,
            path=found.disk,
            options=shelf.options,
            arrived=self.intake.arrived,
        )

    @property
    def error(self) -> str | None:
        """What ended the bytes too early."""
        return self._reading.error

    def next(self) -> Item | None:
        """The next item; null when the round is through."""
        return next(self._reading, None)

    def advance(self, offset: int) -> None:
        """Mark how far it is, once what was taken so far is out. `offset` is where the last record stands."""
        mark, ledger, seq = self.mark, self._ledger, self.intake.stamper.seq
        if seq > mark.seq:
            self._outbox.after(self._key, lambda: ledger.advance(mark, seq=seq, offset=offset))

    def finish(self) -> None:
        """Tell its sums, and mark that all of it is out once it is."""
        mark, ledger, counts, seq = self.mark, self._ledger, self.intake.counts, self.intake.stamper.seq
        self.intake.tell(ended=True)
        self._outbox.after(
            self._key,
            lambda: ledger.publish(mark, seq=seq, received=counts.received, accepted=counts.accepted),
        )


def offset_of(item: Item) -> int:
    """Where an observation's record stands; 0 for anything else."""
    return item.offset if isinstance(item, Observation) else 0
