"""One file from its hash to its last event, a bounded turn of the loop at a time.

Known content is refused whole; a playback is held to its pace and to the operators' pointer; a seek ends the
round and begins another, so that what was played before keeps its ids and counters.
"""

from __future__ import annotations

from msgspec import Struct

from dsmil.sensors.files import Broken, hashing
from dsmil.sensors.ledger import Mark
from dsmil.sensors.playback import LOOK_EVERY_S, Player
from dsmil.sensors.record import Ignored, Item, Observation, Reason
from dsmil.sensors.rounds import Found, Round, Shelf, offset_of
from dsmil.sensors.source import Kit
from dsmil.sensors.stats import Counts

ITEMS_MAX = 1024
"""Items of one turn of the loop: two batches, some 40 ms."""


class Outcome(Struct, kw_only=True):
    """What became of a file: records by fate. `duplicate` says the whole file was refused as known."""

    path: str
    received: int = 0
    accepted: int = 0
    rejected: dict[str, int] = {}
    ignored: int = 0
    events: int = 0
    duplicate: bool = False
    error: str | None = None

    def add(self, counts: Counts | Outcome) -> None:
        """Add a round's counts, or another file's."""
        self.received += counts.received
        self.accepted += counts.accepted
        self.ignored += counts.ignored
        self.events += counts.events
        for reason, number in counts.rejected.items():
            self.rejected[reason] = self.rejected.get(reason, 0) + number

    def refuse(self, reason: Reason, error: str) -> None:
        """The file as a whole is one rejected record."""
        self.received += 1
        self.rejected[reason.value] = self.rejected.get(reason.value, 0) + 1
        self.error = error


class Recording:
    """Ingests one found file. `pump` until `ended`, then see `outcome`; `put_away` once the file is."""

    def __init__(self, found: Found, shelf: Shelf, kit: Kit) -> None:
        self.ended = False
        self.outcome = Outcome(path=found.path)
        self._found = found
        self._shelf = shelf
        self._kit = kit
        self._hashing = hashing(found.file)
        self._sha256 = ""
        self._mark: Mark | None = None
        self._round: Round | None = None
        self._held: Item | None = None
        self._until_s = 0.0  # monotonic: nothing to do before
        self._skip_to: float | None = None  # the event time a seek asked for

    def due_s(self) -> float:
        """Seconds until it wants its next turn."""
        return max(0.0, self._until_s - self._kit.clock.monotonic())

    def pump(self) -> int:
        """One turn; returns how many items were settled. What they became is in the outbox."""
        if self._round is None:
            if self._mark is None and not self.ended:
                self._hash()
            return 0
        player = self._shelf.player
        self._until_s = 0.0
        if player is None:
            return self._read(self._round)
        player.look()
        if not player.playing:
            self._until_s = self._kit.clock.monotonic() + LOOK_EVERY_S
            return 0
        if (seek := player.take_seek()) is not None:
            self._seek(self._round, seek)
        return self._play(self._round, player)

    def tell(self) -> None:
        """Say how it stands."""
        if self._round is not None:
            self._round.intake.tell()

    def put_away(self) -> None:
        """Its file lies where it belongs: nothing is left to do for it."""
        if self._mark is not None:
            self._shelf.ledger.finish(self._mark)

    def close(self) -> None:
        """Let the file go; an unfinished round stays open in the ledger."""
        self._found.file.close()

    def _hash(self) -> None:
        # Kept, for the ledger or the pointer may be away and then the next turn tries to begin again.
        if self._sha256:
            self._begin(self._sha256)
            return
        try:
            self._sha256 = next(self._hashing, "")
        except Broken as error:
            self.outcome.refuse(error.reason, str(error))
            self._end()

    def _begin(self, sha256: str) -> None:
        mark = self._next_mark(sha256, new=self._found.which == "next")
        if mark.ingested and self._found.which == "first":
            self._mark = mark
            # Out but not put away: a crash came between. That is no duplicate, only unfinished.
            if mark.state == "done":
                self.outcome.duplicate = True
                why = f"ingest {self._found.path}: the same content has been ingested before"
                self.outcome.refuse(Reason.DUPLICATE, why)
            self._end()
            return
        if self._shelf.player is not None:
            self._shelf.player.begin()
        self._round = Round(self._found, self._shelf, self._kit, mark=mark)

    def _next_mark(self, sha256: str, *, new: bool) -> Mark:
        ledger, family = self._shelf.ledger, self._shelf.family
        last = ledger.last_loop(sha256, family)
        return ledger.begin(sha256, family, path=self._found.path, loop=last + 1 if new else max(last, 0))

    def _seek(self, old: Round, ts: float) -> None:
        mark = self._next_mark(old.mark.sha256, new=True)
        self.outcome.add(old.intake.counts)
        old.finish()
        self._round = Round(self._found, self._shelf, self._kit, mark=mark)
        self._held, self._skip_to = None, ts

    def _read(self, reading: Round) -> int:
        settled, offset, take = 0, 0, reading.intake.take
        while settled < ITEMS_MAX:
            item = reading.next()
            if item is None:
                self._finish(reading)
                return settled
            take(item)
            settled += 1
            offset = offset_of(item) or offset
        reading.advance(offset)
        return settled

    def _play(self, reading: Round, player: Player) -> int:
        settled, offset, intake = 0, 0, reading.intake
        intake.arrived()  # what waited for its time comes in now
        while settled < ITEMS_MAX:
            item = self._held or reading.next()
            self._held = None
            if item is None:
                player.end()
                self._finish(reading)
                return settled
            if isinstance(item, Observation):
                if self._skips(item):
                    item = Ignored(records=item.records)
                elif not intake.resuming and (wait_s := player.wait_s(item.ts)):
                    self._held = item
                    self._until_s = self._kit.clock.monotonic() + min(wait_s, LOOK_EVERY_S)
                    break
                else:
                    player.passed(item.ts)
            intake.take(item)
            settled += 1
            offset = offset_of(item) or offset
        reading.advance(offset)
        return settled

    def _skips(self, item: Observation) -> bool:
        """Whether a seek leaves this one out; the first at or after the wanted time ends it."""
        if self._skip_to is None or item.ts is None:
            return self._skip_to is not None
        if item.ts >= self._skip_to:
            self._skip_to = None
            return False
        return True

    def _finish(self, reading: Round) -> None:
        self.outcome.add(reading.intake.counts)
        self.outcome.error = reading.error
        reading.finish()
        self._mark, self._round = reading.mark, None
        self._kit.outbox.after((id(self), "end"), self._end)

    def _end(self) -> None:
        self.ended = True
        self.close()
