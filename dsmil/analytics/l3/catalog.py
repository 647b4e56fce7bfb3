"""The detectors of Layer 3, built from settings: one list, in the order they look at an event."""

from __future__ import annotations

from msgspec import Struct

from dsmil.analytics.detector import Detector
from dsmil.analytics.engine import Engine
from dsmil.analytics.l3.ais_continuity import Continuity
from dsmil.analytics.l3.ais_distress import Distress
from dsmil.analytics.l3.ais_gone_dark import GoneDark
from dsmil.analytics.l3.ais_identity import IdentityChange
from dsmil.analytics.l3.ais_mmsi import BadMmsi
from dsmil.analytics.l3.net_flow import FlowRisk
from dsmil.analytics.l3.net_new import NewHosts
from dsmil.analytics.l3.net_risky import RiskyService
from dsmil.analytics.l3.rf_new import NewEmitter
from dsmil.analytics.l3.rf_power import PowerAnomaly
from dsmil.analytics.l3.rf_silent import EmitterSilent
from dsmil.analytics.l3.source_health import SourceHealth
from dsmil.analytics.sketch import sketch
from dsmil.config.detectors import L3, L3Ais, L3Net, L3Rf, L3Source
from dsmil.events import ais, net
from dsmil.events.source import SourceStats

LAYER = 3
SOURCE = "l3"
DEVICES = (15, 16, 17, 18, 19, 20, 21, 22)
"""The devices of this layer; 15, 17 and 18 are registered and hold no detector."""

SHAPES: dict[str, type[Struct]] = {
    **sketch.SHAPES,
    "ais.safety": ais.Safety,
    "net.scan": net.Scan,
    "source.stats": SourceStats,
}
"""The payload of each kind that a detector or the graph asks for."""


def detectors(
    bounds: L3, *, ais_set: L3Ais | None = None, net_set: L3Net | None = None, rf_set: L3Rf | None = None,
    source_set: L3Source | None = None,
) -> list[Detector]:  # fmt: skip
    """Every detector of the layer with empty memory."""
    ships, radios = ais_set or L3Ais(), rf_set or L3Rf()
    return [
        Distress(bounds),
        BadMmsi(bounds),
        Continuity(ships, bounds),
        GoneDark(ships, bounds),
        IdentityChange(bounds),
        NewHosts(net_set or L3Net(), bounds),
        RiskyService(bounds),
        FlowRisk(bounds),
        NewEmitter(radios, bounds),
        PowerAnomaly(radios, bounds),
        EmitterSilent(radios, bounds),
        SourceHealth(source_set or L3Source(), bounds),
    ]


def engine(found: list[Detector], *, epoch: str) -> Engine:
    """The engine of the layer; `epoch` names this run in the decisions it numbers."""
    return Engine(found, SHAPES, source=SOURCE, layer=LAYER, epoch=epoch)
