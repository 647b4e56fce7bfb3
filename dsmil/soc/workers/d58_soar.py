"""Device 58, SOAR: proposes what a person may do. It never acts, and nothing here carries a proposal out.

It speaks only on HIGH and CRITICAL, after all others, on the severity they reached.
"""

from __future__ import annotations

from dsmil.events.enums import Severity
from dsmil.events.soc import Proposal
from dsmil.soc.workers.finding import Case, Finding

DEVICE = 58
SPEAKS_AT = (Severity.HIGH, Severity.CRITICAL)
PROPOSALS_MAX = 4
"""More than this nobody reads."""
_HOST, _VESSEL, _EMITTER = "host:ip:", "vessel:", "rf:"
_BLOCKS = frozenset({"net.beacon", "net.flow_risk", "net.scan_seen"})


def examine(case: Case) -> Finding:
    """ISOLATE_HOST, BLOCK_IP, VERIFY_VESSEL, LOCATE_EMITTER, CHECK_SOURCE; each `requires_approval`."""
    if case.severity not in SPEAKS_AT:
        return Finding()
    return Finding(soar_proposals=tuple(_proposals(case))[:PROPOSALS_MAX])


def _proposals(case: Case) -> list[Proposal]:
    payload = case.payload
    main, others = payload.entity, [entity for entity in payload.entities if entity != payload.entity]
    because = f"{payload.decision} on {main}, severity {case.severity}"
    if main.startswith(_HOST):
        blocked = [entity for entity in others if entity.startswith(_HOST)] if payload.decision in _BLOCKS else []
        return [
            _proposal("ISOLATE_HOST", main.removeprefix(_HOST), because, "HIGH"),
            *(_proposal("BLOCK_IP", entity.removeprefix(_HOST), because, "MEDIUM") for entity in blocked),
        ]
    if main.startswith(_VESSEL):
        return [_proposal("VERIFY_VESSEL", main, because, "LOW")]
    if main.startswith(_EMITTER):
        return [_proposal("LOCATE_EMITTER", main, because, "LOW")]
    return [_proposal("CHECK_SOURCE", main, because, "LOW")]


def _proposal(action: str, target: str, rationale: str, risk: str) -> Proposal:
    return Proposal(action=action, target=target, rationale=rationale, risk=risk, proposed_by=DEVICE)
