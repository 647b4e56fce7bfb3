"""Layer 9: what is put before those who command. Advice, never an order.

Every HIGH or CRITICAL event reaches them once; the severity is the one Layer 8 ended with.
"""

from __future__ import annotations

from dsmil.events import envelope, ids
from dsmil.events.enums import Category, Severity
from dsmil.events.envelope import Event
from dsmil.events.soc import Advice, Alert8, SocPayload

DEVICE = 58
"""The proposals' own device signs the advice; Layer 9's devices only read it."""
LAYER = 8
VERSION = "1"
REACHES_AT = (Severity.HIGH, Severity.CRITICAL)


def advice(alert: Event, record: Alert8, payload: SocPayload) -> Event | None:
    """What Layer 9 is told of a merged alert, or None where it is not severe enough."""
    if record.severity not in REACHES_AT:
        return None
    told = Advice(
        soc_event_id=record.soc_event_id,
        entity=record.entity,
        decision=record.decision,
        severity=record.severity,
        summary=payload.explanation or f"{record.decision} on {record.entity}",
        proposals=record.l8_enrichment.soar_proposals,
    )
    return Event(
        event_id=ids.derived((record.soc_event_id,), "l9.advice", VERSION),
        ts=alert.ts,
        since_ts=alert.since_ts,
        ingest_ts=alert.ingest_ts,
        source_device=DEVICE,
        source_layer=LAYER,
        source="l8",
        category=Category.SECURITY,
        severity=record.severity,
        compartment=alert.compartment,
        kind="l9.advice",
        refs=(record.soc_event_id, alert.event_id),
        payload=envelope.pack(told),
    )
