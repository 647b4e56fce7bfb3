"""The closed vocabularies of the envelope and the names of the streams.

Each is a `StrEnum`, so its member is its own JSON text. Severity can be compared and raised.
"""

from __future__ import annotations

from enum import IntFlag, StrEnum

_SEVERITY_ORDER = ("LOW", "MEDIUM", "HIGH", "CRITICAL")


class Severity(StrEnum):
    """How bad it is. `MODERATE` and `INFO` of earlier designs map to MEDIUM and LOW."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"

    @property
    def rank(self) -> int:
        """0 for LOW up to 3 for CRITICAL."""
        return _SEVERITY_ORDER.index(self.value)

    def raised(self, levels: int = 1) -> Severity:
        """This severity `levels` higher; CRITICAL saturates."""
        return Severity(_SEVERITY_ORDER[min(3, self.rank + levels)])

    @staticmethod
    def parse(text: str) -> Severity:
        """Read a severity in any case, with the earlier designs' words; ValueError names the choices."""
        word = text.strip().upper()
        word = {"MODERATE": "MEDIUM", "INFO": "LOW"}.get(word, word)
        if word not in _SEVERITY_ORDER:
            raise ValueError(f"severity {text!r} is none of {', '.join(_SEVERITY_ORDER)}")
        return Severity(word)


def highest(*severities: Severity) -> Severity:
    """The worst of some severities."""
    return max(severities, key=lambda severity: severity.rank)


class Category(StrEnum):
    """What field an event belongs to."""

    AUTH = "AUTH"
    NETWORK = "NETWORK"
    SYSTEM = "SYSTEM"
    APP = "APP"
    INTEL = "INTEL"
    SECURITY = "SECURITY"


EventCategory = Category
"""The documented name of `Category`."""


class Compartment(StrEnum):
    """Who may see it; `GENERAL` unless said otherwise."""

    GENERAL = "GENERAL"
    CRYPTO = "CRYPTO"
    SIGNALS = "SIGNALS"
    NUCLEAR = "NUCLEAR"
    WEAPONS = "WEAPONS"
    COMMS = "COMMS"
    SENSORS = "SENSORS"
    MAINT = "MAINT"
    EMERGENCY = "EMERGENCY"


class CompartmentBit(IntFlag):
    """The compartment mask of devices 15 to 22."""

    CRYPTO = 0x01
    SIGNALS = 0x02
    NUCLEAR = 0x04
    WEAPONS = 0x08
    COMMS = 0x10
    SENSORS = 0x20
    MAINT = 0x40
    EMERGENCY = 0x80


class TsBasis(StrEnum):
    """Where an event's `ts` comes from: the record itself, or the moment of its arrival."""

    SOURCE = "source"
    INGEST = "ingest"


class DeviceState(StrEnum):
    """What `device_status` says of a device."""

    ONLINE = "ONLINE"
    OFFLINE = "OFFLINE"
    BUSY = "BUSY"
    ERROR = "ERROR"


class StreamName(StrEnum):
    """Every stream. The first thirteen are the documented ones."""

    L3_IN = "L3_IN"
    L3_OUT = "L3_OUT"
    L4_IN = "L4_IN"
    L4_OUT = "L4_OUT"
    L5_IN = "L5_IN"
    L5_OUT = "L5_OUT"
    L6_IN = "L6_IN"
    L6_OUT = "L6_OUT"
    L7_IN = "L7_IN"
    L7_OUT = "L7_OUT"
    SOC_EVENTS = "SOC_EVENTS"
    L8_ALERTS = "L8_ALERTS"
    L9_COMMANDS = "L9_COMMANDS"
    GRAPH_EVENTS = "GRAPH_EVENTS"
    CONTROL = "CONTROL"
    MEMORY_EVENTS = "MEMORY_EVENTS"
    PIPELINE_CRITICAL = "PIPELINE_CRITICAL"
    PIPELINE_HIGH = "PIPELINE_HIGH"
    PIPELINE_NORMAL = "PIPELINE_NORMAL"
    PIPELINE_LOW = "PIPELINE_LOW"
    DEAD_LETTER = "DEAD_LETTER"


DOCUMENTED_STREAMS: tuple[StreamName, ...] = tuple(StreamName)[:13]
"""What `initialize_streams()` answers for."""
