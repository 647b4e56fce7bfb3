"""dsmil: one live, replayable picture of radios, ships, hosts and the people who watch them.

The floors, each importing only the ones above it in this list (held by import-linter):

    errors clock                                  open to all
    config events                                 words
    runtime fabric store query                    plumbing
    sensors analytics soc scenarios watch         the domain; neighbours talk in events, never in imports
    daemons cli bench                             wiring

The path of one event: `sensors/` reads bytes and stamps an `events.envelope.Event`; it goes to stream L3_IN;
`analytics/l3` decides (L3_OUT), `analytics/l4` fuses (L4_OUT), `soc/router` joins and escalates (SOC_EVENTS),
`soc/workers` enrich (L8_ALERTS, L9_COMMANDS); `daemons/drainer` writes every stream to `store/audit`, once.
Begin at `events/envelope.py`, then `fabric/consumer.py`, one sensor, and `daemons/ais_playback.py`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_WHERE = {
    "RedisStreamsClient": "dsmil.fabric.facade",
    "create_event": "dsmil.fabric.facade",
    "StreamName": "dsmil.events.enums",
    "Severity": "dsmil.events.enums",
    "EventCategory": "dsmil.events.enums",
    "HotPathDB": "dsmil.store.hot",
    "SOCRouter": "dsmil.soc.facade",
    "SOCRouterConfig": "dsmil.soc.facade",
    "SHRINKClient": "dsmil.soc.facade",
}
"""The documented imports, loaded when first asked for: `import dsmil` itself stays under a millisecond."""

__all__ = [  # noqa: PLE0604 - names come from the table above
    *_WHERE,
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'dsmil' has no attribute {name!r}")
