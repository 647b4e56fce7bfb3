"""SOC events in the Phase 4 form, their repeats, and the merged Layer 8 record (spec-originals 1b)."""

from __future__ import annotations

from msgspec import Struct

from dsmil.events.enums import Category, Compartment, Severity


class L3Signal(Struct, frozen=True, kw_only=True):
    """What Layer 3 said."""

    decision: str
    score: float
    device_id: int
    ref: str = ""


class L4Signal(Struct, frozen=True, kw_only=True):
    """What Layer 4 said."""

    label: str
    confidence: float
    device_id: int
    ref: str = ""


class ShrinkSignal(Struct, frozen=True, kw_only=True):
    """What SHRINK said. When it is away, `available` is false, the last values stay and `age_s` is their age;
    null where there never was one. Never zeros that look calm."""

    available: bool = False
    age_s: float | None = None
    risk_acute_stress: float | None = None
    crisis_level: float | None = None
    lbi_hyperfocus: float | None = None
    cognitive_load: float | None = None
    anomaly_score: float | None = None
    sentiment_score: float | None = None
    entropy: float | None = None


class Signals(Struct, frozen=True, kw_only=True):
    """Every layer's view of one SOC event; a layer that said nothing is null."""

    l3: L3Signal | None = None
    l4: L4Signal | None = None
    l5: dict[str, str | float | int] | None = None
    l6: dict[str, str | float | int] | None = None
    l7: dict[str, str | float | int] | None = None
    shrink: ShrinkSignal = ShrinkSignal()


class Proposal(Struct, frozen=True, kw_only=True):
    """An action device 58 proposes. Nobody here carries it out."""

    action: str
    target: str
    rationale: str
    risk: str
    requires_approval: bool = True
    proposed_by: int = 58


class Enrichment(Struct, frozen=True, kw_only=True):
    """`l8_enrichment`: what the Layer 8 workers added."""

    processed_by: tuple[int, ...] = ()
    advml_flags: tuple[str, ...] = ()
    analytics_flags: tuple[str, ...] = ()
    crypto_flags: tuple[str, ...] = ()
    network_flags: tuple[str, ...] = ()
    soar_proposals: tuple[Proposal, ...] = ()
    final_severity: Severity | None = None
    timestamp: float | None = None


class SocPayload(Struct, frozen=True, kw_only=True):
    """Payload of kind `soc`: the Phase 4 fields. `entity` and `decision` name what it is about;
    `joined` lists other signals on the same entity within the fusion window."""

    event_id: str
    ts: float
    source_layer: int
    device_id_src: int
    severity: Severity
    category: Category
    classification: str
    compartment: Compartment
    entity: str
    entities: tuple[str, ...] = ()
    decision: str
    explanation: str = ""
    base_severity: Severity
    escalated_by: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()
    signals: Signals = Signals()
    l8_enrichment: Enrichment = Enrichment()


class Repeats(Struct, frozen=True, kw_only=True):
    """Payload of kind `soc.repeats`: how often the same came again before its window closed."""

    first: str
    entity: str
    decision: str
    count: int
    first_ts: float
    last_ts: float
    suppressed: int = 0


class Alert8(Struct, frozen=True, kw_only=True):
    """Payload of kind `l8.alert`: one merged record per SOC event, all workers in it."""

    soc_event_id: str
    entity: str
    decision: str
    severity: Severity
    l8_enrichment: Enrichment


class Advice(Struct, frozen=True, kw_only=True):
    """Payload of kind `l9.advice`: a HIGH or CRITICAL event put before Layer 9. Advisory, always."""

    soc_event_id: str
    entity: str
    decision: str
    severity: Severity
    summary: str
    proposals: tuple[Proposal, ...] = ()
    advisory: bool = True
