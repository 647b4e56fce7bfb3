"""What a worker is handed and what it answers.

A worker adds flags and may ask for a higher severity; it never lowers one and never acts.
"""

from __future__ import annotations

from msgspec import Struct

from dsmil.events.enums import Severity
from dsmil.events.envelope import Event
from dsmil.events.soc import Proposal, SocPayload


class Case(Struct, frozen=True):
    """One SOC event before Layer 8: its envelope, its payload, and the severity reached so far."""

    event: Event
    payload: SocPayload
    severity: Severity

    @property
    def decisions(self) -> tuple[str, ...]:
        """The own decision and those joined on the same entity."""
        return (self.payload.decision, *self.payload.joined)


class Finding(Struct, frozen=True, kw_only=True):
    """A worker's answer; each list goes to the field of its name in `l8_enrichment`. `at_least` raises."""

    advml_flags: tuple[str, ...] = ()
    analytics_flags: tuple[str, ...] = ()
    crypto_flags: tuple[str, ...] = ()
    network_flags: tuple[str, ...] = ()
    soar_proposals: tuple[Proposal, ...] = ()
    at_least: Severity = Severity.LOW
