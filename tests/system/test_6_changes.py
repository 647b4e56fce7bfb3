"""Upgrades lose nothing, choices and edited files are kept, and going away leaves nothing but the recorded events.

Each on a small machine of its own without a network, installed `--offline`; Python and Redis are there already.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dsmil.store.segments import listing
from tests.system import tree
from tests.system.conftest import export
from tests.system.digest import State, changes, state
from tests.system.fabric import API_PORT, HOT_DB, MEMBER, MOUNT, OFFLINE, REDIS, STRANGER, UNITS, Fabric
from tests.system.traffic import Audit, Sent, Udp

DROP = "/var/lib/dsmil/drop/ais"
STEP = "CREATE TABLE IF NOT EXISTS of_the_next_version (at REAL NOT NULL);\n"
STORES = {"loss": "audit/loss.db", "ingest": "ingest/ingest.db", "graph": "graph/graph.db",
          "operators": "operators/operators.db"}  # fmt: skip
"""Below /var/lib/dsmil; of the audit's segments the newest is migrated."""
LINE = "# One line more in this version.\n"
FSTAB = "tmpfs /mnt/dsmil-ram tmpfs size=80m,mode=0770 0 0"
DATA, REDIS_FILES = ("var/lib/dsmil",), ("var/lib/redis", "var/log/redis", "mnt/dsmil-ram")
PEOPLE = ("etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-")
"""The tools that edit users keep the file before the last change beside it."""


@pytest.fixture(scope="module")
def changing(boot: Callable[..., Any], wheels: Path) -> Iterator[Fabric]:
    """A machine whose checkout can be changed."""
    own = export(tree.cache() / "machines" / f"changing-{os.getpid()}")
    yield Fabric(boot("dsmil-change", tree.stocked(), checkout=own, wheels=wheels))
    shutil.rmtree(own, ignore_errors=True)


@pytest.fixture(scope="module")
def untouched(changing: Fabric) -> State:
    """The machine before anything."""
    return state(changing.machine.root, without=PEOPLE)


def test_an_upgrade_migrates_keeps_what_was_edited_and_loses_nothing(
    changing: Fabric, untouched: State, show: Any
) -> None:
    """The newer version has one more step in every schema and another settings file; sentences arrive meanwhile."""
    changing.set_up(*OFFLINE)
    changing.ready()
    machine, sent = changing.machine, Sent()
    machine.write(f"{DROP}/before.nmea", sent.lines(200), user=MEMBER)
    machine.run("sed -i 's/^#level = .*/level = \"DEBUG\"/' /etc/dsmil/dsmil.toml")
    edited, was = machine.read("/etc/dsmil/dsmil.toml"), _newest(machine.checkout)
    release = machine.say("readlink -f /opt/dsmil/current")
    for family, number in was.items():
        (machine.checkout / f"sql/{family}/{number + 1:04d}_next.sql").write_text(STEP)
    with (machine.checkout / "etc/dsmil.toml").open("a") as file:
        file.write(LINE)
    with Udp(machine, sent) as load:
        changing.set_up(*OFFLINE)
        changing.ready()
    sent.promised |= load.numbers
    show(f"upgrade under load: {changing.took_s:.0f} s", upgrade_s=round(changing.took_s, 1))
    _nothing_lost(changing, sent, load)
    assert machine.say("readlink -f /opt/dsmil/current") != release
    assert machine.say("ls /opt/dsmil/releases | wc -l") == "1", "the old program is gone"
    data = machine.root / "var/lib/dsmil"
    stores = {family: data / name for family, name in STORES.items()} | {"audit": listing(data / "audit")[-1]}
    assert {family: _version(path) for family, path in stores.items()} == {one: was[one] + 1 for one in stores}
    assert machine.say(["sqlite3", HOT_DB, "PRAGMA user_version"], user=MEMBER) == str(was["hot"] + 1)
    assert machine.read("/etc/dsmil/dsmil.toml") == edited
    assert machine.read("/etc/dsmil/dsmil.toml.dist").decode().endswith(LINE)
    assert "dsmil.toml.dist" in changing.said


def _nothing_lost(fabric: Fabric, sent: Sent, load: Udp) -> None:
    audit = Audit(fabric.machine)
    there = lambda: sent.promised <= audit.vessels().keys()  # noqa: E731
    fabric.machine.until("everything sent is audited", there, within_s=30.0, every_s=0.5)
    assert load.refused == 0
    assert max(audit.vessels().values()) == 1
    assert audit.doubles() == 0


def _newest(checkout: Path) -> dict[str, int]:
    return {
        folder.name: max(int(path.name[:4]) for path in folder.glob("*.sql"))
        for folder in (checkout / "sql").iterdir()
    }


def _version(path: Path) -> int:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_a_unit_switched_off_stays_off(changing: Fabric) -> None:
    changing.machine.run("systemctl disable --now dsmil-net-parser.service")
    changing.set_up(*OFFLINE)
    assert not changing.machine.active("dsmil-net-parser.service")
    changing.machine.run("systemctl enable --now dsmil-net-parser.service")
    changing.ready()


def test_the_port_can_be_switched_off_and_on(changing: Fabric) -> None:
    changing.set_up(*OFFLINE, "--no-port")
    changing.ready()
    assert changing.machine.run("redis-cli PING", check=False).stdout.strip() != "PONG"
    assert changing.redis("PING") == "PONG"
    changing.set_up(*OFFLINE)
    assert changing.machine.run("redis-cli PING", check=False).stdout.strip() != "PONG", "the choice is kept"
    changing.set_up(*OFFLINE, "--port")
    changing.ready()
    _until_open(changing)


HOLD = "import socket, time; s = socket.create_server(('127.0.0.1', 6379)); time.sleep(600)"


def test_a_port_that_is_taken_takes_nothing_else_down(changing: Fabric) -> None:
    """Somebody has it when Redis comes back; the suite runs, the alert speaks, and once it is free it is opened."""
    machine, admit = changing.machine, "dsmil-redis-admit.service"
    machine.run(f"systemctl stop {REDIS}")
    machine.run(["systemd-run", "--unit=holder", f"--uid={STRANGER}", "python3", "-c", HOLD])
    machine.until("the port held", lambda: ":18EB" in machine.say("cat /proc/net/tcp"))
    machine.run(f"systemctl start {REDIS}")
    failed = lambda: machine.run(f"systemctl is-failed {admit}", check=False).stdout.strip() == "failed"  # noqa: E731
    machine.until("the admission failed", failed)
    changing.ready()
    assert changing.redis("PING") == "PONG"
    assert machine.show(REDIS, "NRestarts")["NRestarts"] == "0"
    said = machine.say(f"journalctl -u {admit} -n 20 -o cat")
    assert "ss -lntp" in said and "6379" in said
    told = lambda: admit in machine.say("journalctl DSMIL_EVENT=unit_failed -o cat")  # noqa: E731
    machine.until("the alert", told)
    machine.run(f"systemctl stop holder && systemctl restart {admit}")
    _until_open(changing)
    assert "NOPERM" in machine.say("redis-cli XADD L3_OUT '*' event x")


def test_the_port_of_the_api_taken_is_said_with_its_mend_and_the_rest_runs(changing: Fabric) -> None:
    machine = changing.machine
    machine.run("systemctl stop dsmil-api")
    hold = HOLD.replace("6379", str(API_PORT))
    machine.run(["systemd-run", "--unit=holder", f"--uid={STRANGER}", "python3", "-c", hold])
    machine.until("the port held", lambda: f":{API_PORT:04X}" in machine.say("cat /proc/net/tcp"))
    done = changing.set_up(*OFFLINE, check=False)
    assert done.returncode == 1 and f"127.0.0.1:{API_PORT}" in changing.said, changing.said
    assert "ss -lntup" in changing.said and "systemctl edit dsmil-api.socket" in changing.said
    assert machine.active(*(unit for unit in UNITS if unit != "dsmil-api.service"), REDIS)
    machine.run("systemctl stop holder")
    changing.set_up(*OFFLINE)
    changing.ready()


def _until_open(changing: Fabric) -> None:
    machine = changing.machine
    machine.until("the port open", lambda: machine.run("redis-cli PING", check=False).stdout.strip() == "PONG")


def test_the_tmpfs_can_be_resized(changing: Fabric) -> None:
    changing.set_up(*OFFLINE, "--tmpfs-size", "96M")
    assert changing.machine.say("findmnt -bno SIZE /mnt/dsmil-ram") == str(96 << 20)
    changing.ready()


def test_uninstall_leaves_nothing_but_the_data(changing: Fabric, untouched: State) -> None:
    machine, rows = changing.machine, Audit(changing.machine).count()
    changing.set_up("--uninstall")
    left = changes(untouched, state(machine.root, without=(*DATA, *PEOPLE)))
    assert not left, "\n".join(left)
    units = machine.say("systemctl list-units --all --plain --no-legend 'dsmil*' 'mnt-dsmil*'").splitlines()
    assert not [line for line in units if " not-found " not in line]
    assert machine.run("findmnt /mnt/dsmil-ram", check=False).returncode != 0
    assert Audit(machine).count() >= rows
    assert machine.say("ps -eo args | grep -c '[d]smil[.-]'; true") == "0"


@pytest.fixture(scope="module")
def crowded(changing: Fabric, untouched: State) -> Iterator[State]:
    """The machine as somebody else uses it: a Redis at 6379, a line in fstab for the tmpfs."""
    run = changing.machine.run
    run(f"mkdir -p /mnt/dsmil-ram && echo '{FSTAB}' >> /etc/fstab && systemctl daemon-reload")
    run(f"systemctl start '{MOUNT}' && systemctl enable --now redis-server")
    yield state(changing.machine.root, without=(*DATA, *PEOPLE, *REDIS_FILES))
    run("systemctl disable --now redis-server; umount /mnt/dsmil-ram; sed -i '/dsmil-ram/d' /etc/fstab")
    run("systemctl daemon-reload; rmdir /mnt/dsmil-ram")


def test_a_set_up_that_fails_says_what_to_do(changing: Fabric, crowded: State) -> None:
    """With a wheelhouse that is empty."""
    changing.machine.run("mkdir -p /tmp/empty")
    done = changing.set_up("--offline", "/tmp/empty", check=False)
    assert done.returncode == 1, done.stdout
    assert "to mend it:" in changing.said, changing.said
    assert "Traceback" not in changing.said
    assert changing.machine.say("systemctl list-units --plain --no-legend --state=failed") == ""


def test_installed_again_it_finds_its_data_and_leaves_others_alone(changing: Fabric, crowded: State) -> None:
    """Port 6379 is the distribution's, the tmpfs is fstab's: both stay theirs, and set-up says what to do."""
    machine, rows = changing.machine, Audit(changing.machine).count()
    changing.set_up(*OFFLINE)
    changing.ready()
    assert Audit(machine).count() >= rows > 0
    assert machine.run("dsmil audit verify", user=MEMBER).returncode == 0
    assert machine.active("redis-server.service", REDIS)
    assert machine.say("redis-cli SET mine 1") == "OK", "6379 is still the distribution's own"
    exact = re.findall(r"redis-cli -s /run/dsmil-redis/redis\.sock[^\n`']*", changing.said)
    assert exact, changing.said
    said = machine.say(exact[0].strip().rstrip("."), user=MEMBER)
    assert "radix-tree" in said or said, exact[0]
    assert FSTAB in machine.read("/etc/fstab").decode()
    assert machine.say("findmnt -bno SIZE /mnt/dsmil-ram") == str(80 << 20)
    assert not (machine.root / "etc/systemd/system" / MOUNT).exists()


def test_purge_leaves_nothing(changing: Fabric, crowded: State) -> None:
    for _ in range(2):
        changing.set_up("--uninstall", "--purge")
        left = changes(crowded, state(changing.machine.root, without=(*PEOPLE, *REDIS_FILES)))
        assert not [line for line in left if "var/lib/dsmil" not in line], "\n".join(left)
        assert not (changing.machine.root / "var/lib/dsmil").exists()
    assert changing.machine.active("redis-server.service")


def test_one_daemon_alone_at_the_redis_of_others(changing: Fabric, crowded: State) -> None:
    """`--no-redis` with REDIS_URL, and `--only`."""
    machine, url = changing.machine, "redis://127.0.0.1:6379/3"
    changing.set_up(*OFFLINE, "--no-redis", "--only", "soc-router", REDIS_URL=url)
    machine.until("the router ready", lambda: machine.active("dsmil-soc-router.service", "dsmil.target"))
    machine.until("its heartbeat", lambda: machine.say("redis-cli -n 3 EXISTS dsmil:hb:soc-router") == "1")
    there = machine.say("systemctl list-units --plain --no-legend --type=service 'dsmil-*'")
    assert not [unit for unit in (*UNITS, REDIS) if unit in there and unit != "dsmil-soc-router.service"], there
    changing.set_up("--uninstall", "--purge")
