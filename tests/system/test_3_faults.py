"""Whatever is killed, stopped, unmounted or switched off comes back by itself, and no event is lost or doubled."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.fabric import HOT_DB, MEMBER, MOUNT, REDIS, UNITS, Fabric
from tests.system.traffic import Audit, Sent, Udp

DROP = "/var/lib/dsmil/drop/ais"
GRAPH_DB = "/var/lib/dsmil/graph.db"
KILLED_S_MAX, AFTER_WATCHDOG_S, STOP_S_MAX = 5.0, 5.0, 10.0
REFILL_S_MAX, REBOOT_S_MAX = 45.0, 90.0
STOPS_VARIABLE = "DSMIL_TEST_STOPS"
"""`turn`: stop each daemon in its turn, half a minute each; else all at the same moment."""
BROKEN = "/etc/dsmil/conf.d/99-broken.toml"


def feed(fabric: Fabric, sent: Sent, count: int = 60) -> None:
    """Drop a recording that must reach the audit log."""
    text = sent.lines(count)
    fabric.machine.write(f"{DROP}/{len(sent.promised)}.nmea", text, user=MEMBER)


def arrived(fabric: Fabric, sent: Sent, *, within_s: float = 60.0) -> None:
    """Wait until everything promised is in the audit log."""
    audit = Audit(fabric.machine)
    what = "everything sent is audited"
    fabric.machine.until(what, lambda: sent.promised <= audit.vessels().keys(), within_s=within_s, every_s=1.0)


def restarts(fabric: Fabric, unit: str) -> int:
    return int(fabric.machine.show(unit, "NRestarts")["NRestarts"])


def back(fabric: Fabric, unit: str, times: int, *, within_s: float) -> float:
    """Wait until a unit has been restarted by systemd and is ready; the moment it became so, as clock_monotonic."""

    def ready() -> float:
        about = fabric.machine.show(unit, "NRestarts", "ActiveState", "ActiveEnterTimestampMonotonic")
        there = int(about["NRestarts"]) > times and about["ActiveState"] == "active"
        return int(about["ActiveEnterTimestampMonotonic"]) / 1e6 if there else 0.0

    return fabric.machine.until(f"{unit} back", ready, within_s=within_s)


@pytest.mark.parametrize("unit", [*UNITS, REDIS])
def test_killed_it_is_ready_again_within_five_seconds(fabric: Fabric, sent: Sent, show: Any, unit: str) -> None:
    feed(fabric, sent)
    times, began = restarts(fabric, unit), time.monotonic()
    fabric.machine.run(["systemctl", "kill", "-s", "KILL", "--kill-whom=main", unit])
    took = back(fabric, unit, times, within_s=KILLED_S_MAX + 10.0) - began
    show(f"killed: {unit} ready again after {took:.1f} s", **{f"killed_{unit}_s": round(took, 2)})
    assert took <= KILLED_S_MAX
    fabric.ready()


def _rounds() -> list[tuple[str, ...]]:
    return [(unit,) for unit in UNITS] if os.environ.get(STOPS_VARIABLE) == "turn" else [UNITS]


@pytest.mark.parametrize("units", _rounds(), ids=lambda units: units[0] if len(units) == 1 else "all")
def test_stopped_dead_the_watchdog_brings_it_back(
    fabric: Fabric, sent: Sent, show: Any, units: tuple[str, ...]
) -> None:
    feed(fabric, sent)
    watchdog = {unit: _seconds(fabric.machine.show(unit, "WatchdogUSec")["WatchdogUSec"]) for unit in units}
    times = {unit: restarts(fabric, unit) for unit in units}
    began = time.monotonic()
    fabric.machine.run(["systemctl", "kill", "-s", "STOP", "--kill-whom=main", *units])
    for unit in units:
        assert 0 < watchdog[unit] <= 30, f"{unit} has no watchdog"
        took = back(fabric, unit, times[unit], within_s=watchdog[unit] + AFTER_WATCHDOG_S + 20.0) - began
        show(f"stopped dead: {unit} ready again after {took:.1f} s", **{f"stopped_{unit}_s": round(took, 2)})
        assert took <= watchdog[unit] + AFTER_WATCHDOG_S
    fabric.ready()
    arrived(fabric, sent)


def _seconds(text: str) -> float:
    """systemd's `30s` or `1min 30s`."""
    words = re.findall(r"([\d.]+)(min|ms|s)\b", text)
    return sum(float(number) * {"min": 60.0, "s": 1.0, "ms": 0.001}[unit] for number, unit in words)


@pytest.fixture
def load(fabric: Fabric, sent: Sent) -> Iterator[Udp]:
    """Sentences by UDP all the while, every one of them promised: nobody who holds one is killed."""
    with Udp(fabric.machine, sent) as running:
        yield running
    sent.promised |= running.numbers
    arrived(fabric, sent)
    assert running.refused == 0


@pytest.mark.parametrize("how", ["restart", "kill -s KILL --kill-whom=main"])
def test_redis_goes_and_comes_under_load(fabric: Fabric, load: Udp, how: str) -> None:
    clients = restarts(fabric, UNITS[0])
    time.sleep(1.0)
    fabric.machine.run(f"systemctl {how} {REDIS}")
    fabric.ready()
    time.sleep(1.0)
    assert restarts(fabric, UNITS[0]) == clients, "daemons wait for Redis, they do not end with it"


def test_a_restart_of_the_receiver_loses_no_datagram(fabric: Fabric, load: Udp) -> None:
    """systemd holds the port; what comes meanwhile waits in it."""
    time.sleep(0.5)
    for _ in range(2):
        fabric.machine.run("systemctl restart dsmil-ais-playback")
        time.sleep(0.5)


@pytest.mark.parametrize("how", ["umount -l /mnt/dsmil-ram", f"systemctl stop '{MOUNT}'"])
def test_the_tmpfs_goes_and_the_hot_database_fills_itself_again(
    fabric: Fabric, sent: Sent, show: Any, how: str
) -> None:
    had = _rows(fabric, "soc_events_cache")
    assert had > 0
    inode = fabric.machine.say(f"stat -c %d:%i {HOT_DB}")
    fabric.machine.run(how)

    def filled() -> bool:
        # A tmpfs mounted anew is another device.
        other = fabric.machine.run(f"stat -c %d:%i {HOT_DB}", check=False).stdout.strip()
        return other not in ("", inode) and _rows(fabric, "soc_events_cache") >= had

    began = time.monotonic()
    fabric.machine.until("filled again", filled, within_s=REFILL_S_MAX, every_s=0.5)
    show(f"{how}: hot database filled again after {time.monotonic() - began:.1f} s")
    assert fabric.machine.say("findmnt -no FSTYPE /mnt/dsmil-ram") == "tmpfs"
    feed(fabric, sent)
    before = time.time()

    def lively() -> bool:
        return _rows(fabric, f"device_status WHERE last_heartbeat > {before}") > 0

    fabric.machine.until("daemons write to it", lively, within_s=40.0, every_s=0.5)
    fabric.ready()


def _rows(fabric: Fabric, where: str) -> int:
    done = fabric.machine.run(["sqlite3", HOT_DB, f"SELECT count(*) FROM {where}"], user=MEMBER, check=False)
    return int(done.stdout) if done.returncode == 0 else 0


def test_a_broken_configuration_keeps_one_daemon_down_and_says_so(fabric: Fabric, sent: Sent) -> None:
    unit, others = "dsmil-l8.service", [one for one in UNITS if one != "dsmil-l8.service"]
    machine = fabric.machine
    machine.write(BROKEN, '[l8]\nbatch = "many"\n')
    machine.run("chmod 0644 " + BROKEN)
    try:
        assert machine.run(["systemctl", "restart", unit], check=False).returncode != 0
        about = machine.show(unit, "ActiveState", "ExecMainStatus", "NRestarts")
        assert (about["ActiveState"], about["ExecMainStatus"]) == ("failed", "78"), about
        feed(fabric, sent)
        time.sleep(3.0)
        assert machine.show(unit, "ActiveState", "ExecMainStatus", "NRestarts") == about, "it stays down"
        assert machine.active(*others, REDIS)

        def alerted() -> bool:
            lines = machine.journal("dsmil-alert@*")
            return any("dsmil-l8" in str(line["MESSAGE"]) and int(line["PRIORITY"]) <= 3 for line in lines)

        machine.until("an alert in the journal", alerted, within_s=10.0, every_s=0.5)
        said = " ".join(str(line["MESSAGE"]) for line in machine.journal(unit, lines=20))
        assert "batch" in said and BROKEN in said, "the journal names the key and the file"
    finally:
        machine.run(["rm", BROKEN])
    machine.run(["systemctl", "restart", unit])
    fabric.ready()


def test_row_14_every_daemon_ends_cleanly_when_asked(fabric: Fabric, sent: Sent, show: Any) -> None:
    slowest = 0.0
    for unit in UNITS:
        feed(fabric, sent, 30)
        began = time.monotonic()
        fabric.machine.run(["systemctl", "stop", unit])
        took = time.monotonic() - began
        about = fabric.machine.show(unit, "Result", "ExecMainStatus", "ActiveState")
        assert about == {"Result": "success", "ExecMainStatus": "0", "ActiveState": "inactive"}, unit
        assert took < STOP_S_MAX, unit
        slowest = max(slowest, took)
    show(f"clean stop: {slowest:.1f} s at most", clean_stop_s=round(slowest, 2))


def test_the_documented_starts_work(fabric: Fabric) -> None:
    run = fabric.machine.run
    run("systemctl stop dsmil.target")
    fabric.machine.until("all down", lambda: not any(fabric.machine.active(u) for u in (*UNITS, REDIS)))
    run("systemctl start dsmil-soc-router")
    assert fabric.machine.active("dsmil-soc-router.service", REDIS, MOUNT)
    run("systemctl start dsmil.target")
    fabric.ready()
    run("systemctl restart 'dsmil-*.service'", timeout=120)
    fabric.ready()


def test_after_a_reboot_everything_is_back(fabric: Fabric, sent: Sent, show: Any) -> None:
    had = int(fabric.redis("XLEN", "SOC_EVENTS"))
    rows = Audit(fabric.machine).count()
    graph = fabric.http("GET", "/health")[1]["sequence_id"]
    feed(fabric, sent)
    began = time.monotonic()
    fabric.machine.reboot()
    fabric.ready(within_s=REBOOT_S_MAX)
    show(f"reboot: everything ready again after {time.monotonic() - began:.1f} s",
         reboot_s=round(time.monotonic() - began, 1))  # fmt: skip
    assert fabric.machine.say("systemctl --failed --no-legend --plain") == ""
    assert int(fabric.redis("XLEN", "SOC_EVENTS")) >= had
    assert Audit(fabric.machine).count() >= rows
    assert fabric.http("GET", "/health")[1]["sequence_id"] >= graph > 0, "the graph goes on where it was"
    fabric.machine.until(
        "the hot database filled",
        lambda: _rows(fabric, "soc_events_cache") >= had,
        within_s=REFILL_S_MAX,
        every_s=0.5,
    )


def test_after_all_this_nothing_is_lost_and_nothing_is_doubled(fabric: Fabric, sent: Sent, show: Any) -> None:
    arrived(fabric, sent)
    audit = Audit(fabric.machine)
    vessels = audit.vessels()
    lost = sent.promised - vessels.keys()
    twice = {number for number in sent.promised if vessels[number] > 1}
    show(f"audit: {len(sent.promised)} sent, lost {len(lost)}, duplicates {audit.doubles() + len(twice)}",
         sent=len(sent.promised), lost=len(lost), duplicates=audit.doubles() + len(twice))  # fmt: skip
    assert not lost
    assert not twice
    assert audit.doubles() == 0
    verified = json.loads(fabric.machine.say("dsmil audit verify --json", user=MEMBER))
    assert verified["ok"], verified
    losses = json.loads(fabric.machine.say("dsmil loss --json", user=MEMBER))
    assert not losses, losses


def test_every_vessel_that_was_sent_is_in_the_graph_and_the_keepers_agree(fabric: Fabric, sent: Sent) -> None:
    """graph.db, the API and Redis hold the same nodes, whatever was killed meanwhile."""
    token = fabric.machine.say("dsmil user token --role observer --expires 1h")

    def told() -> dict[str, Any]:
        return dict(fabric.http("GET", "/api/metrics", token=token)[1])

    def rows(kind: str) -> int:
        return int(
            fabric.machine.say(["sqlite3", "-readonly", GRAPH_DB, f"SELECT count(*) FROM {kind}"], user=MEMBER)
        )

    def agreed() -> bool:
        now = told()
        return now["stream"]["behind"] == 0 and (now["nodes"], now["edges"]) == (rows("nodes"), rows("edges"))

    fabric.machine.until("graph.db and the API agree", agreed, within_s=30.0, every_s=0.5)
    query = "SELECT id FROM nodes WHERE kind = 'vessel'"
    there = set(fabric.machine.say(["sqlite3", "-readonly", GRAPH_DB, query], user=MEMBER).split())
    assert {f"vessel:{number}" for number in sent.promised} <= there


def test_it_left_no_files_behind(fabric: Fabric) -> None:
    """No core dumps, no temporary files, nothing left in the drop folders."""
    left = fabric.machine.say("find /var/lib/dsmil -name 'core*' -o -path '*/drop/*' -type f -not -path '*/.*'")
    assert not [line for line in left.splitlines() if Path(line).suffix == ".nmea" and "/done/" not in line]
