"""The walls around each daemon stand: systemd's own judgement of the units, and Redis' of its users."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dsmil.events.enums import StreamName
from dsmil.fabric.topology import BY_NAME, USER_GROUP, USER_GROUP_STREAMS, Daemon
from tests.system.fabric import NAMES, REDIS, STRANGER, UNITS, Fabric
from tests.system.machine import CHECKOUT

PROJECT = Path(__file__).parents[2]
NETWORKED = {
    "dsmil-soc-router.service",
    "dsmil-redis.service",
    "dsmil-net-parser.service",
    "dsmil-ais-playback.service",
}
"""SHRINK by HTTP, the look-only port, nDPId's distributor, receivers by TCP: all others have no network."""
ALONE_MAX, NETWORKED_MAX = 0.3, 1.5
LOOKS = ("PING", "INFO", "XINFO STREAM L3_OUT", "XINFO GROUPS L3_OUT", "XLEN SOC_EVENTS", "XRANGE L3_OUT - + COUNT 1",
         "XREVRANGE L3_OUT + - COUNT 1", "XPENDING L3_OUT drainer")  # fmt: skip
FORBIDDEN = (
    "FLUSHALL", "FLUSHDB", "CONFIG GET *", "CONFIG SET maxmemory 1", "ACL LIST", "ACL SETUSER x on", "SHUTDOWN",
    "DEBUG SLEEP 0", "KEYS *", "EVAL return(1) 0", "SCRIPT FLUSH", "MONITOR", "SAVE", "REPLICAOF NO ONE",
    "MODULE LIST", "DEL L3_IN", "RENAME L3_IN x", "SWAPDB 0 1",
)  # fmt: skip


def test_systemd_finds_nothing_wrong_with_any_unit(fabric: Fabric) -> None:
    units = "$(find /etc/systemd/system -maxdepth 1 -type f -name '*dsmil*')"
    done = fabric.machine.run(f"systemd-analyze verify --man=no {units}", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "dsmil" not in done.stdout + done.stderr, done.stdout + done.stderr


def test_each_unit_is_walled_in(fabric: Fabric, show: Any) -> None:
    said = fabric.machine.say("systemd-analyze security --json=short --no-pager")
    scores = {one["unit"]: float(one["exposure"]) for one in json.loads(said) if one["unit"].startswith("dsmil")}
    lines = [f"  {score:4.1f}  {unit}" for unit, score in sorted(scores.items())]
    show("\n".join(["systemd-analyze security:", *lines]), exposure=scores)
    assert {*UNITS, REDIS} <= scores.keys()
    for unit, score in scores.items():
        assert score <= (NETWORKED_MAX if unit in NETWORKED else ALONE_MAX), unit


def test_only_those_that_need_it_have_a_network(fabric: Fabric) -> None:
    alone = {unit for unit in UNITS if fabric.machine.show(unit, "PrivateNetwork")["PrivateNetwork"] == "yes"}
    assert set(UNITS) - NETWORKED <= alone


def test_everybody_runs_without_privileges(fabric: Fabric) -> None:
    for unit in (*UNITS, REDIS):
        pid = fabric.machine.show(unit, "MainPID")["MainPID"]
        status = dict(line.split(":\t", 1) for line in fabric.machine.say(f"cat /proc/{pid}/status").splitlines()
                      if ":\t" in line)  # fmt: skip
        assert status["NoNewPrivs"] == "1", unit
        assert status["CapEff"].strip("0") == "" and status["CapBnd"].strip("0") == "", unit
        assert status["Seccomp"] == "2", unit
        assert status["Uid"].split()[0] != "0", unit


def test_daemons_cannot_read_each_others_credentials(fabric: Fabric) -> None:
    """The files are root's, and of what systemd hands out a unit sees its own alone."""
    for name in NAMES:
        done = fabric.machine.run(f"runuser -u dsmil -- cat /etc/dsmil/credentials/{name}", check=False)
        assert done.returncode != 0, name
        unit = f"dsmil-{name}.service"
        inside = f"/proc/{fabric.machine.show(unit, 'MainPID')['MainPID']}/root"
        assert fabric.machine.say(f"ls {inside}/run/credentials").split() == [unit]
        assert not fabric.machine.say(f"ls {inside}/etc/dsmil/credentials", check=False).strip()


@pytest.mark.parametrize("name", NAMES)
def test_a_daemon_is_refused_outside_its_own_streams(fabric: Fabric, name: str) -> None:
    daemon = BY_NAME[name]
    for command in _not_its_own(daemon):
        said = fabric.redis(*command.split(), user=name, check=False)
        assert "NOPERM" in said, f"{name} may {command}: {said[:200]}"
    for command in FORBIDDEN:
        said = fabric.redis("ACL", "DRYRUN", name, *command.split())
        # The janitor trims by a script, which may do no more than it may itself.
        assert said != "OK" or (name == "drainer" and command.startswith("EVAL")), f"{name} may {command}"
    for command in _its_own(daemon):
        said = fabric.redis("ACL", "DRYRUN", name, *command.split())
        assert said == "OK", f"{name} may not {command}: {said}"


def _not_its_own(daemon: Daemon) -> list[str]:
    """Writing elsewhere, reading elsewhere, reading as somebody else, speaking for somebody else."""
    others = [stream for stream in StreamName if stream not in daemon.writes and stream != StreamName.DEAD_LETTER]
    found = [f"XADD {stream} * event {{}}" for stream in others]
    unread = [stream for stream in StreamName if stream not in daemon.reads and stream not in daemon.writes]
    found += [f"XREADGROUP GROUP {daemon.name} probe COUNT 1 STREAMS {stream} >" for stream in unread
              if stream != StreamName.DEAD_LETTER]  # fmt: skip
    other = "l3" if daemon.name != "l3" else "l4"
    return [*found, f"SET dsmil:hb:{other} probe", f"DEL dsmil:hb:{other}", "SET probe 1"]


def _its_own(daemon: Daemon) -> list[str]:
    return [
        *(f"XADD {stream} * event x" for stream in daemon.writes),
        *(f"XREADGROUP GROUP {daemon.name} {daemon.name}-0 COUNT 1 STREAMS {stream} >" for stream in daemon.reads),
        *(f"XACK {stream} {daemon.name} 1-1" for stream in daemon.reads), f"SET dsmil:hb:{daemon.name} x",
    ]  # fmt: skip


def test_the_port_lets_anybody_look_and_no_more(fabric: Fabric) -> None:
    for command in LOOKS:
        said = fabric.machine.say(f"redis-cli {command}", user=STRANGER)
        assert not said.startswith(("NOPERM", "NOAUTH")), f"{command}: {said}"
    for command in (*FORBIDDEN, *(f"XADD {stream} * event x" for stream in StreamName), "XTRIM L3_OUT MAXLEN 0",
                    "XDEL L3_OUT 1-1", "GET dsmil:hb:l3", "XGROUP DESTROY L3_OUT l4", "XGROUP SETID L3_OUT l4 $",
                    "XREADGROUP GROUP l4 x COUNT 1 STREAMS L7_OUT >", "SET x 1"):  # fmt: skip
        said = fabric.redis("ACL", "DRYRUN", "default", *command.split())
        assert said != "OK", f"the port may {command}"
    said = fabric.machine.say("redis-cli XADD L3_OUT '*' event x", user=STRANGER)
    assert "NOPERM" in said


def test_the_documented_group_is_for_everybody(fabric: Fabric) -> None:
    for stream in USER_GROUP_STREAMS:
        said = fabric.machine.say(f"redis-cli XREADGROUP GROUP {USER_GROUP} me COUNT 1 STREAMS {stream} '>'",
                                  user=STRANGER)  # fmt: skip
        assert "NOPERM" not in said and "NOGROUP" not in said, f"{stream}: {said}"


def test_the_port_is_on_loopback_only(fabric: Fabric) -> None:
    listening = fabric.machine.say("cat /proc/net/tcp /proc/net/tcp6 /proc/net/udp")
    for port in (6379, 8052, 10110, 1514):
        at = [line.split()[1] for line in listening.splitlines() if f":{port:04X} " in line.split(" sl ")[-1]]
        ours = {where.split(":")[0] for where in at if where.endswith(f":{port:04X}")}
        assert ours <= {"0100007F", "00000000000000000000000001000000"}, f"{port} at {ours}"
        assert ours, f"nobody listens at {port}"


def test_the_checkout_was_never_needed_again(fabric: Fabric) -> None:
    """The units run what is in /opt/dsmil."""
    for unit in UNITS:
        pid = fabric.machine.show(unit, "MainPID")["MainPID"]
        assert CHECKOUT not in fabric.machine.say(f"cat /proc/{pid}/maps /proc/{pid}/cmdline | tr '\\000' ' '")
