"""Joins the signals on one entity into one SOC event in the Phase 4 form.

A SOC event is about its own decision; what other detectors said of the same entity within the window stands
beside it: both layers' signals are filled and `joined` names the others.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from dsmil.events import envelope, ids
from dsmil.events.decision import severity_of
from dsmil.events.devices import LAYER_NAMES
from dsmil.events.enums import Category, highest
from dsmil.events.envelope import Event
from dsmil.events.soc import Enrichment, L3Signal, L4Signal, Repeats, ShrinkSignal, Signals, SocPayload
from dsmil.soc import escalation
from dsmil.soc.reading import Conclusion
from dsmil.soc.windows import Window

DEVICE = 52
LAYER = 8
SOURCE = "soc-router"
VERSION = "1"
"""Part of every id made here; raised when the same inputs shall give other events."""
EXPLANATION_MAX = 1024
"""Characters of the detector's explanation that are passed on; ours are below 300."""
JOINED_NAMED_MAX = 8
"""Other decisions named in `joined`; `refs` holds the events themselves."""
CAMPAIGN_AT = 5
"""Entities with the same decision at once from which it looks like one campaign."""


class Setting(Struct, frozen=True, kw_only=True):
    """What stands around a signal when its SOC event is made. `alike`: open windows of the same decision, this
    one included; `novel`: the router never saw this decision before."""

    soc_id: str
    entities: tuple[str, ...]
    joined: Sequence[Window] = ()
    alike: int = 1
    novel: bool = False
    shrink: ShrinkSignal = ShrinkSignal()
    shrink_age_max_s: float = 0.0


def soc_id(decision_event_id: str) -> str:
    """Id of the SOC event that the decision `decision_event_id` opens."""
    return ids.derived((decision_event_id,), "soc", VERSION)


def soc_event(event: Event, told: Conclusion, setting: Setting) -> Event:
    """The SOC event of a first decision."""
    base = severity_of(told.decision)
    if event.severity is not base:
        base = highest(base, event.severity)
    severity, escalated_by = escalation.escalate(base, setting.shrink, setting.shrink_age_max_s)
    explanation = told.explanation[:EXPLANATION_MAX]
    if not setting.shrink.available and (remark := escalation.remark(setting.shrink, setting.shrink_age_max_s)):
        explanation = f"{explanation} {remark}"
    payload = SocPayload(
        event_id=setting.soc_id,
        ts=event.ts,
        source_layer=event.source_layer,
        device_id_src=event.source_device,
        severity=severity,
        category=event.category,
        classification=LAYER_NAMES[event.source_layer],
        compartment=event.compartment,
        entity=told.entities[0],
        entities=setting.entities,
        decision=told.decision,
        explanation=explanation,
        base_severity=base,
        escalated_by=escalated_by,
        joined=_names(setting.joined),
        signals=_signals(event, told, setting),
        l8_enrichment=Enrichment(
            processed_by=(DEVICE,), analytics_flags=_analytics(told.decision, setting), final_severity=severity
        ),
    )
    return Event(
        event_id=setting.soc_id,
        ts=event.ts,
        since_ts=event.since_ts,
        ingest_ts=event.ingest_ts,
        source_device=DEVICE,
        source_layer=LAYER,
        source=SOURCE,
        category=Category.SECURITY,
        severity=severity,
        compartment=event.compartment,
        kind="soc",
        refs=(event.event_id, *(window.ref for window in setting.joined)),
        payload=envelope.pack(payload),
    )


def _names(windows: Sequence[Window]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(window.decision for window in windows))[:JOINED_NAMED_MAX] if windows else ()


def _signals(event: Event, told: Conclusion, setting: Setting) -> Signals:
    """The own signal on its layer's place; on the other's the strongest one that was joined."""
    below = event.source_layer == 3
    others = [w for w in setting.joined if (w.layer == 3) is not below] if setting.joined else ()
    best = max(others, key=lambda window: window.score) if others else None
    own = (told.decision, told.score, event.source_device, event.event_id)
    other = None if best is None else (best.decision, best.score, best.device, best.ref)
    third, fourth = (own, other) if below else (other, own)
    return Signals(l3=third and _l3(*third), l4=fourth and _l4(*fourth), shrink=setting.shrink)


def _l3(decision: str, score: float, device: int, ref: str) -> L3Signal:
    return L3Signal(decision=decision, score=score, device_id=device, ref=ref)


def _l4(label: str, confidence: float, device: int, ref: str) -> L4Signal:
    return L4Signal(label=label, confidence=confidence, device_id=device, ref=ref)


def _analytics(decision: str, setting: Setting) -> tuple[str, ...]:
    """Device 52's own flags."""
    if not (setting.joined or setting.novel) and setting.alike < CAMPAIGN_AT:
        return ()  # as most are
    flags = ["CAMPAIGN_SUSPECTED"] if setting.alike >= CAMPAIGN_AT else []
    if setting.novel:
        flags.append("NEW_PATTERN")
    if len({name.partition(".")[0] for name in (decision, *(w.decision for w in setting.joined))}) > 1:
        flags.append("MULTI_VECTOR")
    return tuple(flags)


def repeats_event(window: Window, ingest_ts: float) -> Event:
    """What a window came to: `count` decisions let through (the first included) and those suppressed. Where all
    were suppressed there is no SOC event to name, so `first` is the first decision itself."""
    first = window.soc_id or window.ref
    payload = Repeats(
        first=first,
        entity=window.entity,
        decision=window.decision,
        count=window.count,
        first_ts=window.first_ts,
        last_ts=window.last_ts,
        suppressed=window.suppressed,
    )
    return Event(
        event_id=ids.derived((first,), "soc.repeats", f"{VERSION}:{window.total}"),
        ts=window.last_ts,
        since_ts=window.first_ts,
        ingest_ts=ingest_ts,
        source_device=DEVICE,
        source_layer=LAYER,
        source=SOURCE,
        category=Category.SECURITY,
        kind="soc.repeats",
        refs=(first,),
        payload=envelope.pack(payload),
    )
