"""The writing side of a group: commits on their way, those whose outcome is unknown, burials and loss records.

After a lost connection nobody knows whether the last transaction was carried out. The old connection is killed,
so that it can do nothing late; then an entry of that transaction tells: still pending means it was not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from msgspec import Struct

from dsmil.clock import Clock
from dsmil.errors import ConfigError
from dsmil.events.enums import StreamName
from dsmil.fabric.deadletter import DeadLetter, encode_letter, with_data
from dsmil.fabric.entry import Output
from dsmil.fabric.feed import Place
from dsmil.fabric.frame import Commit, failures_key
from dsmil.fabric.loss import LOSS_KEY, LOSS_MAX, Loss, encode_loss
from dsmil.fabric.pressure import Gate
from dsmil.fabric.topology import BY_NAME
from dsmil.fabric.wire import Wire, WireError, checked, outcome


class Flight(Struct):
    """Commands sent whose replies are still to come: perhaps a commit, perhaps a read ahead."""

    commit: Commit | None
    replies: int
    ahead: bool


class Outbox:
    """Sends what a consumer has decided. One flight at a time."""

    def __init__(
        self, wire: Wire, *, group: str, gate: Gate, clock: Clock, on_loss: Callable[[Loss], None] | None
    ) -> None:
        self._wire = wire
        self._group = group
        self._gate = gate
        self._clock = clock
        self._on_loss = on_loss
        self._flight: Flight | None = None
        self._unsettled: list[Commit] = []
        self._losses: list[Loss] = []
        self._client_id = 0
        self.failures: dict[str, int] = {}
        self.published = 0
        self.buried = 0
        self.losses = 0
        self.missed_acks = 0
        self.unrouted = 0

    def counts(self) -> dict[str, int]:
        """What left, what was given up, and what went missing."""
        return {
            "published": self.published, "dead_letters": self.buried, "losses": self.losses,
            "missed_acks": self.missed_acks, "unrouted": self.unrouted,
        }  # fmt: skip

    @property
    def flying(self) -> bool:
        """Whether replies are still to come."""
        return self._flight is not None

    def send(self, commit: Commit | None, ahead: bytes = b"") -> None:
        """Write a commit and, where given, the packed read that follows it, in one go."""
        assert self._flight is None, "one flight at a time"
        packed, replies = commit.packed(self._group) if commit else (b"", 0)
        self._flight = Flight(commit, replies, bool(ahead))
        self._wire.send(packed + ahead)
        self._client_id = self._wire.client_id

    def collect(self) -> tuple[bool, object]:
        """Take the replies of the flight, if one is out: whether it held a read, and the reply of that."""
        flight = self._flight
        if flight is None:
            return False, None
        if flight.commit is None:
            replies = self._wire.receive(1)
        else:
            replies = self._answered(flight.commit, flight.replies, ahead=flight.ahead)
        self._flight = None
        return flight.ahead, replies[-1]

    def _answered(self, commit: Commit, count: int, *, ahead: bool = False) -> list[object]:
        """Take the replies of a commit and of a read that followed it, and note what the commit came to."""
        if commit.plain:
            replies = self._wire.receive(count + ahead)
            self._carried_out(commit, [checked(reply) for reply in replies[:count]])
        else:
            replies = self._wire.receive(2 + ahead, queued=count - 2)
            self._carried_out(commit, outcome(replies[: len(replies) - ahead]))
        return replies

    def abandon(self) -> None:
        """The connection is of no use any more: keep what it may or may not have carried out."""
        if self._flight is not None and self._flight.commit is not None:
            self._unsettled.append(self._flight.commit)
        self._flight = None
        self._wire.close()

    def look(self) -> None:
        """Make sure that every stream we might write to is one: ConfigError names a key that stands in its way.

        Inside a transaction it would be too late: Redis carries out the acknowledgement all the same. StreamUnmade
        where one that others make is not there, and a commit of unknown outcome may have to be sent again.
        """
        self._gate.doubt()
        if self._unsettled:
            self._gate.look_for_unmade(self._wire)
        ours = BY_NAME.get(self._group)  # what others write, we may not even ask for
        streams = (*ours.writes, StreamName.DEAD_LETTER) if ours else tuple(StreamName)
        lengths = self._wire.pipeline([("XLEN", stream.value) for stream in streams])
        for stream, reply in zip(streams, lengths, strict=True):
            if isinstance(reply, WireError) and reply.code == "WRONGTYPE":
                raise ConfigError(
                    f"write to stream {stream}: the key holds something else",
                    hint=f"redis-cli RENAME {stream} old",
                )
            if isinstance(reply, WireError) and reply.away:
                checked(reply)

    @property
    def unsettled(self) -> int:
        """Commits of which nobody knows whether they were carried out."""
        return len(self._unsettled)

    def settle(self, places: Mapping[StreamName, Place], *, redo: bool = False) -> None:
        """Find out what became of unknown commits, and send again those that were not carried out. `redo`: they
        are let go, because the handler is set back and makes them again."""
        if self._unsettled:
            self._kill_former()
        if redo:
            self._unsettled.clear()
        while self._unsettled:
            commit = self._unsettled[0]
            stream, entry_id = commit.probe()
            held = self._wire.call("XPENDING", stream.value, self._group, entry_id, entry_id, 1)
            # In a group just made anew nothing is pending. Sending twice is mended by event id; silence is not.
            if held or (stream in places and places[stream].created):
                packed, replies = commit.packed(self._group)
                self._wire.send(packed)
                self._answered(commit, replies)
            else:
                self.published += len(commit.outputs)
            del self._unsettled[0]

    def bury(self, letter: DeadLetter, data: bytes) -> None:
        """Move an entry to DEAD_LETTER: added there and acknowledged here, or neither."""
        assert self._flight is None
        stream = StreamName(letter.stream)
        buried = encode_letter(with_data(letter, data), now=self._clock.now())
        commit = Commit({stream: [letter.id]}, [Output(StreamName.DEAD_LETTER, buried)])
        commit.cleared = self.cleared(stream, letter.id)
        self.send(commit)
        self.collect()
        self.buried += 1

    def acknowledge(self, stream: StreamName, entry_id: str) -> None:
        """Let go of an entry that is not there any more."""
        self._wire.call("XACK", stream.value, self._group, entry_id)

    def count_failure(self, stream: StreamName, entry_id: str) -> int:
        """One more failure of an entry alone; kept in Redis, so a restart forgets none."""
        field = f"{stream.value}/{entry_id}"
        count = cast(int, self._wire.call("HINCRBY", failures_key(self._group), field, 1))
        self.failures[field] = count
        return count

    def load_failures(self) -> None:
        """Read the failures counted before this process began."""
        flat = cast(list[Any], self._wire.call("HGETALL", failures_key(self._group)))
        self.failures = {name.decode(): int(count) for name, count in zip(flat[::2], flat[1::2], strict=True)}

    def cleared(self, stream: StreamName, entry_id: str) -> tuple[str, ...]:
        """The failure count that ends with this entry, if it has one."""
        field = f"{stream.value}/{entry_id}"
        return (field,) if self.failures.pop(field, 0) else ()

    def lose(self, loss: Loss) -> None:
        """Take a loss on record; it is told at once and stored by the next `report`."""
        self.losses += 1
        self._losses.append(loss)
        if self._on_loss is not None:
            self._on_loss(loss)

    def report(self) -> None:
        """Store the losses on record."""
        if self._losses:
            self._wire.pipeline(
                [("LPUSH", LOSS_KEY, *map(encode_loss, self._losses)), ("LTRIM", LOSS_KEY, 0, LOSS_MAX - 1)]
            )
            self._losses.clear()

    def _carried_out(self, commit: Commit, answers: list[object]) -> None:
        count, targets = len(commit.outputs), commit.targets
        if count and set(map(type, answers[:count])) != {bytes}:
            self._not_added(commit, answers)
        for stream, length in zip(targets, answers[count:], strict=False):
            self._gate.note(stream, length)
        acked = answers[count + len(targets) :]
        for ids, number in zip(commit.acks.values(), acked, strict=False):
            self.missed_acks += len(ids) - number if isinstance(number, int) else 0
        self.published += count

    def _not_added(self, commit: Commit, answers: list[object]) -> None:
        for output, answer in zip(commit.outputs, answers, strict=False):
            if isinstance(answer, WireError):
                self._refused(output, answer)
            if answer is None:
                self._unrouted(output)
        self.report()

    def _unrouted(self, output: Output) -> None:
        """Its stream went away between the look and the transaction, which acknowledged its inputs all the same."""
        self.unrouted += 1
        self._gate.doubt()
        self.lose(
            Loss(
                ts=self._clock.now(), kind="output_unrouted", group=self._group, stream=output.stream,
                detail="the stream was not there", count=1,
            )
        )  # fmt: skip

    def _refused(self, output: Output, answer: WireError) -> None:
        self._flight = None
        self.lose(
            Loss(
                ts=self._clock.now(), kind="output_refused", group=self._group, stream=output.stream,
                detail=str(answer), count=1,
            )
        )  # fmt: skip
        self.report()
        checked(answer)

    def _kill_former(self) -> None:
        """Make sure that the former connection carries out nothing late. Its id may by now be another's after a
        restart of Redis, so its name is asked first."""
        self._wire.call("PING")
        if self._client_id in (0, self._wire.client_id):
            return
        found = self._wire.pipeline([("CLIENT", "LIST", "ID", self._client_id)])[0]
        if isinstance(found, bytes) and b" name=%b " % self._wire.name.encode() in found:
            self._wire.pipeline([("CLIENT", "KILL", "ID", self._client_id)])
