"""A device is ONLINE while its rows are fresh, and OFFLINE once it stopped or fell silent."""

from __future__ import annotations

from pathlib import Path

from dsmil.clock import FakeClock
from dsmil.soc.presence import SILENT_AFTER_S, Presence, state_of
from dsmil.store.hot import HotPathDB


def row(hot: HotPathDB) -> tuple[str, float]:
    found = next(r for r in hot.get_device_statuses() if r["device_id"] == 52)
    assert (found["layer"], found["name"]) == (8, "Security Analytics/SOC Router")
    return found["status"], found["last_heartbeat"]


def test_row_10_a_killed_router_turns_offline_within_the_timeout(tmp_path: Path, clock: FakeClock) -> None:
    hot = HotPathDB(tmp_path / "hotpath.db", clock=clock)
    presence = Presence(hot, (52,), every_s=30.0, clock=clock)
    for _ in range(7):
        presence.show({"processed": 1})
        clock.advance(10)
        assert state_of(*row(hot), clock.now()) == "ONLINE"
    assert clock.now() - row(hot)[1] == 10, "written each 30 s, not at every call"
    clock.advance(SILENT_AFTER_S)  # killed: nobody writes any more
    assert row(hot)[0] == "ONLINE" and state_of(*row(hot), clock.now()) == "OFFLINE"


def test_a_stopped_router_says_so_itself(tmp_path: Path, clock: FakeClock) -> None:
    hot = HotPathDB(tmp_path / "hotpath.db", clock=clock)
    presence = Presence(hot, (52,), every_s=30.0, clock=clock)
    presence.show({})
    presence.leave()
    assert row(hot)[0] == "OFFLINE"


def test_an_absent_hot_database_is_tried_again(tmp_path: Path, clock: FakeClock) -> None:
    hot = HotPathDB(tmp_path / "gone" / "hotpath.db", clock=clock)
    presence = Presence(hot, (52,), every_s=30.0, clock=clock)
    presence.show({})
    (tmp_path / "gone").mkdir()
    clock.advance(2)
    presence.show({})
    assert row(hot)[0] == "ONLINE"
