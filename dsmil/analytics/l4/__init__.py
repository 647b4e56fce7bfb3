"""Layer 4: fusion across sources, with a score and the terms it is made of."""

from dsmil.analytics.detector import Detector
from dsmil.analytics.l4.cpa import ClosestApproach
from dsmil.analytics.l4.emitter_vessel import EmitterVessel
from dsmil.analytics.l4.host_service import HostService
from dsmil.analytics.l4.rendezvous import Rendezvous
from dsmil.analytics.l4.tracks import Tracks
from dsmil.config.fusion import L4
from dsmil.events.ais import Position
from dsmil.events.net import Flow, Host, Ports
from dsmil.events.rf import Burst, Emission

SHAPES = {
    "ais.position": Position,
    "net.host": Host,
    "net.ports": Ports,
    "net.flow": Flow,
    "rf.burst": Burst,
    "rf.emission": Emission,
}
"""The payload type of each kind these detectors read."""


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
