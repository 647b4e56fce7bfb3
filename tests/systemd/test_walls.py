"""What each unit may touch: paths, network, memory; and the users and folders those paths belong to."""

from __future__ import annotations

import pytest

from tests.systemd.reading import (
    FOLDER,
    INGEST,
    MOUNT,
    REDIS,
    RUNNING,
    SERVICES,
    TEMPLATES,
    Unit,
    below,
    columns,
    parse,
    walls,
)  # fmt: skip

DATA = "/var/lib/dsmil"
CHECKPOINTED = ("l3", "l4", "soc-router", "l8")
READS = {"projector": {"audit"}, "api": {"audit", "graph", "ingest"}}
"""Stores a daemon looks into and may not write: its own could be made again from the first two; of the last its size
is a metric."""
HOT = "/mnt/dsmil-ram"


def of(*names: str) -> set[str]:
    return {f"dsmil-{name}.service" for name in names}


INGESTING = of(*INGEST) | set(TEMPLATES)
TALKING = of("ais-playback", "net-parser", "redis", "soc-router") | set(TEMPLATES)
"""The units that have an address family beside AF_UNIX."""
ANYWHERE = of("ais-playback", "net-parser") | set(TEMPLATES)
"""Those whose peers the user names."""


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_can_be_run_from_where_something_can_be_written(name: str) -> None:
    """NoExecPaths=/ alone leaves the mounts of ReadWritePaths= executable (tried with systemd 252)."""
    unit = Unit(name)
    assert unit.paths("ReadWritePaths") <= unit.paths("NoExecPaths")
    assert {"/", "/tmp", "/var/tmp", "/dev/shm"} <= unit.paths("NoExecPaths")
    programs = unit.paths("ExecPaths") - {"/usr/bin/redis-server"}
    assert programs == {"/usr/bin/python3", "/opt/dsmil", "/usr/lib", "/lib", "/lib64"}
    assert not {path for path in unit.paths("ReadWritePaths") if below(path, unit.paths("ExecPaths"))}


@pytest.mark.parametrize("name", SERVICES)
def test_a_path_that_is_mounted_into_a_unit_is_one_it_may_write(name: str) -> None:
    """NoExecPaths= makes a mount of its own, writable even under ProtectSystem=strict."""
    unit, extra = Unit(name), {"/", "/tmp", "/var/tmp", "/dev/shm", "/run/dsmil-redis"}
    assert unit.paths("NoExecPaths") - extra <= unit.paths("ReadWritePaths")


def test_the_socket_of_redis_is_no_mount_in_the_daemons() -> None:
    """Its folder is made anew with each start of Redis; a mount would go on showing the old one."""
    for name in set(SERVICES) - {REDIS}:
        unit = Unit(name)
        for key in ("ReadWritePaths", "NoExecPaths", "ExecPaths"):
            assert not {path for path in unit.paths(key) if below(path, ["/run/dsmil-redis"]) or path == "/run"}


@pytest.mark.parametrize("name", RUNNING)
def test_a_daemon_writes_its_own_stores_and_no_others(name: str) -> None:
    writes = {path for path in Unit(name).paths("ReadWritePaths") if below(path, [DATA])}
    if name in INGESTING:
        expected = {f"{DATA}/ingest", f"{DATA}/fallback", f"{DATA}/drop"}
    elif name == "dsmil-drainer.service":
        expected = {f"{DATA}/audit", f"{DATA}/fallback"}
    elif name in of(*CHECKPOINTED):
        expected = {f"{DATA}/checkpoints", f"{DATA}/fallback"}
    else:
        own = {"dsmil-projector.service": "graph", "dsmil-api.service": "operators"}[name]
        expected = {f"{DATA}/{own}", f"{DATA}/fallback"}
    assert writes == expected


@pytest.mark.parametrize("name", RUNNING)
def test_every_store_is_either_a_daemons_own_or_closed_to_it(name: str) -> None:
    """So a folder added to tmpfiles.d is thought of in each unit."""
    unit = Unit(name)
    closed = unit.paths("InaccessiblePaths")
    rows = columns("tmpfiles.d/dsmil.conf")
    stores = {row[1] for row in rows if row[0] == "d" and row[1].startswith(f"{DATA}/")}
    own = {path for path in unit.paths("ReadWritePaths") if path != DATA} | {f"{DATA}/fallback"}
    own |= {f"{DATA}/{store}" for store in READS.get(name.removeprefix("dsmil-").removesuffix(".service"), ())}
    assert {store for store in stores if not below(store, own) and not below(store, closed)} == set()
    assert not own & closed


@pytest.mark.parametrize("name", SERVICES)
def test_the_walls_all_units_share(name: str) -> None:
    unit = Unit(name)
    assert unit.one("UMask") == "0007"
    assert unit.one("LimitCORE") == "0"
    assert unit.environment()["OPENBLAS_NUM_THREADS"] == "1"
    assert "/etc/dsmil/credentials" in unit.paths("InaccessiblePaths")
    assert unit.one("MemoryMax")
    assert int(unit.one("TasksMax")) <= (128 if name == "dsmil-api.service" else 64)
    assert unit.one("CapabilityBoundingSet") == unit.one("AmbientCapabilities") == ""
    for key in (
        "NoNewPrivileges",
        "PrivateUsers",
        "PrivateDevices",
        "MemoryDenyWriteExecute",
        "RestrictSUIDSGID",
    ):
        assert unit.one(key) == "yes"
    assert unit.one("ProtectSystem") == "strict"


@pytest.mark.parametrize("name", RUNNING)
def test_a_daemon_writes_the_hot_database_wherever_the_tmpfs_is(name: str) -> None:
    """The - lets it start without the tmpfs; the mount then shows up in its namespace by itself."""
    assert {f"-{HOT}", "/run/dsmil"} <= set(Unit(name).all("ReadWritePaths"))


@pytest.mark.parametrize("name", SERVICES)
def test_only_those_have_a_network_that_talk_to_somebody(name: str) -> None:
    unit = Unit(name)
    families, allowed = set(unit.all("RestrictAddressFamilies")), unit.all("IPAddressAllow")
    assert unit.all("IPAddressDeny") == ["any"]
    if name in TALKING:
        assert families == {"AF_UNIX", "AF_INET", "AF_INET6"}
        assert allowed == (["any"] if name in ANYWHERE else ["localhost"])
        assert not unit.one("PrivateNetwork")
    else:
        assert (families, allowed, unit.one("PrivateNetwork")) == ({"AF_UNIX"}, [], "yes")


def test_the_walls_are_one_section() -> None:
    assert set(walls()) == {"Service"}


def test_the_tmpfs_is_the_groups_and_runs_nothing() -> None:
    unit = Unit(MOUNT)
    assert (unit.one("Where", "Mount"), unit.one("Type", "Mount")) == (HOT, "tmpfs")
    options = set(unit.one("Options", "Mount").split(","))
    assert {"mode=2770", "uid=dsmil", "gid=dsmil", "nodev", "nosuid", "noexec"} <= options
    assert unit.one("LazyUnmount", "Mount") == "yes", "the daemons hold the database open"


def test_both_users_are_of_the_group() -> None:
    rows = {row[1]: row for row in columns("sysusers.d/dsmil.conf")}
    assert rows["dsmil"][0] in ("g", "u")
    assert rows["dsmil-redis"][2] == "-:dsmil"
    users = {value for name in SERVICES for key in ("User",) if (value := Unit(name).one(key))}
    assert users == {"dsmil", "dsmil-redis"}


def test_every_folder_that_is_written_is_made() -> None:
    rows = {row[1]: (row[2], row[3], row[4]) for row in columns("tmpfiles.d/dsmil.conf")}
    written = {path for name in SERVICES for path in Unit(name).paths("ReadWritePaths")} - {HOT}
    assert written <= set(rows)
    assert rows[DATA] == ("2750", "dsmil", "dsmil")
    assert rows[f"{DATA}/audit"] == ("2750", "dsmil", "dsmil")
    assert rows[f"{DATA}/redis"] == ("0700", "dsmil-redis", "dsmil")
    assert rows[f"{DATA}/graph"] == ("2750", "dsmil", "dsmil"), "members read it"
    assert rows[f"{DATA}/operators"] == ("0700", "dsmil", "dsmil"), "and this they do not"
    assert {f"{DATA}/drop/{family}" for family in ("ais", "nmap", "ndpi", "rf")} <= set(rows)


def test_the_kernel_lets_redis_fork_and_the_journal_is_kept() -> None:
    sysctl = (FOLDER / "sysctl.d" / "60-dsmil.conf").read_text("utf-8")
    assert "vm.overcommit_memory = 1" in sysctl.splitlines()
    journal = dict(parse((FOLDER / "journald.conf.d" / "60-dsmil.conf").read_text("utf-8"))["Journal"])
    assert set(journal) == {"Storage", "SystemMaxUse", "MaxRetentionSec"}, "no rate limit for the whole machine"
    assert int(Unit(REDIS).one("LogRateLimitBurst")) >= 10_000
