"""Keeps the rows of some devices in device_status: ONLINE with a fresh heartbeat, OFFLINE once stopped.

A killed daemon writes nothing any more; readers take a heartbeat older than their time-out for OFFLINE.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from dsmil.clock import Clock
from dsmil.events.devices import DEVICES
from dsmil.events.enums import DeviceState

SILENT_AFTER_S = 90.0
"""Three missed rows: from then on an ONLINE row is taken for OFFLINE."""


def state_of(status: str, last_heartbeat: float, now: float) -> DeviceState:
    """What a row of device_status says at `now` (Unix seconds): its own word while its heartbeat is fresh."""
    return DeviceState.OFFLINE if now - last_heartbeat > SILENT_AFTER_S else DeviceState(status)


class StatusRows(Protocol):
    """The part of the hot database that holds device_status; False where it cannot be written now."""

    @property
    def set_status(self) -> Callable[..., bool]:
        """Writes a row: device, layer, name, state, metadata."""


class Presence:
    """Rows of `devices`, written each `every_s` seconds at most."""

    def __init__(self, hot: StatusRows, devices: Sequence[int], *, every_s: float, clock: Clock) -> None:
        self._hot = hot
        self._devices = [DEVICES[number] for number in devices]
        self._every_s = every_s
        self._clock = clock
        self._due = 0.0

    def show(self, meta: Mapping[str, Any]) -> None:
        """Say ONLINE, if it is time; tried again soon where the hot database is away."""
        if self.due and self._write(DeviceState.ONLINE, meta):
            self._due = self._clock.monotonic() + self._every_s

    @property
    def due(self) -> bool:
        """Whether the next `show` will write."""
        return self._clock.monotonic() >= self._due

    def leave(self) -> None:
        """Say OFFLINE."""
        self._write(DeviceState.OFFLINE, {})

    def _write(self, state: DeviceState, meta: Mapping[str, Any]) -> bool:
        return all(
            self._hot.set_status(device.id, device.layer, device.name, state, meta) for device in self._devices
        )
