"""Each user of the installed Redis may do what its work needs, and nothing besides; its configuration starts."""

from __future__ import annotations

import hashlib
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import redis

from dsmil.config.streams import Streams
from dsmil.errors import ConfigError, Unavailable
from dsmil.events.enums import StreamName
from dsmil.events.envelope import EVENT_BYTES_MAX
from dsmil.fabric import acl
from dsmil.fabric.client import connect, ensure_topology
from dsmil.fabric.facade import RedisStreamsClient
from dsmil.fabric.janitor import Janitor
from dsmil.fabric.private import PrivateRedis
from dsmil.fabric.publisher import PUBLISH_MAX
from dsmil.fabric.topology import DAEMONS, USER_GROUP
from dsmil.fabric.wire import Wire
from dsmil.sensors.pause import pause_key
from dsmil.sensors.playback import POINTER_KEY

PROJECT = Path(__file__).resolve().parents[2]
STREAMS = {stream.value for stream in StreamName}
FIVE = {"L3_IN", "L3_OUT", "L4_IN", "L4_OUT", "SOC_EVENTS"}

READS = {
    "rf-ingest": set(), "ais-playback": set(), "net-parser": set(),
    "l3": {"L3_IN"}, "l4": {"L3_IN", "L3_OUT", "L4_IN"}, "soc-router": {"L3_OUT", "L4_OUT"},
    "l8": {"SOC_EVENTS"}, "drainer": STREAMS, "projector": {"GRAPH_EVENTS", "SOC_EVENTS"},
    "api": set(),
}  # fmt: skip
WRITES = {
    "rf-ingest": {"L3_IN"}, "ais-playback": {"L3_IN"}, "net-parser": {"L3_IN"},
    "l3": {"L3_OUT", "GRAPH_EVENTS"}, "l4": {"L4_OUT", "GRAPH_EVENTS"}, "soc-router": {"SOC_EVENTS"},
    "l8": {"L8_ALERTS", "L9_COMMANDS"}, "drainer": set(), "projector": set(),
    "api": {"GRAPH_EVENTS", "CONTROL", "L3_IN", "L4_IN", *(name for name in STREAMS if name.startswith("PIPELINE_"))},
}  # fmt: skip
"""The contract's table (section 1), written out: what the file is held against must not be made from its source."""
INGEST = ("rf-ingest", "ais-playback", "net-parser")
STATEFUL = ("l3", "l4", "soc-router", "l8")
WATCHES = {"GRAPH_EVENTS", "SOC_EVENTS", "CONTROL"}
"""What the API reads without a group. It may look at all, because it serves the metrics."""
GRAPHING = ("l3", "l4")
"""Who publishes on GRAPH_EVENTS sees first whether the projector has made it."""

CONNECTION = "ping hello auth client|setname client|id client|no-evict quit reset"
"""`hello`, `auth`, `quit` and `reset` Redis leaves to everybody."""
GROUP = """client|list client|kill exists xreadgroup xack xpending xclaim xrange xinfo|stream xinfo|groups
  xgroup|create xgroup|createconsumer set get hincrby hgetall hdel lpush ltrim"""
STATE = "lindex lrange rpush ltrim hset hsetnx sadd"
PRODUCE = "multi exec xadd xlen xrange set exists"
LOOK = "xinfo|stream xinfo|groups xinfo|consumers xinfo|help xlen xrange xrevrange xpending"
COMMANDS = {
    **dict.fromkeys(("rf-ingest", "net-parser"), f"{CONNECTION} {PRODUCE} hset hdel"),
    "ais-playback": f"{CONNECTION} {PRODUCE} hset hdel hgetall",
    **dict.fromkeys(STATEFUL, f"{CONNECTION} {PRODUCE} {GROUP} {STATE}"),
    "drainer": f"""{CONNECTION} {GROUP} multi exec xlen xtrim xinfo|consumers xgroup|delconsumer eval mget lrange
      smembers hset""",
    "projector": f"""{CONNECTION} {PRODUCE} {GROUP} scan xsetid hset hmget sadd srem del getdel lindex zadd
      zrem""",
    "api": f"{CONNECTION} {PRODUCE} {LOOK} hset hdel hgetall info xread get mget llen",
    "default": f"""{LOOK} ping info client|setname xreadgroup xack xgroup|create hello auth quit reset""",
}
"""Every command that is open to a user at all, on whichever key."""

OPERATOR = f"""{CONNECTION} info time config|get acl|whoami acl|users acl|dryrun multi exec discard xadd xreadgroup
  xack xgroup|create set del hset hdel"""

ON_STREAM: dict[str, tuple[str, ...]] = {
    "xadd": ("*", "event", "x"), "xlen": (), "xrange": ("-", "+"), "xrevrange": ("+", "-"),
    "xreadgroup": (), "xread": (), "xack": ("g", "1-1"), "xpending": ("g",), "xclaim": ("g", "c", "0", "1-1"),
    "xautoclaim": ("g", "c", "0", "0"), "xinfo|stream": (), "xinfo|groups": (), "xinfo|consumers": ("g",),
    "xgroup|create": ("g", "0"), "xgroup|createconsumer": ("g", "c"), "xgroup|delconsumer": ("g", "c"),
    "xgroup|destroy": ("g",), "xgroup|setid": ("g", "0"), "xtrim": ("MAXLEN", "0"), "xdel": ("1-1",),
    "xsetid": ("1-1",), "exists": (), "del": (), "unlink": (), "expire": ("1",), "rename": ("other",), "set": ("x",),
    "get": (), "copy": ("other",), "dump": (), "type": (), "sort": (), "eval": (),
}  # fmt: skip
"""Stream commands, and the words after the stream's name."""
READER = {
    "exists", "xreadgroup", "xack", "xpending", "xclaim", "xrange", "xinfo|stream", "xinfo|groups",
    "xgroup|create", "xgroup|createconsumer",
}  # fmt: skip
WRITER = {"xadd", "xlen", "xrange"}
AUDITOR = {"xtrim", "xinfo|consumers", "xgroup|delconsumer", "eval"}
LOOKER = {"xlen", "xrange", "xrevrange", "xpending", "xinfo|stream", "xinfo|groups", "xinfo|consumers"}

WORDS_ON_KEY: dict[str, tuple[str, ...]] = {
    "get": (), "set": ("1",), "del": (), "exists": (), "expire": ("1",), "mget": (), "hget": ("f",), "hgetall": (),
    "hset": ("f", "1"), "hsetnx": ("f", "1"), "hdel": ("f",), "hincrby": ("f", "1"), "sadd": ("m",), "srem": ("m",),
    "smembers": (), "lindex": ("0",), "lrange": ("0", "1"), "llen": (), "rpush": ("1",), "lpush": ("1",),
    "ltrim": ("0", "1"), "lpop": (), "getdel": (), "hmget": ("f",), "zadd": ("1", "m"), "zrem": ("m",),
    "zrange": ("0", "1"), "rename": ("dsmil:other",), "incr": (),
}  # fmt: skip
NAMED = ("hb", "pause", "fail", "journal", "checkpoint")
OTHER_KEYS = (
    "dsmil:loss", "dsmil:checkpoints", "dsmil:instances", "dsmil:ais:playback", "dsmil:dlq:settled",
    "dsmil:epoch:L3_IN", "dsmil:epoch:L4_OUT", "dsmil:minutes:L3_IN", "dsmil:session:x", "dsmil:counters", "mine",
    "dsmil:epoch", "dsmil:entity:vessel:1", "dsmil:network:host:10.0.0.1", "dsmil:adj:vessel:1", "dsmil:rf:band:430",
    "dsmil:ais:track:1", "dsmil:ais:positions", "dsmil:snapshot:take",
)  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, installed_redis: Any) -> Iterator[Any]:
    with installed_redis(tmp_path_factory.mktemp("acl")) as made:
        yield made


@pytest.fixture(scope="module")
def admin(server: Any) -> Iterator[redis.Redis]:
    with server.as_("admin") as client:
        yield client


def said(admin: redis.Redis, user: str, command: str, *args: str) -> str:
    """What Redis would say to that user: OK, or why not. Nothing is carried out."""
    try:
        reply: Any = admin.execute_command("ACL", "DRYRUN", user, *command.split("|"), *args)
    except redis.ResponseError as error:
        return f"not understood: {error}"
    return bytes(reply).decode()


def on_stream(command: str, stream: str) -> tuple[str, ...]:
    if command == "eval":
        return ("return 1", "1", stream)
    if command in ("xread", "xreadgroup"):
        group = ("GROUP", "g", "c") if command == "xreadgroup" else ()
        return (*group, "STREAMS", stream, ">" if group else "0")
    return (stream, *ON_STREAM[command])


def every_command(admin: redis.Redis) -> Iterator[tuple[str, int]]:
    """(name, arity) of each command and subcommand."""
    about: Any = admin.execute_command("COMMAND")
    rows = about.values() if isinstance(about, dict) else about
    for row in rows:
        entry = row if isinstance(row, list) else [row["name"], row["arity"], *[None] * 7, row["subcommands"]]
        parts = entry[9] or [entry]
        for part in parts:
            name = part[0] if isinstance(part, list) else part["name"]
            arity = part[1] if isinstance(part, list) else part["arity"]
            yield (name.decode() if isinstance(name, bytes) else name).lower(), abs(int(arity))


def open_to(admin: redis.Redis, user: str) -> set[str]:
    """Every command that user may give on some key, or on none."""
    return {
        name
        for name, arity in every_command(admin)
        if "no permissions to run" not in said(admin, user, name, *["x"] * (arity - 1 - name.count("|")))
    } - {"client|setinfo"}


@pytest.mark.parametrize("user", COMMANDS)
def test_no_command_is_open_that_the_work_does_not_need(admin: redis.Redis, user: str) -> None:
    assert open_to(admin, user) == set(COMMANDS[user].split())


def test_beside_looking_the_operator_has_few_commands(admin: redis.Redis) -> None:
    looks = {name.decode() for name in cast(list[bytes], admin.execute_command("ACL", "CAT", "read"))}
    told = {name for name in open_to(admin, "operator") - looks if not name.endswith("help")}
    assert told - {name for name in told if name.startswith("command")} == set(OPERATOR.split())


@pytest.mark.parametrize("user", READS)
def test_a_daemon_touches_its_own_streams_and_no_other(admin: redis.Redis, user: str) -> None:
    for stream in STREAMS:
        allowed = READER if stream in READS[user] else set()
        if user == "drainer":
            allowed = allowed | AUDITOR | ({"xlen"} if stream == "DEAD_LETTER" else set())
        elif stream in WRITES[user] | {"DEAD_LETTER"}:
            allowed = allowed | WRITER
        if user == "projector" and stream == "GRAPH_EVENTS":
            allowed = allowed | {"xsetid"}
        if user in GRAPHING and stream == "GRAPH_EVENTS":
            allowed = allowed | {"exists"}
        if user == "api":
            allowed = allowed | LOOKER | ({"exists", "xread"} if stream in WATCHES else set())
        got = {
            command for command in ON_STREAM if said(admin, user, command, *on_stream(command, stream)) == "OK"
        }
        assert got == allowed, stream


PROJECTED = {
    "dsmil:epoch": "set get", "dsmil:entity:vessel:1": "set del", "dsmil:network:host:10.0.0.1": "set del",
    "dsmil:adj:vessel:1": "sadd srem del", "dsmil:rf:band:430": "sadd srem del",
    "dsmil:ais:track:1": "lpush ltrim lindex del", "dsmil:ais:positions": "zadd zrem del",
    "dsmil:counters": "hset hmget del", "dsmil:snapshot:take": "getdel",
}  # fmt: skip
"""What the projector does to the keys it alone writes."""


def own(user: str) -> set[tuple[str, str]]:
    """(command, key) of everything beside streams that a daemon's work needs."""
    found = {("set", f"dsmil:hb:{user}"), ("exists", f"dsmil:pause:{user}")}
    if user in (*INGEST, "api"):
        found |= {("set", f"dsmil:hb:{user}@x"), ("exists", f"dsmil:pause:{user}@x")}
        found |= {("hset", "dsmil:instances"), ("hdel", "dsmil:instances")}
    else:
        found |= {(command, f"dsmil:fail:{user}") for command in ("hincrby", "hgetall", "hdel")}
        found |= {("lpush", "dsmil:loss"), ("ltrim", "dsmil:loss")}
        found |= {
            (c, f"dsmil:epoch:{s}") for c in ("get", "set") for s in ("L3_IN", "L4_OUT") if s in READS[user]
        }
    if user == "ais-playback":
        found |= {("hgetall", "dsmil:ais:playback"), ("hset", "dsmil:ais:playback")}
    if user in STATEFUL:
        found |= {(command, f"dsmil:journal:{user}") for command in ("lindex", "lrange", "rpush", "ltrim")}
        found |= {("hset", f"dsmil:checkpoint:{user}"), ("hsetnx", f"dsmil:checkpoint:{user}")}
        found |= {("sadd", "dsmil:checkpoints")}
    if user in GRAPHING:
        found |= {("exists", "dsmil:epoch")}
    if user == "api":
        beats = [f"dsmil:hb:{name}{more}" for name in READS for more in ("", "@x")]
        found |= {(command, key) for command in ("exists", "get", "mget") for key in (*beats, "dsmil:epoch")}
        found |= {("hgetall", "dsmil:instances"), ("hgetall", "dsmil:ais:playback"), ("llen", "dsmil:loss")}
    if user == "projector":
        found |= {("hset", "dsmil:checkpoint:projector"), ("sadd", "dsmil:checkpoints")}
        for key, commands in PROJECTED.items():
            found |= {(command, key) for command in commands.split()}
    if user == "drainer":
        found |= {("mget", "dsmil:epoch:L3_IN"), ("mget", "dsmil:epoch:L4_OUT"), ("lrange", "dsmil:loss")}
        found |= {(command, "dsmil:minutes:L3_IN") for command in ("hgetall", "hset", "hdel")}
        found |= {("smembers", "dsmil:checkpoints")}
        found |= {("hgetall", f"dsmil:checkpoint:{name}") for name in (*READS, *(f"{name}@x" for name in READS))}
    return found


@pytest.mark.parametrize("user", READS)
def test_a_daemon_touches_its_own_keys_and_no_other(admin: redis.Redis, user: str) -> None:
    names = [*READS, *(f"{name}@x" for name in READS)]
    keys = [*(f"dsmil:{kind}:{name}" for kind in NAMED for name in names), *OTHER_KEYS]
    got = {
        (command, key)
        for key in keys
        for command, words in WORDS_ON_KEY.items()
        if said(admin, user, command, key, *words) == "OK"
    }
    assert got == own(user)


DANGEROUS = (
    "FLUSHALL", "FLUSHDB", "CONFIG SET dir /tmp", "KEYS *", "SHUTDOWN", "DEBUG SLEEP 0", "MONITOR", "SAVE", "BGSAVE",
    "REPLICAOF h 1", "MODULE LIST", "ACL SETUSER x", "ACL LIST", "CLIENT PAUSE 1", "SCRIPT FLUSH", "FUNCTION LIST",
    "SWAPDB 0 1", "SELECT 1", "SUBSCRIBE c", "PUBLISH c m", "MIGRATE h 1 L3_IN 0 1", "BGREWRITEAOF", "EVALSHA x 0",
)  # fmt: skip


@pytest.mark.parametrize("user", [*COMMANDS, "operator"])
def test_what_endangers_the_whole_is_for_the_admin_alone(admin: redis.Redis, user: str) -> None:
    for command in DANGEROUS:
        assert said(admin, "admin", *command.split()) == "OK"
        assert "no permissions" in said(admin, user, *command.split()), command


def test_who_gives_no_name_may_look_and_use_the_documented_group(server: Any, admin: redis.Redis) -> None:
    for stream in STREAMS:
        allowed = LOOKER | ({"xreadgroup", "xack", "xgroup|create"} if stream in FIVE else set())
        got = {
            command
            for command in ON_STREAM
            if said(admin, "default", command, *on_stream(command, stream)) == "OK"
        }
        assert got == allowed, stream
    ensure_topology(admin)
    admin.xadd("L3_IN", {"event": "x"})
    with server.as_("default") as anybody:
        assert anybody.ping()
        with pytest.raises(redis.ResponseError, match="BUSYGROUP"):
            anybody.xgroup_create("L3_IN", USER_GROUP, id="0", mkstream=True)
        rows: Any = anybody.xreadgroup(USER_GROUP, "me", {"L3_IN": ">"})
        assert anybody.xack("L3_IN", USER_GROUP, rows[0][1][0][0]) == 1
        for act in (
            lambda: anybody.xadd("L3_IN", {"event": "x"}),
            lambda: anybody.xgroup_destroy("L3_IN", "l3"),
            lambda: anybody.get("dsmil:hb:l3"),
            lambda: anybody.config_get("*"),
            anybody.flushall,
        ):
            with pytest.raises(redis.exceptions.NoPermissionError):
                act()


def test_the_documented_client_looks_without_a_name_and_works_as_operator(server: Any) -> None:
    anybody = RedisStreamsClient(url=server.url)
    assert anybody.connect(), anybody.last_error
    assert anybody.get_stream_info("L3_IN") is not None
    assert anybody.publish("L5_IN", {"source_device": 1}) is None
    operator = RedisStreamsClient(url=f"unix://operator:{server.passwords['operator']}@{server.socket}")
    assert operator.connect(), operator.last_error
    assert set(operator.initialize_streams().values()) == {True}
    assert operator.publish("L5_IN", {"source_device": 1}) is not None, operator.last_error
    assert operator.publish("L3_IN", {"source_device": 1}) is not None, operator.last_error
    found = operator.read_group("L3_IN", USER_GROUP, "me")
    assert operator.acknowledge("L3_IN", USER_GROUP, found[-1][0])


OPERATOR_ON_STREAM = LOOKER | {"xread", "exists", "get", "dump", "type", "xgroup|create"}
OPERATOR_CHANGES = {
    ("set", "dsmil:epoch:L3_IN"), ("set", "dsmil:epoch:L4_OUT"), ("hset", "dsmil:ais:playback"),
    ("hset", "dsmil:dlq:settled"), ("hdel", "dsmil:dlq:settled"), ("set", "dsmil:snapshot:take"),
    *((command, f"dsmil:pause:{name}") for command in ("set", "del") for name in (*READS, "ais-playback@x")),
}  # fmt: skip
LOOKS = {"get", "exists", "mget", "hget", "hgetall", "hmget", "zrange", "smembers", "lindex", "lrange", "llen"}


def test_the_operator_looks_at_all_and_changes_what_people_may(admin: redis.Redis) -> None:
    for stream in STREAMS:
        allowed = OPERATOR_ON_STREAM | ({"xreadgroup", "xack"} if stream in FIVE else set())
        allowed = allowed | ({"xadd"} if stream != "GRAPH_EVENTS" else set())
        got = {
            command
            for command in ON_STREAM
            if said(admin, "operator", command, *on_stream(command, stream)) == "OK"
        }
        assert got == allowed, stream
    keys = [*(f"dsmil:{kind}:{name}" for kind in NAMED for name in (*READS, "ais-playback@x")), *OTHER_KEYS]
    changes = {
        (command, key)
        for key in keys
        for command, words in WORDS_ON_KEY.items()
        if command not in LOOKS and said(admin, "operator", command, key, *words) == "OK"
    }
    assert changes == OPERATOR_CHANGES
    for command in (("INFO",), ("TIME",), ("CONFIG", "GET", "x"), ("ACL", "WHOAMI"), ("MULTI",), ("EXEC",)):
        assert said(admin, "operator", *command) == "OK"


def test_a_script_can_do_no_more_than_the_drainer(server: Any, admin: redis.Redis) -> None:
    ensure_topology(admin)
    with server.as_("drainer") as drainer:
        for script in ("redis.call('DEL', KEYS[1])", "redis.call('XADD', KEYS[1], '*', 'event', 'x')"):
            with pytest.raises(redis.ResponseError, match=r"can't run this command|NOPERM"):
                drainer.eval(script, 1, "L3_IN")
        assert admin.exists("L3_IN")


def test_the_drainer_trims_and_removes_idle_consumers(server: Any, admin: redis.Redis) -> None:
    admin.flushall()
    with server.as_("drainer") as drainer:
        assert ensure_topology(drainer)[StreamName.L3_IN]
        admin.xadd("L3_IN", {"event": "x"})
        admin.xadd("L3_IN", {"event": "y"})
        for group in ("l3", "l4", "drainer"):
            admin.xreadgroup(group, f"{group}-0", {"L3_IN": ">"}, noack=True)
        settings = Streams(consumer_idle_s=-1.0, retention_s=-120.0)
        janitor = Janitor(drainer, settings)
        assert janitor.trim()[StreamName.L3_IN].removed == 1  # its last id stays
        assert {group["consumers"] for group in cast(list[Any], admin.xinfo_groups("L3_IN"))} == {0}


def test_a_wrong_password_opens_nothing(server: Any) -> None:
    with (
        connect(f"unix://admin:wrong@{server.socket}", "test") as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()


def test_every_shipped_daemon_has_a_user() -> None:
    assert set(READS) == {daemon.name for daemon in DAEMONS if daemon.shipped}
    assert set(acl.users()) == {*READS, "operator", "admin"}


def test_its_keys_are_those_the_others_use(admin: redis.Redis) -> None:
    """Sensors stand above the fabric, so the names are written twice."""
    assert said(admin, "ais-playback", "hset", POINTER_KEY, "f", "1") == "OK"
    assert said(admin, "l3", "exists", pause_key("l3")) == "OK"


def test_the_file_holds_no_password(server: Any) -> None:
    text = (server.etc / "users.acl").read_text()
    for user, password in server.passwords.items():
        assert password not in text
        assert re.search(rf"^user {user} reset on #{hashlib.sha256(password.encode()).hexdigest()} ", text, re.M)
    assert text.endswith("\nuser default reset off ~* &* +@all\n"), "transactions are loaded with its rights"


def test_each_version_gets_a_file_it_understands() -> None:
    passwords = dict.fromkeys(acl.users(), "x" * 16)
    assert "client|setinfo" not in acl.acl_text(passwords, (7, 0))
    newer = acl.acl_text(passwords, (7, 2)).splitlines()
    assert [line.split()[1] for line in newer if "+client|setinfo" not in line] == ["admin", "default"]


def test_transactions_outlive_a_restart_and_nobody_is_let_in_before(tmp_path: Path, installed_redis: Any) -> None:
    server = installed_redis(tmp_path)
    server.start()
    with server.as_("operator") as operator, operator.pipeline(transaction=True) as both:
        both.xadd("L3_IN", {"event": "x"}).xadd("L5_IN", {"event": "y"}).execute()
    server.kill()
    PrivateRedis.start(server)
    with server.as_("default") as anybody, pytest.raises(redis.AuthenticationError):
        anybody.xlen("L3_IN")
    with connect(f"unix://default:@{server.socket}", "test") as anybody, pytest.raises(redis.RedisError):
        anybody.flushall()
    assert run("--admit", server.socket, "--credentials", server.etc / "credentials").returncode == 0
    with server.as_("default") as anybody:
        assert (anybody.xlen("L3_IN"), anybody.xlen("L5_IN")) == (1, 1)
    with server.as_("admin") as admin:
        assert "errorstat_NOPERM" not in cast(dict[str, Any], admin.info("errorstats"))
    server.stop()
    assert run("--admit", server.socket, "--credentials", server.etc / "credentials").returncode == 69


def test_nobody_is_admitted_to_a_server_that_loads(tmp_path: Path, installed_redis: Any) -> None:
    """Its transactions would be loaded with the rights of who may only look."""
    server = installed_redis(tmp_path)
    server.start()
    with server.as_("admin") as admin:
        admin.config_set("auto-aof-rewrite-percentage", 0)
        for _ in range(20):
            with admin.pipeline(transaction=True) as many:
                for _ in range(500):
                    many.xadd("L3_IN", {"event": "x"})
                many.execute()
    server.kill()
    etc = server.etc / "redis.d" / "90-slow.conf"
    etc.parent.mkdir()
    etc.write_text(
        "key-load-delay 200\nloading-process-events-interval-bytes 1024\n"
    )  # a disk that takes its time
    PrivateRedis.start(server)
    with pytest.raises(Unavailable, match="LOADING"):
        server.admit()
    server.admit_when_loaded()
    with server.as_("default") as anybody:
        assert anybody.xlen("L3_IN") == 10_000
    server.stop()


@pytest.fixture
def held() -> Iterator[socket.socket]:
    """A port of this machine that is somebody else's until it is closed."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        yield holder


def test_a_port_that_is_taken_is_said_and_disturbs_nobody(
    tmp_path: Path, installed_redis: Any, held: socket.socket
) -> None:
    """Once it is free and admission repeated, the port looks only."""
    port = held.getsockname()[1]
    with installed_redis(tmp_path) as server:
        again = ("--admit", server.socket, "--credentials", server.etc / "credentials", "--port", port)
        taken = run(*again)
        assert taken.returncode == 71
        assert (
            f"port {port}" in taken.stderr and "ss -lntp" in taken.stderr and "dsmil-redis-admit" in taken.stderr
        )
        with server.as_("default") as anybody, server.as_("l3") as daemon:
            assert anybody.ping() and daemon.xadd("L3_OUT", {"event": "x"})
        held.close()
        assert run(*again).returncode == run(*again).returncode == 0, "an open port stays"
        with redis.Redis(port=port) as anybody:
            assert anybody.xlen("L3_OUT") == 1
            with pytest.raises(redis.exceptions.NoPermissionError):
                anybody.xadd("L3_OUT", {"event": "x"})


def test_without_a_port_none_is_opened_and_one_of_the_operators_wins(
    tmp_path: Path, installed_redis: Any, held: socket.socket
) -> None:
    port = held.getsockname()[1]
    held.close()

    def has(server: Any) -> object:
        with server.as_("admin") as admin:
            return cast(dict[str, Any], admin.config_get("port"))["port"]

    def admitted(server: Any, wanted: int) -> object:
        words = ("--admit", server.socket, "--credentials", server.etc / "credentials", "--port", wanted)
        assert run(*words).returncode == 0
        return has(server)

    (tmp_path / "etc" / "redis.d").mkdir(parents=True)
    own = tmp_path / "etc" / "redis.d" / "90-local.conf"
    with installed_redis(tmp_path) as server:
        assert has(server) == "0" and admitted(server, 0) == "0"
        own.write_text(" PORT 0\n")
        assert admitted(server, port) == "0"
        own.write_text("# port 1\nbind 127.0.0.1\n")
        assert admitted(server, port) == str(port)
        assert admitted(server, port + 1 if port < 65535 else 1024) == str(port)


def test_who_only_looks_gives_way_and_the_daemons_never(server: Any) -> None:
    wire = Wire(server.url_of("l3"), name="l3-0")
    wire.call("PING")
    said = cast(bytes, wire.call("CLIENT", "LIST", "ID", wire.client_id))
    wire.close()
    assert re.search(rb" flags=[a-zA-Z]*e", said), said
    with server.as_("admin") as admin:
        found: Any = admin.config_get("maxmemory-clients", "client-query-buffer-limit", "proto-max-bulk-len")
    assert found == {
        "maxmemory-clients": "20%", "client-query-buffer-limit": str(128 << 20), "proto-max-bulk-len": str(4 << 20),
    }  # fmt: skip
    assert EVENT_BYTES_MAX * PUBLISH_MAX < 128 << 20 and 16 * EVENT_BYTES_MAX < 4 << 20


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64", (7, 0)),
        ("Valkey server v=8.1.3 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64", (8, 1)),
        ("Redis server v=10.12.0", (10, 12)),
        ("Redis server v=6.2.14 sha=00000000:0", None),
        ("something else", None),
    ],
)
def test_the_version_is_read_off_the_server(tmp_path: Path, says: str, version: tuple[int, int] | None) -> None:
    command = tmp_path / "redis-server"
    command.write_text(f"#!/bin/sh\necho '{says}'\n")
    command.chmod(0o755)
    if version:
        assert acl.server_version(str(command)) == version
    else:
        with pytest.raises(ConfigError):
            acl.server_version(str(command))


def test_a_missing_server_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="apt-get install redis-server"):
        acl.server_version(str(tmp_path / "none"))


def run(*args: object) -> subprocess.CompletedProcess[str]:
    command: Sequence[str] = [sys.executable, "-m", "dsmil.fabric.acl", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT)


def test_the_command_prints_the_file_and_the_same_again(tmp_path: Path) -> None:
    first = run("--make", "--credentials", tmp_path)
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("user rf-ingest ")
    assert "made passwords for" in first.stderr
    assert (
        run("--credentials", tmp_path).stdout == run("--make", "--credentials", tmp_path).stdout == first.stdout
    )


def test_the_command_says_what_is_wrong_and_how_to_mend_it(tmp_path: Path) -> None:
    missing = run("--credentials", tmp_path)
    assert (missing.returncode, missing.stdout) == (78, "")
    assert "rf-ingest" in missing.stderr
    assert "--make" in missing.stderr
    nowhere = run("--make", "--credentials", tmp_path / "none")
    assert nowhere.returncode == 78
    assert "install -d" in nowhere.stderr
    run("--make", "--credentials", tmp_path)
    (tmp_path / "l4").unlink()
    (tmp_path / "l4").write_text("short\n")
    short = run("--make", "--credentials", tmp_path)
    assert (short.returncode, short.stdout) == (78, "")
    assert "l4" in short.stderr
    assert "short\n" not in short.stderr


def options(text: str) -> dict[str, str]:
    lines = (line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#"))
    return {key: value for key, value in lines if key != "include"}


def test_the_configuration_agrees_with_the_private_one(tmp_path: Path) -> None:
    installed = options((PROJECT / "etc" / "redis.conf").read_text())
    words = PrivateRedis(tmp_path)._command()[1:]
    private = {key.removeprefix("--"): value for key, value in zip(words[::2], words[1::2], strict=True)}
    for key in ("save", "appendonly", "appendfsync", "maxmemory-policy", "daemonize", "databases", "port"):
        assert installed[key] == (private[key] or '""'), key
    durable = PrivateRedis(tmp_path, profile="durable")._command()
    assert durable[durable.index("--appendfsync") + 1] == "always"


def test_what_a_machine_says_of_its_own_wins(tmp_path: Path, installed_redis: Any) -> None:
    (tmp_path / "etc" / "redis.d").mkdir(parents=True)
    (tmp_path / "etc" / "redis.d" / "10-machine.conf").write_text("maxmemory 64mb\nappendfsync no\n")
    (tmp_path / "etc" / "redis.d" / "90-local.conf").write_text("appendfsync always\n")
    with installed_redis(tmp_path) as server, server.as_("operator") as operator:
        found: Any = operator.config_get("*")
        assert found["maxmemory"] == str(64 << 20)
        assert found["appendfsync"] == "always"
        assert found["unixsocketperm"] == "770"
        assert server.socket.stat().st_mode & 0o777 == 0o770
        assert found["aclfile"] == str(server.etc / "users.acl")


def test_an_empty_folder_of_the_machine_is_no_fault(tmp_path: Path, installed_redis: Any) -> None:
    (tmp_path / "etc" / "redis.d").mkdir(parents=True)
    with installed_redis(tmp_path) as server, server.as_("operator") as operator:
        found: Any = operator.config_get("*")
        assert (found["port"], found["appendonly"], found["save"]) == ("0", "yes", "")
