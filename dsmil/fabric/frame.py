"""Packed commands of the hot path: XADD with a fixed prefix, and a batch's outputs and acknowledgements in one.

`Commit` is the promise of exactly-once effects between streams: outputs, XACKs and the journal row of a batch
take effect together or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from dsmil.events.enums import StreamName
from dsmil.events.envelope import FIELD
from dsmil.fabric.entry import Output
from dsmil.fabric.topology import CREATED_BY_PROJECTOR
from dsmil.fabric.wire import EXEC, MULTI, Command, pack


def _prefix(stream: StreamName) -> bytes:
    # Never MAXLEN: trimming is the janitor's. Graph ids are dense, and only the projector makes that stream.
    words: Command = ("XADD", stream.value, "*", FIELD)
    if stream in CREATED_BY_PROJECTOR:
        words = ("XADD", stream.value, "NOMKSTREAM", "0-*", FIELD)
    body = pack(words)
    return b"*%d%b" % (len(words) + 1, body[body.index(b"\r\n") :])


_PREFIXES = {stream: _prefix(stream) for stream in StreamName}


def xadds(outputs: Iterable[tuple[StreamName, bytes]]) -> list[bytes]:
    """One packed XADD for each encoded event and its stream."""
    return [b"%b$%d\r\n%b\r\n" % (_PREFIXES[stream], len(data), data) for stream, data in outputs]


class Commit(Struct):
    """What one handled part of a batch does to Redis, atomically.

    `acks` are the ids per stream it settles, `row` its journal row, `cleared` the
    failure counts it ends; `targets` are the streams it publishes to.
    """

    acks: dict[StreamName, list[str]]
    outputs: Sequence[Output] = ()
    row: bytes | None = None
    cleared: tuple[str, ...] = ()
    targets: tuple[StreamName, ...] = ()

    def __post_init__(self) -> None:
        self.targets = tuple({output.stream for output in self.outputs})

    def probe(self) -> tuple[StreamName, str]:
        """One entry whose being pending tells that this was not carried out."""
        stream, ids = next(iter(self.acks.items()))
        return stream, ids[0]

    @property
    def plain(self) -> bool:
        """Whether it only acknowledges: then it is no transaction, which a Redis out of memory would refuse."""
        return not self.outputs and self.row is None and not self.cleared

    def packed(self, group: str) -> tuple[bytes, int]:
        """The bytes of the transaction, and how many replies it brings."""
        if self.plain:
            frames = [pack(command) for command in self._commands(group)]
            return b"".join(frames), len(frames)
        frames = [MULTI]
        frames += xadds((output.stream, output.data) for output in self.outputs)
        frames += [pack(command) for command in self._commands(group)]
        frames.append(EXEC)
        return b"".join(frames), len(frames)

    def _commands(self, group: str) -> list[Command]:
        commands: list[Command] = [("XLEN", stream.value) for stream in self.targets]
        commands += [("XACK", stream.value, group, *ids) for stream, ids in self.acks.items()]
        if self.row is not None:
            commands.append(("RPUSH", journal_key(group), self.row))
        if self.cleared:
            commands.append(("HDEL", failures_key(group), *self.cleared))
        return commands


def journal_key(group: str) -> str:
    """The list of a stateful group's handled batches."""
    return f"dsmil:journal:{group}"


def failures_key(group: str) -> str:
    """The hash of failures per entry, counted apart from deliveries."""
    return f"dsmil:fail:{group}"
