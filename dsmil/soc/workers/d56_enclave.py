"""Device 56, Secure Enclave: is this event what it claims to be made from?

The id of a SOC event is a hash of its first decision's id, so anybody can check it; an event put into the stream
by another hand does not pass.
"""

from __future__ import annotations

from dsmil.events.enums import Severity
from dsmil.soc.fusion import DEVICE as ROUTER
from dsmil.soc.fusion import soc_id
from dsmil.soc.workers.finding import Case, Finding

DEVICE = 56


def examine(case: Case) -> Finding:
    """PROVENANCE_MISMATCH (at least HIGH) where ids, refs or the making device do not fit together."""
    event, payload = case.event, case.payload
    genuine = (
        event.source_device == ROUTER
        and payload.event_id == event.event_id
        and bool(event.refs)
        and soc_id(event.refs[0]) == event.event_id
    )
    return Finding() if genuine else Finding(analytics_flags=("PROVENANCE_MISMATCH",), at_least=Severity.HIGH)
