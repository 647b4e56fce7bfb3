"""A real Redis with odd settings is seen through: policy, persistence, memory, port."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from dsmil.cli.checks.finding import Finding
from dsmil.cli.checks.server import disk, memory, server, settings
from dsmil.cli.checks.site import Site
from dsmil.config import Settings
from dsmil.config.places import Redis as RedisSettings
from dsmil.fabric.private import PrivateRedis

INSTALLED = Site(
    settings=Settings(redis=RedisSettings(socket="/run/r.sock", username="operator", password_file="/o")),
    installed=True,
)


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[redis.Redis]:
    """A server of this test alone, to be set as it likes."""
    with (
        PrivateRedis(tmp_path) as running,
        redis.Redis(unix_socket_path=str(running.socket), protocol=2) as client,
    ):
        yield client


def found(rows: Iterator[Finding]) -> dict[str, Finding]:
    return {row.check: row for row in rows}


def test_a_private_server_is_well(odd: redis.Redis) -> None:
    rows = found(server(odd, Site())) | found(settings(odd, Site()))
    assert {row.verdict for row in rows.values()} == {"ok"}
    assert rows["redis profile"].said == "fast (appendfsync everysec)"
    odd.config_set("appendfsync", "always")
    assert found(settings(odd, Site()))["redis profile"].said == "durable (appendfsync always)"


def test_what_is_kept_nowhere_is_a_fault_of_an_installed_machine(odd: redis.Redis) -> None:
    odd.config_set("appendonly", "no")
    odd.config_set("maxmemory-policy", "volatile-lru")
    assert found(server(odd, Site()))["redis persistence"].verdict == "warn"
    rows = found(server(odd, INSTALLED))
    assert rows["redis persistence"].verdict == "fail"
    assert "sudo sh -c" in rows["redis policy"].mend and "90-local.conf" in rows["redis policy"].mend
    fixed = found(server(odd, Site(fix=True)))
    assert {fixed[name].verdict for name in ("redis persistence", "redis policy")} == {"fixed"}
    again = found(server(odd, Site()))
    assert {again[name].verdict for name in ("redis persistence", "redis policy")} == {"ok"}


def test_full_memory_is_told_before_and_after_it_is_full(odd: redis.Redis) -> None:
    odd.config_set("maxmemory", "500kb")
    finding = found(server(odd, Site()))["redis memory"]
    assert finding.verdict == "fail" and "every write is refused" in finding.said and "256mb" in finding.mend
    assert memory(INSTALLED, {"used_memory": 90, "maxmemory": 100}).verdict == "warn"
    assert memory(INSTALLED, {"used_memory": 9, "maxmemory": 100}).verdict == "ok"
    assert memory(INSTALLED, {"used_memory": 9}).verdict == "warn", "no limit"
    assert memory(Site(), {"used_memory": 9}).verdict == "ok"


def test_keys_thrown_out_are_losses(odd: redis.Redis) -> None:
    odd.config_set("maxmemory-policy", "allkeys-lru")
    odd.set("a", "x" * 10_000)
    odd.config_set("maxmemory", "500kb")
    with pytest.raises(redis.ResponseError):
        odd.set("b", "x")
    assert found(server(odd, Site()))["redis evicted"].verdict == "fail"


def test_a_disk_that_refuses_is_told() -> None:
    info: dict[str, Any] = {"aof_enabled": 1, "aof_last_write_status": "err", "aof_last_bgrewrite_status": "err"}
    assert [row.verdict for row in disk(info)] == ["fail", "warn"]
    assert list(disk({"aof_enabled": 1, "aof_last_write_status": "ok"})) == []


def test_the_port_is_to_look_only(odd: redis.Redis, unused_port: int) -> None:
    def port() -> Finding:
        return found(settings(odd, INSTALLED))["redis port"]

    assert "redis port" not in found(settings(odd, Site())), "a private suite has none of its own"
    assert port().said.startswith("off")
    odd.config_set("port", unused_port)
    odd.config_set("bind", "127.0.0.1 -::1")
    finding = port()
    assert finding.verdict == "fail" and "XADD" in finding.said and "FLUSHALL" in finding.said
    odd.acl_setuser("admin", enabled=True, passwords=["+pw"], categories=["+@all"], keys=["*"])
    odd.execute_command("AUTH", "admin", "pw")
    odd.execute_command("ACL", "SETUSER", "default", "reset", "on", "nopass", "+ping", "+xlen", "%R~L3_IN")
    assert port() == Finding("redis port", "ok", f"{unused_port} on loopback, to look only")
    odd.execute_command("ACL", "SETUSER", "default", "off")
    assert port().verdict == "warn" and "nobody may look" in port().said
    odd.execute_command("ACL", "SETUSER", "admin", "-acl|dryrun")
    assert port() == Finding("redis port", "ok", f"{unused_port} on loopback")
    odd.config_set("bind", "0.0.0.0")
    assert port().verdict == "fail" and "0.0.0.0" in port().said


def test_a_port_that_is_wanted_and_closed_is_told(odd: redis.Redis, tmp_path: Path) -> None:
    site = Site(settings=INSTALLED.settings, installed=True, root=tmp_path)
    unit = tmp_path / "etc/systemd/system/dsmil-redis-admit.service"

    def port() -> Finding:
        return found(settings(odd, site))["redis port"]

    assert port().verdict == "ok", "no unit of ours: the Redis of others"
    unit.with_name(f"{unit.name}.d").mkdir(parents=True)
    unit.write_text("[Service]\nEnvironment=LOOK_PORT=6379\n")
    finding = port()
    assert finding.verdict == "warn" and "6379 is closed" in finding.said
    assert "ss -lntp" in finding.mend and finding.mend.endswith("sudo systemctl restart dsmil-redis-admit")
    (tmp_path / "etc/dsmil/redis.d").mkdir(parents=True)
    own = tmp_path / "etc/dsmil/redis.d/90-local.conf"
    own.write_text("port 0\n")
    assert port().verdict == "ok", "as the operator wants it"
    own.unlink()
    (unit.with_name(f"{unit.name}.d") / "50-port.conf").write_text("[Service]\nEnvironment=LOOK_PORT=0\n")
    assert port() == Finding("redis port", "ok", "off: Redis listens on its socket only")


@pytest.fixture
def unused_port() -> int:
    """A port nobody has just now."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
