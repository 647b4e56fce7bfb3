"""The SOC router, SHRINK, suppression and the Layer 8 workers.

Names of the original design that set these keys: SHRINK_URL, SHRINK_POLL_INTERVAL, BATCH_SIZE.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct


class SocRouter(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[soc_router]`: Device 52."""

    batch: Annotated[int, Meta(ge=1, le=5000)] = 200
    """Decisions read at once (BATCH_SIZE)."""
    window_s: Annotated[float, Meta(ge=1, le=86_400)] = 600.0
    """Seconds of event time in which the same decision on the same entity is a repeat, and signals join."""
    windows_max: Annotated[int, Meta(ge=100, le=1_000_000)] = 50_000
    """Open windows kept (about 700 bytes each); beyond it the oldest closes early."""
    rules_dir: Path = Path("/etc/dsmil/rules.d")
    """Directory of suppression rules, *.toml; absent means none."""
    shrink_url: Annotated[str, Meta(max_length=2048)] = "http://localhost:8500"
    """SHRINK server (SHRINK_URL); empty switches it off."""
    shrink_poll_s: Annotated[float, Meta(ge=0.05, le=3600)] = 1.0
    """Seconds between two polls of SHRINK (SHRINK_POLL_INTERVAL)."""
    shrink_timeout_s: Annotated[float, Meta(ge=0.05, le=10)] = 0.5
    """Seconds after which one poll of SHRINK has failed."""
    shrink_age_max_s: Annotated[float, Meta(ge=0, le=86_400)] = 30.0
    """Seconds for which the last values still escalate after SHRINK went away; older ones are only shown."""
    hot_flush_s: Annotated[float, Meta(ge=0.01, le=10)] = 0.25
    """Longest wait of a row before it is written to the hot database."""
    heartbeat_s: Annotated[float, Meta(ge=1, le=30)] = 30.0
    """Seconds between two rows of device 52 in device_status; a device silent for 60 s is OFFLINE."""


class L8(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[l8]`: the Layer 8 workers, devices 51 and 53 to 58."""

    batch: Annotated[int, Meta(ge=1, le=5000)] = 100
    """SOC events read at once."""
    heartbeat_s: Annotated[float, Meta(ge=1, le=30)] = 30.0
    """Seconds between two rows of the workers in device_status; a device silent for 60 s is OFFLINE."""
