"""Does every record come out somewhere? The files are read a second time, and the audit is held against them.

What the daemons counted stands in the `source.stats` event each file ends with; what should be in the audit is
reckoned here, from the same bytes, by ids that depend on nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from dsmil.events import ids
from dsmil.events.ais import Position, Static
from dsmil.events.net import Alert, Flow, Host, Ports
from dsmil.events.source import SourceStats
from dsmil.fabric.topology import BY_NAME
from dsmil.sensors.files import Broken, hashing, open_regular
from dsmil.sensors.reading import Reading
from dsmil.sensors.record import Observation, Tally
from dsmil.sensors.stamp import Stamper, file_origin, source_name
from dsmil.store.reader import AuditReader

Options = Mapping[str, Mapping[str, Any]]


class Input(Struct):
    """What became of one family's files: records by fate."""

    files: int = 0
    received: int = 0
    accepted: int = 0
    rejected: dict[str, int] = {}
    ignored: int = 0

    def add(self, counts: Tally | SourceStats) -> None:
        """Add one file's counts."""
        self.files += 1
        self.received += counts.received
        self.accepted += counts.accepted
        self.ignored += counts.ignored
        for reason, number in counts.rejected.items():
            self.rejected[reason] = self.rejected.get(reason, 0) + number


class Sums(Struct):
    """The outcome: inputs by family as the daemons counted them, what is missing, and where both disagree. `named`
    holds, by kind, what the files themselves call by a name of its own: ships by MMSI, hosts by address."""

    inputs: dict[str, Input] = {}
    named: dict[str, set[str]] = {}
    lost: int = 0
    lost_ids: list[str] = []
    disagree: list[str] = []


class Stamping(Struct, frozen=True):
    """What a daemon reads a file with."""

    options: Options
    device: int


NAMED = ("vessel", "host")
"""Kinds of nodes whose number the files themselves tell."""
AIRCRAFT = 9


class _EventId(Struct):
    event_id: str


class _Payload(Struct):
    payload: msgspec.Raw


LOST_NAMED = 20
"""Missing ids that are listed; their number is always told."""


def reckon(
    files: Mapping[str, Sequence[Path]], audit: AuditReader, options: Options, daemon_of: Mapping[str, str]
) -> Sums:
    """Read all `files` again and look for each of their events in the audit."""
    kept = set(audit.event_ids())
    sums = Sums(inputs={family: Input() for family in files}, named={kind: set() for kind in NAMED})
    seen: set[str] = set()
    for family, paths in files.items():
        for path in paths:
            device = BY_NAME[daemon_of[family]].device
            sha256, tally, wanted = _read(path, family, Stamping(options, device), sums.named)
            told = _told(audit, sha256)
            sums.inputs[family].add(told if told is not None else tally)
            if told is None and sha256 not in seen:
                sums.disagree.append(f"{path}: no daemon has told its sums")
            elif told is not None and (told.received, told.accepted) != (tally.received, tally.accepted):
                sums.disagree.append(
                    f"{path}: daemon counted {told.received} received, {told.accepted} accepted; "
                    f"reading again gives {tally.received}, {tally.accepted}"
                )
            seen.add(sha256)
            missing = [one for one in wanted if one not in kept]
            sums.lost += len(missing)
            sums.lost_ids += missing[: LOST_NAMED - len(sums.lost_ids)]
    return sums


def _read(
    path: Path, family: str, stamping: Stamping, named: dict[str, set[str]]
) -> tuple[str, Tally, list[str]]:
    """(sha256, counts, the ids of its events) of one file, as its daemon must have made them; adds to `named`."""
    tally, wanted = Tally(), []
    try:
        with open_regular(path) as file:
            sha256 = next(digest for digest in hashing(file) if digest)
            origin = file_origin(source_name(family, path.name), sha256, device=stamping.device)
            stamper = Stamper(origin)
            for item in Reading(file, family, path.name, path=path, options=stamping.options):
                made = stamper.stamp(item, now_s=0.0) if isinstance(item, Observation) else item
                if isinstance(made, bytes):
                    tally.add(item)
                    if isinstance(item, Observation):
                        _name(item.payload, named)
                    wanted.append(msgspec.json.decode(made, type=_EventId).event_id)
                else:
                    tally.add(made)
    except Broken as error:
        tally.rejected[error.reason.value] = tally.rejected.get(error.reason.value, 0) + 1
        return "", tally, wanted
    return sha256, tally, wanted


def _told(audit: AuditReader, sha256: str) -> SourceStats | None:
    """The sums the daemon told at the end of that file."""
    row = audit.find(ids.digest("stats", sha256, "0"))
    if row is None:
        return None
    return msgspec.json.decode(msgspec.json.decode(row.data, type=_Payload).payload, type=SourceStats)


def _name(payload: Struct, named: dict[str, set[str]]) -> None:
    """Whom an accepted record is about: the sender of a ship's message, the addresses of hosts."""
    if isinstance(payload, Position | Static):
        if payload.msg_type != AIRCRAFT:
            named["vessel"].add(str(payload.mmsi))
    elif isinstance(payload, Host | Ports):
        named["host"].add(payload.ip)
    elif isinstance(payload, Flow | Alert):
        named["host"].update(filter(None, (payload.src_ip, payload.dst_ip)))


def compare(nodes: Mapping[str, int], named: Mapping[str, set[str]]) -> list[str]:
    """Where the graph's nodes by kind are not those the files name."""
    return [
        f"the graph has {nodes.get(kind, 0)} nodes of kind {kind}, the files name {len(names)}"
        for kind, names in named.items()
        if nodes.get(kind, 0) != len(names)
    ]


class _Decided(Struct):
    decision: str


class _Severity(Struct):
    kind: str = ""
    severity: str = "LOW"
    payload: msgspec.Raw = msgspec.Raw(b"{}")


def decisions(audit: AuditReader) -> dict[str, int]:
    """How often each decision was made, from the audit of L3_OUT and L4_OUT."""
    names: Counter[str] = Counter()
    for stream in ("L3_OUT", "L4_OUT"):
        for row in audit.rows(stream):
            event = msgspec.json.decode(row.data, type=_Severity)
            if event.kind == "decision":
                names[msgspec.json.decode(event.payload, type=_Decided).decision] += 1
    return dict(sorted(names.items()))


def soc_events(audit: AuditReader) -> dict[str, int]:
    """SOC events by severity, from the audit of SOC_EVENTS."""
    severities: Counter[str] = Counter()
    for row in audit.rows("SOC_EVENTS"):
        event = msgspec.json.decode(row.data, type=_Severity)
        if event.kind == "soc":
            severities[event.severity] += 1
    return dict(severities)
