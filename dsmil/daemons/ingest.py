"""The wiring the three ingest daemons share: command line, sources, loop, one `runtime.Daemon`.

Each daemon names its live sources and the families of files it reads; everything else is the same.
"""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from dsmil.clock import SYSTEM
from dsmil.config import Settings
from dsmil.daemons import gauges
from dsmil.daemons.assembly import assemble, hot_of, wire_of
from dsmil.errors import ConfigError
from dsmil.fabric.topology import BY_NAME
from dsmil.fabric.wire import Wire
from dsmil.runtime.daemon import Daemon, Part, start
from dsmil.runtime.metrics import Metrics
from dsmil.sensors.drop import DropFolder
from dsmil.sensors.files import Broken, head_of
from dsmil.sensors.formats import sniff
from dsmil.sensors.ledger import Ledger
from dsmil.sensors.loop import Loop, Source, kit_for
from dsmil.sensors.pace import parse_speed
from dsmil.sensors.playback import Player, SharedPointer
from dsmil.sensors.rounds import Shelf
from dsmil.sensors.source import Kit
from dsmil.sensors.supply import DropSupply, FileSource, PathSupply, Supply


class Setting(Struct, frozen=True, kw_only=True):
    """What one ingest daemon is. `families` are its kinds of files, the first for what no sniffer knows;
    `live` makes its network sources; `player` the pace of its recordings."""

    name: str
    families: tuple[str, ...]
    live: Callable[[Settings, Kit, Ledger], list[Source]]
    drop: Callable[[Settings], bool]
    options: Callable[[Settings], Mapping[str, Mapping[str, Any]]]
    speed: Callable[[Settings], str] | None = None


class Asked(Struct, frozen=True, kw_only=True):
    """The command line: files to read, whether to end after them, and how to play them."""

    files: tuple[Path, ...] = ()
    once: bool = False
    rounds: int = 1
    again: bool = False
    speed: str | None = None


def run(setting: Setting, argv: Sequence[str] | None = None) -> int:
    """Be that daemon; returns the exit code."""
    asked = _asked(setting, argv)
    return start(setting.name, lambda settings: build(setting, settings, asked))


class _Site(Struct, frozen=True, kw_only=True):
    """One daemon about to live: what it is, what it was told, and what its sources share."""

    setting: Setting
    settings: Settings
    asked: Asked
    wire: Wire
    kit: Kit
    ledger: Ledger


def build(setting: Setting, settings: Settings, asked: Asked) -> Daemon:
    """The daemon with all its sources, not yet running."""
    name = setting.name
    wire = wire_of(settings, name)
    site = _Site(
        setting=setting,
        settings=settings,
        asked=asked,
        wire=wire,
        kit=kit_for(wire, voice=name, device=BY_NAME[name].device),
        ledger=Ledger(settings.paths.ingest_db, clock=SYSTEM),
    )
    folders = [] if asked.once or not setting.drop(settings) else _folders(site)
    sources = [*_files(site), *([] if asked.once else setting.live(settings, site.kit, site.ledger))]
    sources += [_file_source(site, family, DropSupply(folder)) for family, folder in folders]
    loop = Loop(sources, site.kit, finished=_stop_ourselves if asked.once else None)
    parts: list[Part] = [site.ledger, wire, *(folder for _, folder in folders)]
    metrics = Metrics(name)
    metrics.watch(lambda: gauges.sources(metrics, loop.sources))
    return assemble(settings, name, loop, hot=hot_of(settings, metrics), metrics=metrics, parts=parts)


def _asked(setting: Setting, argv: Sequence[str] | None) -> Asked:
    parser = argparse.ArgumentParser(prog=f"dsmil-{setting.name}", description=f"Reads {setting.families}.")
    parser.add_argument("files", nargs="*", type=Path, help="files to ingest first")
    parser.add_argument("--once", action="store_true", help="end after them; open no other source")
    parser.add_argument("--again", action="store_true", help="ingest known content again, as a new round")
    parser.add_argument("--speed", help="0.1 to 1000 times the recordings' pace, or max")
    if setting.speed is not None:
        parser.add_argument("--loop", dest="rounds", type=int, default=1, help="rounds to play; 0 for ever")
    given = parser.parse_args(argv)
    return Asked(
        files=tuple(given.files),
        once=given.once,
        again=given.again,
        rounds=max(0, getattr(given, "rounds", 1)),
        speed=given.speed,
    )


def _folders(site: _Site) -> list[tuple[str, DropFolder]]:
    drop = site.settings.paths.drop
    return [(family, DropFolder(drop / family, clock=SYSTEM)) for family in site.setting.families]


def _files(site: _Site) -> list[Source]:
    asked, families = site.asked, site.setting.families
    if asked.once and not asked.files:
        raise ConfigError(f"start {site.setting.name} --once: no files", hint="name the files to ingest")
    sources: list[Source] = []
    for family in families:
        paths = [path for path in asked.files if _family_of(path, families) == family]
        if paths:
            supply = PathSupply(paths, which="next" if asked.again else "first", rounds=asked.rounds)
            sources.append(_file_source(site, family, supply, speed=asked.speed))
    return sources


def _file_source(site: _Site, family: str, supply: Supply, *, speed: str | None = None) -> Source:
    """Files of the command line go at its `speed`, dropped ones at the configured one. One of them plays under
    the operators' shared pointer: two recordings at once would pull it to and fro."""
    setting, settings, player = site.setting, site.settings, None
    leads = isinstance(supply, PathSupply) or not site.asked.files
    shared = SharedPointer(site.wire.call) if setting.speed is not None and leads else None
    wanted = speed or (setting.speed(settings) if setting.speed is not None else None)
    if wanted is not None:
        player = Player(speed=parse_speed(wanted), clock=SYSTEM, pointer=shared)
    shelf = Shelf(family=family, ledger=site.ledger, options=setting.options(settings), player=player)
    return FileSource(supply, shelf, site.kit)


def _family_of(path: Path, families: Sequence[str]) -> str:
    if len(families) > 1:
        try:
            head = head_of(path)
        except Broken:
            return families[0]  # its source will meet the same trouble, and count it
        for family in families:
            if sniff(head, path.name, family) is not None:
                return family
    return families[0]


def _stop_ourselves() -> None:
    # The one way any daemon stops: the signal lowers the flag, and draining follows.
    os.kill(os.getpid(), signal.SIGTERM)
