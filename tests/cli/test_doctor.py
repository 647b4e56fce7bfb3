"""The doctor names each fault with its mend, mends what is safely mended, and never ends in a traceback."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from click.testing import CliRunner, Result

from dsmil import config
from dsmil.cli import main
from dsmil.cli.checks.finding import ORDER
from dsmil.cli.checks.site import Site
from dsmil.cli.doctor import as_admin, examine, show
from dsmil.cli.stack import shipped
from dsmil.clock import SYSTEM
from dsmil.config import Settings
from dsmil.config.places import Redis as RedisSettings
from dsmil.errors import ConfigError
from dsmil.fabric.client import ensure_topology
from dsmil.runtime.health import Heartbeat, State


def dsmil(env: dict[str, str], *args: str) -> Result:
    return CliRunner().invoke(main, args, env=env)


def rows(done: Result) -> dict[str, dict[str, Any]]:
    return {row["check"]: row for row in json.loads(done.stdout)}


def beat(client: redis.Redis, name: str, state: State = State.READY) -> None:
    now = SYSTEM.now()
    body = Heartbeat(daemon=name, pid=7, state=state, since=now - 100, state_since=now, now=now)
    client.set(f"dsmil:hb:{name}", msgspec.json.encode(body))


def test_it_names_each_fault_with_its_mend_and_fixes_what_is_safe(
    env: dict[str, str], client: redis.Redis, tmp_path: Path
) -> None:
    for name in shipped():
        beat(client, name)
    client.config_set("maxmemory-policy", "allkeys-lru")
    client.config_set("appendfsync", "no")
    client.xadd("L3_IN", {"a": "b"})
    tmp_path.chmod(0o755)
    found = rows(dsmil(env, "doctor", "--json"))
    assert found["redis policy"]["verdict"] == "fail" and "CONFIG SET" in found["redis policy"]["mend"]
    assert found["redis profile"]["verdict"] == "fail"
    assert found["paths.run"]["verdict"] == "fail" and "mkdir" in found["paths.run"]["mend"]
    assert found["paths.data"]["verdict"] == "warn"
    assert found["redis version"]["verdict"] == "ok"
    assert "L3_IN/l3" in found["groups"]["said"]
    assert dsmil(env, "doctor").exit_code == 1
    fixed = rows(dsmil(env, "doctor", "--fix", "--json"))
    mended = ("redis policy", "redis profile", "paths.run", "paths.data", "groups")
    assert {fixed[name]["verdict"] for name in mended} == {"fixed"}
    assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
    assert client.config_get("appendfsync")["appendfsync"] == "everysec"
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750
    done = dsmil(env, "doctor")
    assert done.exit_code == 0, done.output
    assert "fast (appendfsync everysec)" in done.output


def test_what_needs_hands_comes_first_one_line_each(env: dict[str, str], client: redis.Redis) -> None:
    ensure_topology(client)
    beat(client, "l3", State.DEGRADED)
    done = dsmil(env, "doctor")
    *lines, last = done.stdout.splitlines()
    verdicts = [line.split()[0] for line in lines]
    assert verdicts == sorted(verdicts, key=ORDER.index)
    assert lines[0].startswith("fail  ") and " -> " in lines[0]
    assert last.startswith(f"{verdicts.count('fail')} fail") and done.exit_code == 1


def test_what_others_wrote_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    from dsmil.cli.checks.finding import Finding

    show([Finding("source x", "warn", "read \x1b[2J\n")])
    assert "\x1b" not in capsys.readouterr().out


def test_it_speaks_without_redis(tmp_path: Path) -> None:
    done = dsmil(config.private_settings(tmp_path), "doctor", "--json")
    assert done.exit_code == 1
    assert rows(done)["redis"]["verdict"] == "fail" and "dsmil up" in rows(done)["redis"]["mend"]


def test_it_speaks_without_settings() -> None:
    done = dsmil({"REDIS_PORT": "x"}, "doctor", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)[0]["check"] == "configuration"
    assert "1..65535" in rows(done)["configuration"]["mend"]


def test_a_password_file_that_cannot_be_read_is_said_to_be_that(env: dict[str, str], tmp_path: Path) -> None:
    done = dsmil(env | {"DSMIL_REDIS_PASSWORD_FILE": str(tmp_path)}, "doctor", "--json")
    assert f"read redis.password_file {tmp_path}" in rows(done)["redis"]["said"]


def test_a_checkout_without_systemd_is_told_so_in_one_line(env: dict[str, str], client: redis.Redis) -> None:
    found = rows(dsmil(env, "doctor", "--json"))
    assert found["installation"]["said"].startswith("not installed")
    assert not [name for name in found if name.startswith(("unit", "permissions", "journal"))]


def test_a_suite_of_somebody_elses_environment_is_not_the_installed_one(
    env: dict[str, str], client: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "opt/dsmil").mkdir(parents=True)
    (tmp_path / "opt/dsmil/current").symlink_to("gone")
    broken = {row.check: row for row in examine(None, fix=False, root=tmp_path)}
    assert broken["installation"].verdict == "fail"
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    found = {row.check: row for row in examine(None, fix=False, root=tmp_path)}
    assert found["installation"].said.startswith("not installed")


def test_root_on_an_installed_machine_asks_redis_as_its_administrator(tmp_path: Path) -> None:
    ours = RedisSettings(socket="/r.sock", username="operator", password_file="/o")
    site = Site(settings=Settings(redis=ours), installed=True, root=tmp_path)
    assert as_admin(site).redis == ours, "no such credential"
    site.admin_file.parent.mkdir(parents=True)
    site.admin_file.write_text("secret")
    assert as_admin(site).redis.username == "admin" and as_admin(site).redis.password() == "secret"
    assert as_admin(msgspec.structs.replace(site, installed=False)).redis == ours
    elsewhere = msgspec.structs.replace(ours, url="redis://other")
    assert as_admin(msgspec.structs.replace(site, settings=Settings(redis=elsewhere))).redis == elsewhere


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_an_ordinary_user_is_told_which_group_to_join(tmp_path: Path) -> None:
    secret = tmp_path / "operator"
    secret.write_text("x")
    secret.chmod(0o600)
    pid = os.fork()
    if not pid:
        os.setgroups([])
        os.setuid(65534)
        try:
            RedisSettings(password_file=str(secret)).password()
        except ConfigError as error:
            os._exit(0 if "usermod -aG dsmil" in str(error) else 2)
        os._exit(1)
    # pytest's directories are closed to others: then the refusal comes one level higher, with the same words.
    assert os.waitpid(pid, 0)[1] == 0
