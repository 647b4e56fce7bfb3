"""What becomes of entries a handler refuses: halves, attempts, and the move to DEAD_LETTER.

A batch that fails is cut in halves until the entry that fails is alone, so its neighbours are handled once and in
order. Failures are counted in Redis apart from deliveries, because a kill -9 counts a delivery and is nobody's
fault.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from dsmil.clock import Clock
from dsmil.config.streams import Streams
from dsmil.errors import BadEvent
from dsmil.fabric.backoff import BASE_S
from dsmil.fabric.deadletter import DeadLetter
from dsmil.fabric.entry import Bad, Batch, Entry
from dsmil.fabric.feed import Feed, Pending
from dsmil.fabric.loss import Loss
from dsmil.fabric.outbox import Outbox

DOUBLINGS_MAX = 6
"""An entry waits at most 3.2 s for its next attempt: those behind it wait too."""


class Part(Struct):
    """Entries to be handled together. `whole`: nothing between them was left out. `careful`: a retry.
    `not_before` is in monotonic seconds."""

    entries: list[Entry]
    whole: bool = True
    careful: bool = False
    not_before: float = 0.0


class Retry:
    """Decides what is tried again and buries what is not."""

    def __init__(  # noqa: PLR0913 - all but two are keywords
        self,
        feed: Feed,
        outbox: Outbox,
        *,
        group: str,
        settings: Streams,
        clock: Clock,
        on_bad: Callable[[Sequence[Bad]], None] | None = None,
    ) -> None:
        self._feed = feed
        self._outbox = outbox
        self._group = group
        self._settings = settings
        self._clock = clock
        self._on_bad = on_bad

    def after(self, part: Part, error: Exception) -> list[Part]:
        """The parts to handle next, in order, now that the handler raised `error` on this one."""
        entries = part.entries
        if len(entries) > 1:
            middle = len(entries) // 2
            return [Part(half, whole=part.whole, careful=True) for half in (entries[:middle], entries[middle:])]
        count = self._outbox.count_failure(entries[0].stream, entries[0].id)
        if isinstance(error, BadEvent) or count >= self._settings.attempts:
            self.bury(entries[0], f"{type(error).__name__}: {error}", failures=count)
            return []
        wait_s = BASE_S * 2.0 ** min(count, DOUBLINGS_MAX)
        return [Part(entries, whole=part.whole, careful=True, not_before=self._clock.monotonic() + wait_s)]

    def bury(self, entry: Entry | Bad, error: str, *, failures: int = 0) -> None:
        """Move one entry to DEAD_LETTER."""
        letter = DeadLetter(
            stream=entry.stream,
            id=entry.id,
            group=self._group,
            deliveries=self._feed.deliveries(entry.stream, entry.id),
            failures=failures,
            error=error,
        )
        self._outbox.bury(letter, entry.data)

    def given_up(self, held: Pending) -> bool:
        """Bury an entry that has ended too many starts of the process; true where it was one."""
        if not held.alone or held.deliveries < self._settings.crash_deliveries or not held.batch.entries:
            return False
        self.bury(held.batch.entries[0], f"the process died {held.deliveries} times over it")
        return True

    def unfit(self, batch: Batch) -> None:
        """Bury what is no event, and let go of what was trimmed before we read it: that is a loss."""
        if self._on_bad is not None and batch.bad:
            self._on_bad(batch.bad)
        for bad in batch.bad:
            if self._on_bad is not None:
                self._outbox.acknowledge(bad.stream, bad.id)
            else:
                self.bury(bad, bad.error)
        for stream, entry_id in batch.gone:
            self._outbox.lose(
                Loss(
                    ts=self._clock.now(), kind="trimmed_unread", group=self._group, stream=stream,
                    first_id=entry_id, last_id=entry_id, count=1,
                )
            )  # fmt: skip
            self._outbox.acknowledge(stream, entry_id)
        self._outbox.report()
