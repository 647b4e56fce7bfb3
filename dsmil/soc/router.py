"""Device 52: one SOC event for each (entity, decision) in a window, its repeats counted.

A stateful handler of the fabric: what it remembers follows from the entries alone, so a restart from its
checkpoint and a silent replay bring it to the same state, whatever SHRINK said then or says now. SHRINK only
colours what leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

import msgspec
from msgspec import Struct

from dsmil.errors import Corrupt
from dsmil.events import envelope
from dsmil.events.enums import StreamName
from dsmil.events.envelope import Event
from dsmil.events.soc import ShrinkSignal
from dsmil.fabric.entry import Entry, Output
from dsmil.soc import fusion, reading
from dsmil.soc.reading import Conclusion
from dsmil.soc.recent import Recent
from dsmil.soc.suppression import Suppression
from dsmil.soc.windows import Window, Windows, joinable

SPAN_S = 600.0
"""Default window, seconds of event time."""
WINDOWS_MAX = 50_000
"""Default bound of open windows, about 35 MB."""
KNOWN_MAX = 4096
"""Names of decisions remembered as known; a foreign publisher could invent any number."""
FRESH_MAX = 20_000
"""SOC events kept for the hot database while nobody takes them; it is a cache, the oldest go first."""
STATE_VERSION = 1


class _State(Struct):
    """What a checkpoint holds."""

    version: int
    span_s: float
    windows: list[Window]
    latest_ts: float
    latest_ingest: float
    young: list[str]
    old: list[str]
    known: list[str]


class Router:
    """`process` is the pure middle; calling the router reads entries and encodes what it makes."""

    def __init__(
        self,
        *,
        span_s: float = SPAN_S,
        windows_max: int = WINDOWS_MAX,
        shrink: Callable[[], ShrinkSignal] = ShrinkSignal,
        shrink_age_max_s: float = 0.0,
        suppression: Suppression | None = None,
    ) -> None:
        self._span_s = span_s
        self._windows_max = windows_max
        self._shrink = shrink
        self._shrink_age_max_s = shrink_age_max_s
        self.suppression = suppression or Suppression()
        self.processed = self.published = self.repeated = self.suppressed = self.duplicates = 0
        self.reset()

    def reset(self) -> None:
        """Forget everything: the state of a router that never saw an entry."""
        self._windows = Windows(self._span_s, self._windows_max, self._report)
        self._recent = Recent()
        self._known: dict[str, None] = {}
        self._out: list[Event] = []
        self._fresh: list[Event] = []
        self._touched: dict[str, Window] = {}
        self._mood: ShrinkSignal | None = None

    def __call__(self, entries: Sequence[Entry]) -> list[Output]:
        """Handle a batch. BadEvent, before anything was changed, where an entry cannot be read."""
        return outputs(self.process([entry.event for entry in entries]))

    def process(self, events: Sequence[Event]) -> list[Event]:
        """The SOC events and reports of repeats that decisions, in this order, give rise to."""
        conclusions = [reading.read(event) for event in events]
        ruled = bool(self.suppression.rules)
        self._mood = None  # SHRINK is asked once a batch, and only where something leaves
        windows, touched, is_new = self._windows, self._touched, self._recent.add
        for event, told in zip(events, conclusions, strict=True):
            if not is_new(event.event_id):
                self.duplicates += 1
                continue
            ts = event.ts
            windows.advance(ts, event.ingest_ts)
            window = windows.find(told.entities[0], told.decision, ts)
            if ruled and self.suppression.match(event):
                self._suppress(event, told, window)
            elif window is None or not window.soc_id:
                self._first(event, told, window)
            else:
                window.count += 1
                if ts > window.last_ts:  # noqa: PLR1730 - see Windows.advance
                    window.last_ts = ts
                self.repeated += 1
                touched[window.soc_id] = window
        self.processed += len(events)
        return self._take_out()

    def tick(self, now: float) -> list[Event]:
        """Reports of windows that ended while no entry came; `now` is Unix seconds. Sending one again after a
        crash gives the same id, so the audit keeps it once."""
        self._windows.elapse(now)
        return self._take_out()

    def _take_out(self) -> list[Event]:
        out, self._out = self._out, []
        self.published += len(out)
        return out

    def _first(self, event: Event, told: Conclusion, hidden: Window | None) -> None:
        """A decision that makes a SOC event: it opens a window, or is the first let through in a hidden one."""
        shrink = self._mood = self._mood or self._shrink()
        window = hidden or self._open(event, told)
        window.soc_id = fusion.soc_id(event.event_id)
        window.ref = event.event_id
        window.score = told.score
        window.count = 1
        if event.ts > window.last_ts:  # noqa: PLR1730 - see Windows.advance
            window.last_ts = event.ts
        novel = told.decision not in self._known and len(self._known) < KNOWN_MAX
        if novel:
            self._known[told.decision] = None
        setting = fusion.Setting(
            soc_id=window.soc_id,
            entities=window.entities,
            joined=self._windows.near(window, event.ts),
            alike=self._windows.alike(told.decision),
            novel=novel,
            shrink=shrink,
            shrink_age_max_s=self._shrink_age_max_s,
        )
        made = fusion.soc_event(event, told, setting)
        self._out.append(made)
        self._fresh.append(made)
        if len(self._fresh) > FRESH_MAX:
            del self._fresh[: FRESH_MAX // 2]

    def _suppress(self, event: Event, told: Conclusion, window: Window | None) -> None:
        window = window or self._open(event, told)
        window.suppressed += 1
        window.last_ts = max(window.last_ts, event.ts)
        self.suppressed += 1

    def _open(self, event: Event, told: Conclusion) -> Window:
        entities = reading.passed_on(told.entities)
        window = Window(
            entity=told.entities[0],
            decision=told.decision,
            entities=entities,
            joins=joinable(entities),
            layer=event.source_layer,
            device=event.source_device,
            score=told.score,
            ref=event.event_id,
            soc_id="",
            first_ts=event.ts,
            last_ts=event.ts,
            opened_ingest=event.ingest_ts,
        )
        self._windows.open(window)
        return window

    def _report(self, window: Window) -> None:
        if window.total > window.reported and (window.count > 1 or window.suppressed):
            window.reported = window.total
            self._out.append(fusion.repeats_event(window, self._windows.latest_ingest))

    def take_fresh(self) -> list[Event]:
        """SOC events made since the last call, for the hot database."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def take_bumps(self, most: int) -> list[tuple[str, int, float]]:
        """At most so many of the counts that changed since they were last taken, for the hot database, oldest
        change first: (id of the SOC event, decisions let through, time of the last one)."""
        touched = self._touched
        taken = [(soc_id, touched.pop(soc_id)) for soc_id in list(islice(touched, most))]
        return [(soc_id, window.count, window.last_ts) for soc_id, window in taken]

    def counts(self) -> dict[str, int]:
        """Counters since this router was made, and how many windows are open."""
        return {
            "processed": self.processed,
            "published": self.published,
            "repeats": self.repeated,
            "suppressed": self.suppressed,
            "duplicates": self.duplicates,
            "windows": len(self._windows),
            "windows_forced": self._windows.forced,
        }

    def dump(self) -> bytes:
        """The whole state, for a checkpoint."""
        windows = self._windows
        young, old = self._recent.dump()
        return msgspec.msgpack.encode(
            _State(
                version=STATE_VERSION,
                span_s=self._span_s,
                windows=list(windows),
                latest_ts=windows.latest_ts,
                latest_ingest=windows.latest_ingest,
                young=young,
                old=old,
                known=list(self._known),
            )
        )

    def restore(self, data: bytes) -> None:
        """Take up a dumped state; Corrupt where it is none of ours."""
        try:
            state = msgspec.msgpack.decode(data, type=_State)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Corrupt(f"restore soc-router: {error}", hint="remove its checkpoint") from None
        if state.version != STATE_VERSION:
            raise Corrupt(f"restore soc-router: state version {state.version}", hint="remove its checkpoint")
        self.reset()
        self._windows.restore(state.windows)
        self._windows.latest_ts = state.latest_ts
        self._windows.latest_ingest = state.latest_ingest
        self._recent.restore(state.young, state.old)
        self._known = dict.fromkeys(state.known)


def outputs(events: Sequence[Event]) -> list[Output]:
    """Events as what goes to SOC_EVENTS."""
    return [Output(StreamName.SOC_EVENTS, envelope.encode(event)) for event in events]
