"""Feeding files or stdin into a suite from the command line: the ingest daemons' loop, run until it is empty.

Interrupted or cut off from Redis it loses nothing: the ledger knows how far it came, and the same command goes on
from there.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from dsmil.clock import SYSTEM
from dsmil.config import Settings
from dsmil.config.sources import zone
from dsmil.fabric.topology import BY_NAME
from dsmil.fabric.wire import Wire
from dsmil.sensors.formats import format_of
from dsmil.sensors.ledger import Ledger
from dsmil.sensors.loop import Loop, Source, kit_for
from dsmil.sensors.pipe import Pipe
from dsmil.sensors.playback import Player, SharedPointer
from dsmil.sensors.record import Reason
from dsmil.sensors.rounds import Shelf, Which
from dsmil.sensors.source import Kit, LiveSource
from dsmil.sensors.stamp import live_origin
from dsmil.sensors.supply import FileSource, PathSupply, expand

VOICE = "dsmil-ingest"
"""Whose `source.stats` these are."""
STEP_S = 0.5
PROGRESS_AFTER_S = 2.0
"""Progress is shown, on a terminal, for whatever takes longer."""


class Job:
    """What was fed, and what became of it."""

    def __init__(self, family: str, loop: Loop, kit: Kit) -> None:
        self._family, self._loop, self._kit = family, loop, kit

    def told(self) -> dict[str, Any]:
        """`{family, files, received, accepted, rejected {reason: n}, ignored, events, published, duplicates}`."""
        sums: dict[str, Any] = {"family": self._family, "files": 0, "received": 0, "accepted": 0, "rejected": {}}
        sums |= {"ignored": 0, "events": 0, "duplicates": 0, "published": self._kit.outbox.published}
        for source in self._loop.sources:
            part = source.totals if isinstance(source, FileSource) else _counts(source)
            for key in ("received", "accepted", "ignored", "events"):
                sums[key] += getattr(part, key)
            for reason, count in part.rejected.items():
                sums["rejected"][reason] = sums["rejected"].get(reason, 0) + count
            sums["files"] += source.files if isinstance(source, FileSource) else 1
        sums["duplicates"] = sums["rejected"].get(Reason.DUPLICATE.value, 0)
        return sums

    def errors(self) -> list[str]:
        """What went wrong with whole files."""
        files = [source for source in self._loop.sources if isinstance(source, FileSource)]
        return [outcome.error for source in files for outcome in source.outcomes if outcome.error]

    def status(self) -> int:
        """The exit code: 0 all accepted, 1 some rejected, 2 something unreadable."""
        rejected = self.told()["rejected"]
        return 2 if Reason.UNREADABLE.value in rejected else 1 if rejected else 0


def feed(  # noqa: PLR0913 - all but three are keywords
    settings: Settings,
    family: str,
    paths: Sequence[str],
    *,
    daemon: str,
    which: Which = "first",
    rounds: int = 1,
    speed: tuple[float | None] | None = None,
) -> Job:
    """Feed `paths` of one family; `speed` (in a tuple, null for max) plays them under the shared pointer.
    Raises Unavailable where Redis or the ledger is away."""
    wire = Wire(settings.redis.address(), name=VOICE)
    wire.call("PING")  # first: where there is no suite, nothing is to be made
    kit = kit_for(wire, voice=VOICE, device=BY_NAME[daemon].device)
    ledger = Ledger(settings.paths.ingest_db, clock=SYSTEM)
    ledger.open()
    player = None
    if speed is not None:
        player = Player(speed=speed[0], clock=SYSTEM, pointer=SharedPointer(wire.call))
    shelf = Shelf(family=family, ledger=ledger, options=reading_options(settings), player=player)
    sources: list[Source] = []
    if named := [Path(path) for path in paths if path != "-"]:
        files = list(expand(named, family))
        sources.append(FileSource(PathSupply(files, which=which, rounds=rounds), shelf, kit, keep=0))
    if "-" in paths:
        sources.append(_stdin(family, shelf, kit))
    loop = Loop(sources, kit)
    try:
        _run(loop)
    finally:
        ledger.close()
        wire.close()
    return Job(family, loop, kit)


def _run(loop: Loop) -> None:
    begun = shown = SYSTEM.monotonic()
    try:
        while not loop.ended:
            loop.step(STEP_S)
            now = SYSTEM.monotonic()
            if sys.stderr.isatty() and now - begun > PROGRESS_AFTER_S and now - shown > STEP_S:
                shown = now
                stats = loop.stats()
                click.echo(f"\r{stats['files']} files, {stats['published']} events ", err=True, nl=False)
        loop.drain()
    except KeyboardInterrupt:
        # What is read goes out; the rest stays marked as open.
        loop.drain()
        raise
    if shown > begun:
        click.echo(err=True)


def _stdin(family: str, shelf: Shelf, kit: Kit) -> LiveSource:
    origin = live_origin(f"{family}:stdin", kit.speaker.run, device=kit.device)
    # A pipe cannot be looked into before it is read: its first bytes decide when they come.
    return LiveSource(origin, Pipe(), lambda: _Late(family, shelf), kit=kit)


class _Late:
    """A parser that is chosen by its first bytes."""

    def __init__(self, family: str, shelf: Shelf) -> None:
        self._family, self._shelf = family, shelf
        self._parser: Any = None

    def feed(self, data: bytes) -> Any:
        """Choose, and pass on."""
        if self._parser is None:
            found = format_of(self._family, data, "-")
            self._parser = found.build(**self._shelf.options.get(found.name, {}))
        return self._parser.feed(data)

    def close(self) -> Any:
        """Settle what was chosen."""
        return self._parser.close() if self._parser is not None else iter(())


def _counts(source: Source) -> Any:
    assert isinstance(source, LiveSource)
    return source.intake.counts


def reading_options(settings: Settings) -> dict[str, dict[str, Any]]:
    """Constructor keywords by format name, as the ingest daemons read their files."""
    ais, rf = zone(settings.ais_playback.timezone), zone(settings.rf_ingest.timezone)
    return {
        "nmea": {"tz": ais},
        "csv": {"tz": ais},
        "rtl433": {"tz": rf},
        "rtl433-csv": {"tz": rf},
        "sweep": {"tz": rf, "min_snr_db": settings.rf_ingest.min_snr_db},
    }
