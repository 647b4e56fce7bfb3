"""Devices stand as their daemons do, others as the hot database says; what is away is left out, not made up."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from dsmil.clock import FakeClock
from dsmil.config import Settings
from dsmil.events.enums import DeviceState
from dsmil.runtime.health import State
from dsmil.store.hot import HotPathDB, config_of
from dsmil.store.presence import Standing
from dsmil.watch import standing
from dsmil.watch.readings import DaemonReading

pytestmark = pytest.mark.live


def test_a_daemons_own_device_goes_by_its_heartbeat_and_an_instance_speaks_for_none(
    settings: Settings, clock: FakeClock
) -> None:
    hot = HotPathDB(config_of(settings), clock=clock)
    hot.set_standing([Standing(16, DeviceState.ONLINE), Standing(53, DeviceState.ONLINE, memory_mb=64.0)])
    daemons = [
        DaemonReading(daemon="l3", state=State.ABSENT),
        DaemonReading(daemon="drainer", state=State.READY),
        DaemonReading(daemon="ais-playback@harbour", state=State.DEGRADED),
    ]
    found = standing.states(settings, daemons, clock.now())
    assert found == {16: "OFFLINE", 53: "ONLINE", 14: "ONLINE"}
    clock.advance(3600)
    assert standing.states(settings, daemons, clock.now())[53] == "OFFLINE"
    row = next(row for row in standing.layers(settings) if row.layer == 8)
    assert (row.devices_active, row.memory_bytes, row.tops_used) == (1, 64 << 20, 0.0)
    hot.disconnect()


def test_what_is_not_there_is_left_out(settings: Settings) -> None:
    assert standing.states(settings, [], 0.0) == {} and standing.layers(settings) == []
    assert standing.sizes(settings) == {}
    settings.paths.hot_db.write_bytes(b"no database")
    assert standing.states(settings, [], 0.0) == {}


def test_sizes_and_disks_are_told_each_for_itself(settings: Settings) -> None:
    settings.paths.ingest_db.parent.mkdir()
    settings.paths.ingest_db.write_bytes(b"x" * 100)
    settings.paths.ingest_db.with_name("ingest.db-wal").write_bytes(b"x" * 11)
    # A folder that may not be looked into costs the others nothing.
    paths = msgspec.structs.replace(settings.paths, data=settings.paths.data, hot=Path("/proc/1/map_files/none"))
    partly = msgspec.structs.replace(settings, paths=paths)
    assert standing.sizes(partly) == {"ingest": 111}
    assert set(standing.disks(settings)) == {"data", "hot"} and set(standing.disks(partly)) == {"data"}
    free, size = standing.disks(settings)["data"]
    assert 0 <= free <= size
