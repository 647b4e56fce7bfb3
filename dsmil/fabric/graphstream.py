"""GRAPH_EVENTS as its owner and its readers see it: its making, its numbers, and whether it is still the one it was.

Its ids are `0-<sequence>`, one apart from the next, for as long as Redis loses nothing. The projector alone makes it:
groups, first number and epoch in one transaction, so whoever finds the epoch finds the rest. After a loss the numbers
go on at the next million: a number is never given to two events that anybody may have seen.
"""

from __future__ import annotations

from typing import Any, cast

from msgspec import Struct

from dsmil.errors import Unavailable
from dsmil.events.enums import StreamName
from dsmil.fabric.feed import epoch_key, fresh_epoch
from dsmil.fabric.loss import LOSS_KEY, LOSS_MAX, Loss, encode_loss
from dsmil.fabric.pressure import EPOCH_KEY
from dsmil.fabric.topology import groups_of
from dsmil.fabric.wire import Command, Wire, WireError, checked

STREAM = StreamName.GRAPH_EVENTS
STRIDE = 1_000_000
"""After a loss the numbers go on at the next multiple: what was lost was less, and it shows."""


class Standing(Struct, frozen=True):
    """How the stream stands: its epoch (empty: nobody has made it), the number given last, and the first number that
    is still there (0: none is)."""

    epoch: str
    last: int
    first: int


def look(wire: Wire) -> Standing:
    """Ask how the stream stands. Unavailable: Redis is away, somebody has added an entry by an id of his own, or put
    something else in the stream's place. Something else in place of the epoch is none: making the stream mends it."""
    epoch, about, oldest = wire.pipeline(
        [("GET", EPOCH_KEY), ("XINFO", "STREAM", STREAM.value), ("XRANGE", STREAM.value, "-", "+", "COUNT", 1)]
    )
    if _other(about):
        raise Unavailable(f"read {STREAM}: it is no stream", hint=f"redis-cli RENAME {STREAM} old")
    if isinstance(about, WireError) and not about.away:
        return Standing("", 0, 0)
    facts, rows = cast(list[Any], checked(about)), cast(list[Any], checked(oldest))
    newest = facts[facts.index(b"last-generated-id") + 1]
    if not newest.startswith(b"0-"):
        raise Unavailable(
            f"read {STREAM}: its last id, {newest.decode()}, is none of ours",
            hint=f"redis-cli RENAME {STREAM} old",
        )
    found = b"" if _other(epoch) else cast(bytes | None, checked(epoch)) or b""
    return Standing(found.decode(), number_of(newest), number_of(rows[0][0]) if rows else 0)


def create(wire: Wire, *, now: float, known: int = 0, why: str = "") -> Standing:
    """Make the stream, or let it go on at the next million above `known` and what it holds, with a loss record that
    says `why`. A stream of which nothing is known begins at 0."""
    before = look(wire)
    highest = max(known, before.last)
    start = (highest // STRIDE + 1) * STRIDE if highest else 0
    epoch = fresh_epoch()
    groups = groups_of(STREAM)
    commands: list[Command] = [("XGROUP", "CREATE", STREAM.value, group, "0", "MKSTREAM") for group in groups]
    commands += [
        ("XSETID", STREAM.value, f"0-{start}"),
        ("SET", epoch_key(STREAM), epoch),
        ("SET", EPOCH_KEY, epoch),
    ]
    if start:
        loss = Loss(
            ts=now, kind="graph_renumbered", group="projector", stream=STREAM.value, first_id=f"0-{highest}",
            last_id=f"0-{start}", detail=why,
        )  # fmt: skip
        commands += [("LPUSH", LOSS_KEY, encode_loss(loss)), ("LTRIM", LOSS_KEY, 0, LOSS_MAX - 1)]
    for reply in wire.transaction(commands):
        if not (isinstance(reply, WireError) and reply.code == "BUSYGROUP"):
            checked(reply)
    return Standing(epoch, start, before.first)


def follows(sequence: int, before: int) -> bool:
    """Whether a number may come right after another: the next one, or the first one after a loss."""
    return sequence == before + 1 or (sequence > before and sequence % STRIDE == 1)


def sequence_of(entry_id: str) -> int:
    """The number in an id `0-<sequence>`."""
    return int(entry_id.partition("-")[2])


def number_of(entry_id: bytes) -> int:
    """`sequence_of` an id as Redis gives it."""
    return int(entry_id.partition(b"-")[2])


def _other(reply: object) -> bool:
    return isinstance(reply, WireError) and reply.code == "WRONGTYPE"
