"""Whether a stream is still the one it was: the signs that Redis has lost something.

Each stream has a random identity beside it. A flush, an older backup or a power cut shows as another identity, or
as a last id that went backwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dsmil.clock import Clock
from dsmil.events.enums import StreamName
from dsmil.fabric.entry import id_key
from dsmil.fabric.feed import Place
from dsmil.fabric.loss import Loss


class Watch:
    """Remembers the streams of a group as they were last seen; tells `lose` of what that proves lost."""

    def __init__(
        self, *, group: str, clock: Clock, lose: Callable[[Loss], None], seen: Mapping[StreamName, Place]
    ) -> None:
        self._group = group
        self._clock = clock
        self._lose = lose
        self.seen: dict[StreamName, Place] = dict(seen)

    @property
    def epochs(self) -> dict[str, str]:
        """The identity of each stream."""
        return {stream.value: place.epoch for stream, place in self.seen.items()}

    def look(self, now: Mapping[StreamName, Place], *, before: Mapping[StreamName, Place] | None = None) -> None:
        """Compare `now` with what was seen `before` (else: last), at most one loss a stream, and remember it."""
        for stream, was in (self.seen if before is None else before).items():
            if (place := now.get(stream)) is not None and (found := _change(was, place)) is not None:
                self._lose(
                    Loss(
                        ts=self._clock.now(), kind=found[0], group=self._group, stream=stream, detail=found[1],
                        first_id=was.last_id,
                    )
                )  # fmt: skip
        self.seen.update(now)


def _change(was: Place, now: Place) -> tuple[str, str] | None:
    if was.epoch != now.epoch:
        return "stream_replaced", f"identity {was.epoch} became {now.epoch}"
    if id_key(now.last_id) < id_key(was.last_id):
        return "stream_went_back", f"last id {was.last_id} became {now.last_id}"
    if now.created:
        return "group_lost", "made again from id 0: entries come a second time"
    return None
