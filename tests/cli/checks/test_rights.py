"""Redis's users are all there, and who was refused what is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from dsmil.cli.checks.finding import guarded
from dsmil.cli.checks.rights import FILE_READER, refusals, refused, users
from dsmil.cli.checks.site import Site
from dsmil.config import Settings
from dsmil.config.places import Redis as RedisSettings
from dsmil.fabric import acl
from dsmil.fabric.client import connect
from dsmil.fabric.private import PrivateRedis

INSTALLED = Site(
    settings=Settings(redis=RedisSettings(socket="/run/r.sock", username="operator")), installed=True
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PrivateRedis]:
    """A server of this test alone, to be given users."""
    with PrivateRedis(tmp_path) as running:
        yield running


@pytest.fixture
def client(server: PrivateRedis) -> Iterator[redis.Redis]:
    with redis.Redis(unix_socket_path=str(server.socket), protocol=2) as found:
        yield found


def test_users_that_are_missing_are_named(client: redis.Redis) -> None:
    assert list(users(client, Site())) == [], "a private suite has none"
    for name in acl.users():
        client.execute_command("ACL", "SETUSER", name)
    (finding,) = users(client, INSTALLED)
    assert finding.verdict == "ok"
    client.acl_deluser("l8")
    (finding,) = users(client, INSTALLED)
    assert finding.verdict == "fail" and finding.said == "unknown to Redis: l8"


def test_who_was_refused_what_is_told(client: redis.Redis, server: PrivateRedis) -> None:
    assert [row.verdict for row in refused(client, INSTALLED)] == ["ok"]
    client.execute_command("ACL", "SETUSER", "l3", "on", ">pw", "+xadd", "~L3_OUT")
    where = str(server.socket)
    with redis.Redis(unix_socket_path=where, protocol=2) as other:
        other.execute_command("AUTH", "l3", "pw")
        for _ in range(3):
            with pytest.raises(redis.ResponseError):
                other.xadd("SOC_EVENTS", {"a": "b"})
        with pytest.raises(redis.ResponseError):
            other.execute_command("FLUSHALL")
        with connect(f"unix://l8:guess@{where}", "test") as guesser, pytest.raises(redis.AuthenticationError):
            guesser.ping()
        (finding,) = refused(client, INSTALLED)
        assert finding.verdict == "warn" and "ACL LOG RESET" in finding.mend
        for words in ("l3: key SOC_EVENTS (3x)", "l3: command flushall (1x)", "l8 with a wrong password (1x)"):
            assert words in finding.said
        (skipped,) = guarded("redis users", refused(other, INSTALLED))
        assert skipped.verdict == "skip" and skipped.mend == "sudo dsmil doctor"


def test_transactions_left_out_of_the_file_are_a_loss() -> None:
    """What ACL LOG answers after Redis 7.0 read its file back as a user without rights."""
    info = {"id": int(FILE_READER), "user": "default"}
    row = {"count": 9, "reason": "command", "object": "rpush", "username": "default", "age-seconds": "1.5"}
    loss, refusal = refusals([{**row, "client-info": info}], INSTALLED)
    assert loss.verdict == "fail" and "cp -a" in loss.mend
    assert refusal.verdict == "warn"
