"""The detectors of Layer 4, built from settings: one list, in the order they look at an event."""

from __future__ import annotations

from msgspec import Struct

from dsmil.analytics.detector import Detector
from dsmil.analytics.engine import Engine
from dsmil.analytics.l4.cpa import ClosestApproach
from dsmil.analytics.l4.emitter_vessel import EmitterVessel
from dsmil.analytics.l4.host_service import HostService
from dsmil.analytics.l4.rendezvous import Rendezvous
from dsmil.analytics.l4.tracks import Tracks
from dsmil.analytics.sketch import sketch
from dsmil.config.fusion import L4

LAYER = 4
SOURCE = "l4"
DEVICES = (23, 24, 25, 26, 27, 28, 29, 30)
"""The devices of this layer; only 25 and 27 hold detectors yet, the others are registered and idle."""

SHAPES: dict[str, type[Struct]] = sketch.SHAPES
"""The payload type of each kind that these detectors read or that the graph asks for."""


def detectors(settings: L4) -> list[Detector]:
    """All of Layer 4; the tracks come first, the others look vessels up in them."""
    tracks = Tracks(settings)
    return [
        tracks,
        EmitterVessel(settings, tracks),
        HostService(settings),
        Rendezvous(settings, tracks),
        ClosestApproach(settings, tracks),
    ]


def engine(found: list[Detector], *, epoch: str) -> Engine:
    """The engine of the layer; `epoch` names this run in the decisions it numbers."""
    return Engine(found, SHAPES, source=SOURCE, layer=LAYER, epoch=epoch)
