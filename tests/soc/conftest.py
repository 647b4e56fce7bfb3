"""Makes decisions and entries for the tests of Device 52 and Layer 8."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dsmil.events import envelope, ids
from dsmil.events.decision import Decision, category_of, severity_of
from dsmil.events.enums import Severity
from dsmil.events.envelope import Event

T0 = 1_700_000_000.0


@pytest.fixture
def decide() -> Callable[..., Event]:
    """A decision event: `decide("ais.jump", "vessel:1", ts=T0, layer=3)`; every call is another event."""
    made = 0

    def make(
        decision: str = "ais.jump",
        *entities: str,
        ts: float = T0,
        ingest_ts: float | None = None,
        layer: int = 3,
        score: float = 0.6,
        severity: Severity | None = None,
        explanation: str = "because",
        event_id: str = "",
        **more: Any,
    ) -> Event:
        nonlocal made
        made += 1
        told = Decision(
            decision=decision, score=score, entities=entities or ("vessel:211000001",), explanation=explanation
        )
        return Event(
            event_id=event_id or ids.digest("decision", str(made)),
            ts=ts,
            since_ts=ts - 5,
            ingest_ts=ts if ingest_ts is None else ingest_ts,
            source_device=20 if layer == 3 else 27,
            source_layer=layer,
            source=f"l{layer}",
            category=category_of(decision),
            severity=severity or severity_of(decision),
            kind="decision",
            payload=envelope.pack(told),
            **more,
        )

    return make
