"""The reading side of a group: its place on each stream, what it holds unacknowledged, and what is new.

Groups are made at id 0, so what was published before a daemon first ran is read too. Looking at one's own
pending entries goes by XPENDING and XRANGE, which count no delivery: only a start of the process counts one,
so delivery counts tell crashes and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, cast

from msgspec import Struct

from dsmil.events.enums import StreamName
from dsmil.fabric.entry import ZERO, Batch, id_key, order, parse, take
from dsmil.fabric.reply import OOM
from dsmil.fabric.topology import CREATED_BY_PROJECTOR
from dsmil.fabric.wire import Command, Wire, WireError, checked, pack

SUSPECT_DELIVERIES = 3
"""From so many starts on, a batch may hold an entry that kills the process: entries are then read one by one."""
CLAIM_MAX = 200
"""Entries claimed of one stream at a time."""


class Place(Struct, frozen=True):
    """What is known of a stream: its random identity, its last id, and whether the group was just made."""

    epoch: str
    last_id: str
    created: bool = False


class Pending(Struct):
    """Own unacknowledged entries in one order, with the starts of this daemon each has outlived."""

    batch: Batch
    deliveries: int = 0
    alone: bool = False


class Feed:
    """Reads for one consumer `name` of `group`."""

    def __init__(self, wire: Wire, *, group: str, name: str, streams: Sequence[StreamName], batch: int) -> None:
        self._wire = wire
        self._group = group
        self._name = name
        self._streams = tuple(streams)
        self._batch = batch
        self.live: tuple[StreamName, ...] = ()
        self.ask = b""

    def ensure(self) -> dict[StreamName, Place]:
        """Make streams, identities, groups and the consumer where they are missing; say what stands.

        A stream that only the projector may create is left out until it exists.
        """
        owned = [stream for stream in self._streams if stream in CREATED_BY_PROJECTOR]
        there = self._wire.pipeline([("EXISTS", stream.value) for stream in owned]) if owned else []
        absent = {stream for stream, found in zip(owned, there, strict=True) if checked(found) != 1}
        self.live = tuple(stream for stream in self._streams if stream not in absent)
        commands = [command for stream in self.live for command in self._making(stream)]
        answers = iter(self._wire.pipeline(commands))
        found = {stream: [next(answers) for _ in range(5)] for stream in self.live}
        # Between the look and now its owner's stream may have gone: it is left out until it is there again.
        gone = {stream for stream in owned if stream in found and _missing(found[stream][1])}
        self.live = tuple(stream for stream in self.live if stream not in gone)
        self.ask = self._reading()
        return {stream: _place(found[stream]) for stream in self.live}

    def read(self, timeout_s: float) -> object:
        """Wait for new entries; the reply of XREADGROUP, or a `WireError`."""
        if not self.live:
            return None
        self._wire.send(self._reading(block_ms=max(1, int(timeout_s * 1000))))
        return self._wire.receive(1, extra_s=timeout_s)[0]

    def pending(self, *, count_start: bool) -> Pending | None:
        """The first of our own unacknowledged entries; None where there are none.

        `count_start` adds one to their delivery counts: done once per entry and process. Suspects come alone.
        """
        rows = sorted(row for stream in self.live for row in self._listed(stream))[: self._batch]
        if not rows:
            return None
        alone = max(row[2] for row in rows) >= SUSPECT_DELIVERIES
        rows = rows[:1] if alone else rows
        names = {stream.value: stream for stream in self.live}
        if count_start:
            self._count_start([(names[row[1]], row[3]) for row in rows])
        batch = Batch()
        found = self._wire.pipeline([("XRANGE", row[1], row[3], row[3]) for row in rows])
        for row, reply in zip(rows, found, strict=True):
            take(batch, names[row[1]], cast(list[Any], checked(reply)) or [[row[3].encode(), None]])
        batch.entries.sort(key=order)
        return Pending(batch, deliveries=rows[0][2], alone=alone)

    def claim(self, idle_s: float) -> int:
        """Take over what other consumers of the group have left lying for `idle_s`; says how many."""
        taken = 0
        for stream in self.live:
            idle_ms = int(idle_s * 1000)
            head = (stream.value, self._group)
            rows = checked(self._wire.call("XPENDING", *head, "IDLE", idle_ms, "-", "+", CLAIM_MAX))
            left = [row[0] for row in cast(list[Any], rows) if row[1] != self._name.encode()]
            if left:
                got = checked(self._wire.call("XCLAIM", *head, self._name, idle_ms, *left, "JUSTID"))
                taken += len(cast(list[Any], got))
        return taken

    def deliveries(self, stream: StreamName, entry_id: str) -> int:
        """How often an entry was delivered; 0 where it is not pending."""
        rows = self._wire.call("XPENDING", stream.value, self._group, entry_id, entry_id, 1)
        return int(cast(list[Any], rows)[0][3]) if rows else 0

    def _making(self, stream: StreamName) -> list[Command]:
        name, epoch = stream.value, epoch_key(stream)
        make: Command = () if stream in CREATED_BY_PROJECTOR else ("MKSTREAM",)
        return [
            ("SET", epoch, fresh_epoch(), "NX"),
            ("XGROUP", "CREATE", name, self._group, "0", *make),
            ("XGROUP", "CREATECONSUMER", name, self._group, self._name),
            ("GET", epoch),
            ("XINFO", "STREAM", name),
        ]

    def _reading(self, block_ms: int = 0) -> bytes:
        names = [stream.value for stream in self.live]
        block: Command = ("BLOCK", block_ms) if block_ms else ()
        head: Command = ("XREADGROUP", "GROUP", self._group, self._name, "COUNT", self._batch, *block, "STREAMS")
        return pack((*head, *names, *(">" for _ in names)))

    def _listed(self, stream: StreamName) -> list[tuple[tuple[int, int], str, int, str]]:
        rows = self._wire.call("XPENDING", stream.value, self._group, "-", "+", self._batch, self._name)
        found = []
        for raw_id, _, _, deliveries in cast(list[Any], rows):
            entry_id = raw_id.decode()
            found.append((id_key(entry_id), stream.value, deliveries, entry_id))
        return found

    def _count_start(self, rows: list[tuple[StreamName, str]]) -> None:
        for stream in self.live:
            mine = [entry_id for owner, entry_id in rows if owner is stream]
            if mine:
                self._wire.call("XCLAIM", stream.value, self._group, self._name, 0, *mine)


def epoch_key(stream: StreamName) -> str:
    """Where the random identity of a stream stands: it changes when Redis has lost the stream."""
    return f"dsmil:epoch:{stream.value}"


def fresh_epoch() -> str:
    """A new random identity."""
    return os.urandom(16).hex()


def lost_group(reply: object) -> bool:
    """Whether a read failed because the stream or the group is gone."""
    return isinstance(reply, WireError) and reply.code in ("NOGROUP", "UNBLOCKED")


def _missing(reply: object) -> bool:
    return isinstance(reply, WireError) and reply.code == "ERR" and "key to exist" in str(reply)


def read_batch(reply: object) -> Batch:
    """The batch of a read; raises what the reply is if it is an error."""
    return parse(checked(reply))


def _place(answers: list[object]) -> Place:
    identity, group, consumer, epoch, info = answers
    # A Redis out of memory makes nothing; what stands already is good enough to go on.
    for made in (group, consumer) if epoch else (identity, group, consumer):
        if not (isinstance(made, WireError) and made.code in ("BUSYGROUP", OOM if epoch else "")):
            checked(made)
    facts = cast(list[Any], checked(info))
    last_id = facts[facts.index(b"last-generated-id") + 1].decode() if facts else ZERO
    return Place(cast(bytes, checked(epoch)).decode(), last_id, created=group == b"OK")
