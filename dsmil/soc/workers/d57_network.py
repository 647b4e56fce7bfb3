"""Device 57, Network Security AI: does data leave, or is a host being felt out?

It reads the decisions of the network detectors; the flows themselves were Layer 3's to judge.
"""

from __future__ import annotations

from dsmil.soc.workers.finding import Case, Finding

DEVICE = 57
EGRESS = frozenset({"net.beacon", "net.flow_risk"})
PROBED = frozenset({"net.scan_seen"})
EXPOSED = frozenset({"net.new_service", "net.risky_service"})


def examine(case: Case) -> Finding:
    """SUSPICIOUS_EGRESS (beacon, risky flow), RECONNAISSANCE (scan), EXPOSED_SERVICE (new or risky service)."""
    decisions = set(case.decisions)
    flags = (("SUSPICIOUS_EGRESS", EGRESS), ("RECONNAISSANCE", PROBED), ("EXPOSED_SERVICE", EXPOSED))
    return Finding(network_flags=tuple(name for name, signs in flags if decisions & signs))
