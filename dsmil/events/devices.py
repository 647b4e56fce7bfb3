"""The registry of all 104 devices: layer, name, tokens, clearance, and what each holds here.

The map is settled in design 1 (device id mapping): ids 0-103, token = 0x8000 + 3 * device + offset.
"""

from __future__ import annotations

from msgspec import Struct

DEVICES_MAX = 104
TOKEN_BASE = 0x8000
STATUS, CONFIG, DATA = 0, 1, 2

LAYER_NAMES = (
    "LOCKED", "PUBLIC", "TRAINING", "SECRET", "TOP_SECRET", "COSMIC", "ATOMAL", "EXTENDED", "ENHANCED_SEC",
    "EXECUTIVE",
)  # fmt: skip


class Device(Struct, frozen=True):
    """One logical device. `tokens` are (STATUS, CONFIG, DATA); `clearance` is its layer's byte four times."""

    id: int
    layer: int
    name: str
    tokens: tuple[int, int, int]
    clearance: int
    note: str = ""


_NAMES = (
    "System Control", "TPM", "Management Engine", "Performance Monitor", "ML Inference Engine", "Network",
    "Storage", "Power", "Display", "Audio", "USB", "Telemetry", "Clearance Storage", "Session Manager",
    "Audit Logger",
    "CRYPTO", "SIGNALS", "NUCLEAR", "WEAPONS", "COMMS", "SENSORS", "MAINT", "EMERGENCY",
    "Mission Planning", "Strategic Analysis", "Intel Fusion", "Command Decision", "Tactical Analysis",
    "Resource Allocation", "Threat Assessment", "Coalition Intel",
    "Predictive Analytics 1", "Predictive Analytics 2", "Pattern Recognition", "Coalition Analytics",
    "Threat Forecasting", "Global Correlation",
    "ATOMAL Fusion 1", "ATOMAL Fusion 2", "NC3 Link", "Strategic", "Tactical", "Archive",
    "Extended Analytics", "Cross-Domain Fusion", "Enhanced Prediction", "Quantum Integration",
    "Advanced AI/ML", "Strategic Planning", "Global Intelligence", "Autonomous Systems",
    "Adversarial ML Defense", "Security Analytics/SOC Router", "Crypto AI", "Threat Intel",
    "Behavioral Biometrics", "Secure Enclave", "Network Security AI", "SOAR",
    "Strategic Planning", "Decision Support", "NC3 Integration", "Global Situational Awareness",
)  # fmt: skip

_LAYER_RANGES = ((15, 22, 3), (23, 30, 4), (31, 36, 5), (37, 42, 6), (43, 50, 7), (51, 58, 8), (59, 62, 9))

_NOTES = {
    10: "rf-ingest", 11: "ais-playback", 5: "net-parser", 14: "drainer", 52: "soc-router",
    16: "l3: rf.*", 19: "l3: net.*", 20: "l3: ais.*", 21: "l3: source.*", 22: "l3: ais.distress",
    15: "registered, holds no detector yet", 17: "registered, holds no detector",
    18: "registered, holds no detector",
    25: "l4: links", 27: "l4: tactical", 83: "read-only, never acted on",
    **dict.fromkeys((51, 53, 54, 55, 56, 57, 58), "l8"),
    **dict.fromkeys((23, 24, 26, 28, 29, 30), "registered, idle"),
}  # fmt: skip


def _layer(device: int) -> int:
    if device == 4:  # the ML inference engine is layer 2; the other system devices are layer 0
        return 2
    return next((layer for low, high, layer in _LAYER_RANGES if low <= device <= high), 0)


def _device(device: int) -> Device:
    layer = _layer(device)
    name = _NAMES[device] if device < len(_NAMES) else "Emergency Stop" if device == 83 else "Reserved"
    first = TOKEN_BASE + 3 * device
    return Device(device, layer, name, (first, first + 1, first + 2), layer * 0x01010101, _NOTES.get(device, ""))


DEVICES: tuple[Device, ...] = tuple(_device(number) for number in range(DEVICES_MAX))


def token(device: int, offset: int = STATUS) -> int:
    """The token of a device; ValueError outside 0..103 or STATUS, CONFIG, DATA."""
    if not 0 <= device < DEVICES_MAX or offset not in (STATUS, CONFIG, DATA):
        raise ValueError(f"device {device}, offset {offset}: device is 0..103, offset 0..2")
    return TOKEN_BASE + 3 * device + offset


def from_token(value: int) -> tuple[Device, int]:
    """The device and offset of a token; ValueError outside 0x8000..0x8137."""
    device, offset = divmod(value - TOKEN_BASE, 3)
    if not 0 <= device < DEVICES_MAX:
        raise ValueError(f"token {value:#06x} is outside 0x8000..0x8137")
    return DEVICES[device], offset


def of_layer(layer: int) -> tuple[Device, ...]:
    """The devices of one layer, in order of id."""
    return tuple(device for device in DEVICES if device.layer == layer)
