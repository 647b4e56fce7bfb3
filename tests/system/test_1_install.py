"""One command turns a bare machine into a running fabric, and the operator's first five minutes are as printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.system.digest import changes, state
from tests.system.fabric import HOT_DB, MEMBER, MOUNT, OFFLINE, REDIS, SETUP, STRANGER, UNITS, Fabric
from tests.system.machine import CHECKOUT, Machine

PROJECT = Path(__file__).parents[2]
SELECTS = (
    "SELECT layer, severity, COUNT(*) FROM raw_events_fast GROUP BY layer, severity;",
    "SELECT * FROM soc_events_cache ORDER BY ts DESC LIMIT 10;",
    "SELECT * FROM device_status WHERE status = 'ONLINE';",
    "SELECT * FROM shrink_metrics ORDER BY ts DESC LIMIT 5;",
)
RUNNING_FILES = ("var/lib/dsmil", "var/log")
"""What a running suite writes, set-up or not."""
STATS_S = 35.0
FIRST_MINUTES = """
./scripts/setup_data_fabric.sh --dry-run
sudo ./scripts/setup_data_fabric.sh
systemctl status dsmil-soc-router
redis-cli XLEN L3_OUT
redis-cli XINFO STREAM SOC_EVENTS
redis-cli XINFO GROUPS L3_OUT
redis-cli XGROUP CREATE L3_IN dsmil 0 MKSTREAM
dsmil status
python3 scripts/test_soc_router.py
"""
"""Used where the README prints none."""


def first_minutes() -> list[str]:
    """The commands the README prints for an installation, without prompts, sudo kept."""
    section = re.search(
        r"^## Install as a service\n(.*?)^## ", (PROJECT / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    block = re.search(r"^```sh\n(.*?)^```", section[1] if section else "", re.MULTILINE | re.DOTALL)
    lines = (block[1] if block else FIRST_MINUTES).replace("\\\n", " ").splitlines()
    return [bare for line in lines if (bare := re.sub(r"(^|\s+)#.*$", "", line).strip())]


def test_row_14_a_dry_run_needs_no_root_and_changes_nothing(machine: Machine) -> None:
    before = state(machine.root)
    done = machine.run([SETUP, "--dry-run"], user=STRANGER, cwd=CHECKOUT)
    assert not changes(before, state(machine.root))
    for said in ("/opt/dsmil", "/etc/dsmil", "/mnt/dsmil-ram", "redis"):
        assert said in done.stdout, done.stdout


def test_without_root_it_refuses_and_says_how(machine: Machine) -> None:
    done = machine.run([SETUP], user=STRANGER, cwd=CHECKOUT, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "root" in done.stdout + done.stderr


def test_one_command_brings_everything_up(fabric: Fabric, show: Any) -> None:
    machine = fabric.machine
    fabric.ready()
    assert machine.active(REDIS, MOUNT, "dsmil-hotpath-init.service"), machine.words()
    assert machine.say("systemctl --failed --no-legend --plain") == ""
    assert machine.settled() == "running"
    show(f"set-up: bare machine to everything ready in {fabric.took_s:.0f} s", setup_s=round(fabric.took_s, 1))


def test_the_tmpfs_has_the_size_that_was_said(fabric: Fabric) -> None:
    size = int(fabric.machine.say("findmnt -bno SIZE /mnt/dsmil-ram"))
    memory = int(re.findall(r"MemTotal:\s+(\d+)", fabric.machine.say("cat /proc/meminfo"))[0]) * 1024
    assert size == pytest.approx(min(4 << 30, memory // 4), rel=0.02)
    assert fabric.machine.say("findmnt -no FSTYPE /mnt/dsmil-ram") == "tmpfs"


def test_row_14_a_second_run_changes_nothing_and_says_so(fabric: Fabric) -> None:
    before, pids = state(fabric.machine.root, without=RUNNING_FILES), _pids(fabric.machine)
    done = fabric.set_up(*(OFFLINE if fabric.machine.wheels else ()))
    assert not changes(before, state(fabric.machine.root, without=RUNNING_FILES))
    assert re.search(r"nothing to change|no change", done.stdout + done.stderr, re.IGNORECASE), done.stdout[
        -2000:
    ]
    assert _pids(fabric.machine) == pids, "nothing was restarted"


def _pids(machine: Machine) -> dict[str, str]:
    return {unit: machine.show(unit, "MainPID")["MainPID"] for unit in (*UNITS, REDIS)}


@pytest.mark.parametrize("line", first_minutes())
def test_the_first_five_minutes_are_as_printed(fabric: Fabric, line: str) -> None:
    """`sudo` lines as root, all others as a member of group dsmil, in the checkout."""
    root = line.startswith("sudo ")
    command = line.removeprefix("sudo ")
    if re.match(r"(git clone|cd |newgrp|exit$)", command):
        pytest.skip("what came before the machine had the checkout")
    command = command.removesuffix(" -f")  # what it would go on following
    if fabric.machine.wheels and command.endswith("setup_data_fabric.sh"):
        command = " ".join((command, *OFFLINE))
    done = fabric.machine.run(
        command, user="root" if root else MEMBER, cwd=CHECKOUT, check=False, timeout=300, env={"USER": MEMBER}
    )
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}{done.stderr}"
    assert not re.search(r"NOPERM|NOAUTH|WRONGPASS|Traceback", done.stdout + done.stderr)
    assert "(error)" not in done.stdout.replace("(error) BUSYGROUP", "")


def test_plain_redis_cli_answers(fabric: Fabric) -> None:
    run = fabric.machine.say
    assert run("redis-cli XLEN L3_OUT", user=STRANGER).isdigit()
    assert "radix-tree-keys" in run("redis-cli XINFO STREAM SOC_EVENTS", user=STRANGER)
    groups = run("redis-cli XINFO GROUPS L3_OUT", user=STRANGER)
    assert {"drainer", "l4", "soc-router", "dsmil"} <= set(groups.split())
    said = run("redis-cli XGROUP CREATE L3_IN dsmil 0 MKSTREAM", user=STRANGER)
    assert said == "OK" or said.startswith("BUSYGROUP"), said


def test_members_read_the_hot_database_and_strangers_do_not(fabric: Fabric) -> None:
    for select in SELECTS:
        fabric.machine.run(["sqlite3", HOT_DB, select], user=MEMBER)
    refused = fabric.machine.run(["sqlite3", HOT_DB, SELECTS[0]], user=STRANGER, check=False)
    assert refused.returncode != 0, refused.stdout


@pytest.mark.parametrize("user", ["root", MEMBER])
def test_the_test_script_passes_four_of_four(fabric: Fabric, user: str) -> None:
    done = fabric.machine.run("python3 scripts/test_soc_router.py", user=user, cwd=CHECKOUT)
    assert "Total: 4/4 tests passed" in done.stdout, done.stdout
    assert "private one" not in done.stdout, "it talked to the installed Redis"


def test_a_stats_line_tells_how_it_goes(fabric: Fabric) -> None:
    def stats() -> list[dict[str, Any]]:
        words = ("uptime", "processed", "published", "shrink")
        lines = fabric.machine.journal("dsmil-soc-router.service")
        return [line for line in lines if all(word in str(line["MESSAGE"]) for word in words)]

    found = fabric.machine.until("a stats line", stats, within_s=STATS_S, every_s=1.0)
    assert found[0]["SYSLOG_IDENTIFIER"] == "dsmil-soc-router"
    assert found[0]["PRIORITY"] == "6"
    assert found[0]["DSMIL_DAEMON"] == "soc-router"
    assert found[0]["DSMIL_EVENT"]


def test_every_daemon_names_itself_in_the_journal(fabric: Fabric) -> None:
    for unit in UNITS:
        lines = [line for line in fabric.machine.journal(unit) if "DSMIL_DAEMON" in line]
        name = unit.removesuffix(".service")
        assert lines, f"{unit} says nothing by fields"
        assert {(line["DSMIL_DAEMON"], line["SYSLOG_IDENTIFIER"]) for line in lines} == {
            (name.removeprefix("dsmil-"), name)
        }


def test_no_secret_is_in_the_journal_or_beside_it(fabric: Fabric) -> None:
    machine = fabric.machine
    secrets = {name: machine.say(f"cat /etc/dsmil/credentials/{name}") for name in _credentials(machine)}
    assert len(secrets) >= len(UNITS)
    everywhere = {
        "the journal": machine.say("journalctl -b --no-pager -o export | tr -d '\\000'"),
        "log files": machine.say("cat /var/log/dsmil/* 2>/dev/null | tr -d '\\000'; true"),
        "command lines and environments": machine.say(
            "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\000' '\\n'; true"
        ),
        "units": machine.say("systemctl show 'dsmil-*'"),
        "set-up's own words": fabric.said,
    }
    for name, secret in secrets.items():
        assert len(secret) >= 32
        assert machine.say(f"stat -c %a:%U /etc/dsmil/credentials/{name}") in ("400:root", "640:root")
        for where, text in everywhere.items():
            assert secret not in text, f"the credential of {name} stands in {where}"


def _credentials(machine: Machine) -> list[str]:
    return machine.say("ls /etc/dsmil/credentials").split()
