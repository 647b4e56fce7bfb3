"""Device 53, Crypto AI: which cryptography is seen to be weak, from decisions made on evidence.

There is no guess about channels nobody observed: without a decision on a channel there is no flag.
"""

from __future__ import annotations

from dsmil.soc.workers.finding import Case, Finding

DEVICE = 53
WEAK = frozenset({"net.weak_tls", "net.cleartext_credentials"})
"""Old TLS and clear text resist no quantum computer either."""
ROTATED = frozenset({"net.key_change", "net.cert_change"})
"""A host key or certificate changed outside an announced rotation."""


def examine(case: Case) -> Finding:
    """NON_PQC_CHANNEL, UNEXPECTED_KEY_ROTATION."""
    decisions = set(case.decisions)
    flags = (("NON_PQC_CHANNEL", decisions & WEAK), ("UNEXPECTED_KEY_ROTATION", decisions & ROTATED))
    return Finding(crypto_flags=tuple(name for name, holds in flags if holds))
