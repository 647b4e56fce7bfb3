"""The wiring the three ingest daemons share: command line, sources, loop, one `runtime.Daemon`.

Each daemon names its live sources and the families of files it reads; everything else is the same.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from dsmil.clock import SYSTEM
from dsmil.config import Settings
from dsmil.config.sources import split_address
from dsmil.daemons import gauges
from dsmil.daemons.assembly import assemble, hot_of, wire_of
from dsmil.errors import ConfigError
from dsmil.fabric.topology import BY_NAME, full_name, is_instance
from dsmil.fabric.wire import Wire
from dsmil.runtime import logs
from dsmil.runtime.activation import all_passed
from dsmil.runtime.daemon import Daemon, Part, refuse, start
from dsmil.runtime.metrics import Metrics
from dsmil.sensors.drop import DropFolder
from dsmil.sensors.files import Broken, head_of
from dsmil.sensors.formats import sniff
from dsmil.sensors.ledger import Ledger
from dsmil.sensors.loop import Loop, Source, kit_for
from dsmil.sensors.pace import parse_speed
from dsmil.sensors.playback import Player, SharedPointer
from dsmil.sensors.record import Parser
from dsmil.sensors.rounds import Shelf
from dsmil.sensors.source import Kit, LiveSource
from dsmil.sensors.stamp import live_origin
from dsmil.sensors.supply import DropSupply, FileSource, PathSupply, Supply
from dsmil.sensors.udp import Udp, given, names, shown


class Setting(Struct, frozen=True, kw_only=True):
    """What one ingest daemon is. `families` are its kinds of files, the first for what no sniffer knows;
    `live` makes its network sources; `player` the pace of its recordings."""

    name: str
    families: tuple[str, ...]
    live: Callable[[Settings, Kit, Ledger], list[Source]]
    drop: Callable[[Settings], bool]
    options: Callable[[Settings], Mapping[str, Mapping[str, Any]]]
    speed: Callable[[Settings], str] | None = None


class UdpPort(Struct, frozen=True, kw_only=True):
    """A UDP port of a daemon: its source's `family`, the configured `address` (empty: off), and under which name
    which socket `unit` passes it."""

    family: str
    address: str
    passed_as: str
    unit: str


class Asked(Struct, frozen=True, kw_only=True):
    """The command line: files to read, whether to end after them, how to play them, and which of several daemons
    of one kind this is."""

    instance: str = ""
    files: tuple[Path, ...] = ()
    once: bool = False
    rounds: int = 1
    again: bool = False
    speed: str | None = None


def run(setting: Setting, argv: Sequence[str] | None = None) -> int:
    """Be that daemon; returns the exit code."""
    asked = _asked(setting, argv)
    if asked.instance and not is_instance(asked.instance):
        wrong = ConfigError(
            f"start {setting.name} as instance {asked.instance!r}: not a name for one",
            hint="1 to 32 of a-z, 0-9 and -",
        )
        return refuse(setting.name, wrong)
    return start(full_name(setting.name, asked.instance), lambda settings: build(setting, settings, asked))


def udp_sources(port: UdpPort, parser: Callable[[], Parser], kit: Kit) -> list[Source]:
    """The sockets systemd passed for that port; else the one we open at its address; else none."""
    taken = given(all_passed(port.passed_as), clock=kit.clock, unit=port.unit)
    at = split_address(port.address)
    if taken and at is not None and at not in {udp.address for udp in taken}:
        used = " ".join(shown(udp.address) for udp in taken)
        mend = f"systemctl edit {port.unit}"
        logs.get().warning("address_is_the_socket_units", configured=port.address, used=used, mend=mend)
    found = taken or ([Udp(*at, clock=kit.clock)] if at is not None else [])
    return [
        LiveSource(live_origin(name, kit.speaker.run, device=kit.device), udp, parser, kit=kit)
        for name, udp in zip(names(port.family, found), found, strict=True)
    ]


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
    name = full_name(setting.name, asked.instance)
    wire = wire_of(settings, name)
    site = _Site(
        setting=setting,
        settings=settings,
        asked=asked,
        wire=wire,
        kit=kit_for(wire, voice=name, device=BY_NAME[setting.name].device),
        ledger=Ledger(settings.paths.ingest_db, clock=SYSTEM),
    )
    # The drop folders belong to the daemon itself: two takers would fight over each file.
    folders = [] if asked.once or asked.instance or not setting.drop(settings) else _folders(site)
    sources = [*_files(site), *([] if asked.once else setting.live(settings, site.kit, site.ledger))]
    sources += [_file_source(site, family, DropSupply(folder)) for family, folder in folders]
    loop = Loop(sources, site.kit, finished=_stop_ourselves if asked.once else None)
    parts: list[Part] = [site.ledger, wire, *(folder for _, folder in folders)]
    metrics = Metrics(name)
    metrics.watch(lambda: gauges.sources(metrics, loop.sources))
    return assemble(settings, name, loop, hot=hot_of(settings, metrics), metrics=metrics, parts=parts)


def _asked(setting: Setting, argv: Sequence[str] | None) -> Asked:
    words = sys.argv[1:] if argv is None else argv
    if not words:
        return Asked()
    import argparse  # noqa: PLC0415 - a restart, which has no arguments, is to be quick

    parser = argparse.ArgumentParser(prog=f"dsmil-{setting.name}", description=f"Reads {setting.families}.")
    parser.add_argument("files", nargs="*", type=Path, help="files to ingest first")
    parser.add_argument("--once", action="store_true", help="end after them; open no other source")
    parser.add_argument("--again", action="store_true", help="ingest known content again, as a new round")
    parser.add_argument("--instance", default="", metavar="NAME", help="be one more of its kind, so named")
    parser.add_argument("--speed", help="0.1 to 1000 times the recordings' pace, or max")
    if setting.speed is not None:
        parser.add_argument("--loop", dest="rounds", type=int, default=1, help="rounds to play; 0 for ever")
    asked = parser.parse_args(words)
    return Asked(
        instance=asked.instance,
        files=tuple(asked.files),
        once=asked.once,
        again=asked.again,
        rounds=max(0, getattr(asked, "rounds", 1)),
        speed=asked.speed,
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
    leads = leads and not site.asked.instance
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
