"""`source.silent`, `source.reject_rate`, `source.gap`: our own sources, by what they say of themselves.

The only detectors that speak of dsmil rather than of the world. `source.silent` alone looks at the clock, and
only at live sources: a file that ends is not silent, it has ended.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from dsmil.analytics import nodes
from dsmil.analytics.detector import NOTHING, Found, Lost, Seen
from dsmil.analytics.window import Table
from dsmil.config.detectors import L3, L3Source
from dsmil.events.source import SourceStats

SOURCES_MAX = 4096
"""Sources watched: one per file or port."""
GAP_HOLD_S = 60.0
"""Holes of one source within so long (arrival time) are told together: a full queue drops again and again."""
REASONS_MAX = 3
"""Reject reasons named in an explanation."""


class State(Struct):
    """One source. `heard_ts` is when its last data came (Unix seconds); `base_*` the counts its share of rejects
    is reckoned from; `missing` the events lost and not yet told."""

    seen: float
    run: str = ""
    event_id: str = ""
    heard_ts: float = -1.0
    live: bool = False
    silent: bool = False
    rejecting: bool = False
    base_received: int = 0
    base_rejected: dict[str, int] = {}
    missing: int = 0
    gap_ts: float = -1.0


class SourceHealth:
    """Watches the counts and counters of each source."""

    name = "source.health"
    device = 21
    kinds = frozenset({"source.stats"})

    def __init__(self, settings: L3Source, bounds: L3) -> None:
        self._set = settings
        self._bounds = bounds
        self.reset()

    def reset(self) -> None:
        """Forget all sources."""
        self._states: Table[str, State] = Table(str, State, count_max=SOURCES_MAX, idle_s=7 * 86_400.0)

    def dump(self) -> bytes:
        """All sources."""
        return self._states.dump()

    def restore(self, data: bytes) -> None:
        """Take over the sources of `dump`."""
        self._states.restore(data)

    def observe(self, seen: Seen) -> Iterable[Found]:
        """What a source says of itself."""
        stats: SourceStats = seen.payload
        event = seen.event
        state = self._state(stats.source, event.ingest_ts)
        run = f"{event.source}|{event.source_epoch}"
        if state.run != run or stats.received < state.base_received:
            state.run, state.base_received, state.base_rejected = run, 0, {}
        heard = stats.last_data_ts if stats.last_data_ts is not None else max(state.heard_ts, -1.0)
        if heard > state.heard_ts or not state.event_id or stats.live != state.live:
            state.event_id = event.event_id
            state.heard_ts = heard if heard >= 0 else event.ingest_ts
            state.silent = False
        state.live = stats.live and not stats.ended
        return self._rejects(stats, state, seen)

    def lost(self, hole: Lost) -> Iterable[Found]:
        """A source's counter jumped."""
        event = hole.event
        state = self._state(hole.source, event.ingest_ts)
        state.missing += hole.missing
        if state.gap_ts >= 0 and event.ingest_ts - state.gap_ts < GAP_HOLD_S:
            return NOTHING
        state.gap_ts, missing, state.missing = event.ingest_ts, state.missing, 0
        many = f"{missing} events of {hole.source} are" if missing != 1 else f"1 event of {hole.source} is"
        return [
            Found(
                decision="source.gap",
                score=min(0.95, 0.6 + missing / 1000.0),
                entities=(nodes.source(hole.source),),
                explanation=f"{many} missing: its counter went from {event.source_seq - hole.missing - 1} to "
                f"{event.source_seq}.",
                refs=tuple(filter(None, (hole.before_id, event.event_id))),
                ts=event.ts,
                features={"missing": missing, "source_epoch": event.source_epoch, "source_seq": event.source_seq},
            )
        ]

    def clock_tick(self, now: float) -> Iterable[Found]:
        """Live sources whose last data is too long ago."""
        out: list[Found] = []
        for name, state in self._states:
            silent = now - state.heard_ts
            if state.live and not state.silent and silent >= self._set.silent_s:
                state.silent = True
                out.append(
                    Found(
                        decision="source.silent",
                        score=0.7,
                        entities=(nodes.source(name),),
                        explanation=f"Live source {name} has given no data for {silent:.0f} s "
                        f"(limit {self._set.silent_s:.0f} s).",
                        refs=(state.event_id,),
                        ts=now,
                        since_ts=state.heard_ts,
                        features={"silent_s": round(silent, 1)},
                    )
                )
        return out

    def _state(self, name: str, seen: float) -> State:
        state = self._states.touch(name, seen)
        if state is None:
            state = State(seen)
            self._states.put(name, state)
        return state

    def _rejects(self, stats: SourceStats, state: State, seen: Seen) -> Iterable[Found]:
        """The share of rejects since the last reckoning, once there are enough records for one."""
        received = stats.received - state.base_received
        if received < self._set.reject_min:
            return NOTHING
        fresh = {
            reason: count - state.base_rejected.get(reason, 0)
            for reason, count in stats.rejected.items()
            if count > state.base_rejected.get(reason, 0)
        }
        rejected = sum(fresh.values())
        state.base_received, state.base_rejected = stats.received, dict(stats.rejected)
        share = rejected / received
        if share < self._set.reject_share:
            # Half the limit ends it, so a source on the edge is told once.
            state.rejecting = state.rejecting and share > self._set.reject_share / 2
            return NOTHING
        if state.rejecting:
            return NOTHING
        state.rejecting = True
        event = seen.event
        worst = sorted(fresh.items(), key=lambda item: (-item[1], item[0]))[:REASONS_MAX]
        reasons = ", ".join(f"{reason} {count}" for reason, count in worst)
        return [
            Found(
                decision="source.reject_rate",
                score=min(0.95, 0.5 + share),
                entities=(nodes.source(stats.source),),
                explanation=f"{rejected} of {received} records of {stats.source} ({share:.1%}) were "
                f"rejected: {reasons}.",
                refs=(event.event_id,),
                ts=event.ts,
                features={
                    "received": received,
                    "rejected": rejected,
                    "share": round(share, 4),
                    "worst": worst[0][0],
                },
            )
        ]
