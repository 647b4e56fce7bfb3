"""The ACL file of the installed Redis, made from the topology: who may do what to which key.

One user a daemon, with no more rights than its work has: a parser that was taken over can add to L3_IN, and read,
trim or empty nothing. What Redis cannot express stays open and is watched for instead: whoever may XADD may give
an id or a MAXLEN of its own, and whoever may read a stream may acknowledge for another group of it.

    python -m dsmil.fabric.acl --make --credentials /etc/dsmil/credentials > users.acl

In the file `default` is off and may do everything, and only after each start does it become the user that may look.
For while a server loads its append-only file, it carries out transactions with the rights of `default` (redis#14541,
valkey#3983): what those do not cover is dropped, or the server dies of it. Nobody can be `default` while it is off.
So never ACL LOAD or ACL SAVE; restart.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from dsmil.config import systemd
from dsmil.errors import ConfigError, DsmilError, Unavailable
from dsmil.events.enums import StreamName
from dsmil.fabric import instances, passwords, projected
from dsmil.fabric.address import Address
from dsmil.fabric.deadletter import SETTLED_KEY
from dsmil.fabric.feed import epoch_key
from dsmil.fabric.frame import failures_key, journal_key
from dsmil.fabric.heartbeat import heartbeat_key
from dsmil.fabric.janitor import minutes_key
from dsmil.fabric.journal import CHECKPOINTS_KEY, checkpoint_key
from dsmil.fabric.loss import LOSS_KEY
from dsmil.fabric.port import PortTaken, open_port
from dsmil.fabric.pressure import EPOCH_KEY
from dsmil.fabric.topology import CREATED_BY_PROJECTOR, DAEMONS, USER_GROUP_STREAMS, Daemon
from dsmil.fabric.wire import Wire

Version = tuple[int, int]

OLDEST: Version = (7, 0)
"""Rights by command and key together (selectors) came with 7.0."""
PEOPLE = ("operator", "admin")
"""Users that are no daemons: what people's command line uses, and the one who may all."""

_STATUS: dict[type[DsmilError], int] = {Unavailable: 69, PortTaken: 71}
"""sysexits.h; 78 for all else, which somebody has to mend."""
_AUDITOR = "drainer"
_GRAPH_KEEPER = "projector"
_PAUSE = "dsmil:pause:"
_POINTER = "dsmil:ais:playback"
_STREAMS = tuple(stream.value for stream in StreamName)
_INTRODUCTION = "ping hello auth client|setname client|id client|no-evict"
_LOOK = "xinfo xlen xrange xrevrange xpending"
_READ = (
    "exists xreadgroup xack xpending xclaim xrange xinfo|stream xinfo|groups xgroup|create xgroup|createconsumer"
)


def users() -> tuple[str, ...]:
    """The users with a password: every shipped daemon, then people."""
    return (*(daemon.name for daemon in DAEMONS if daemon.shipped), *PEOPLE)


def acl_text(words: Mapping[str, str], version: Version) -> str:
    """The whole file for a server of that version; `words` are the passwords of each of `users()`."""
    rules = {**{daemon.name: _daemon(daemon) for daemon in DAEMONS if daemon.shipped}, **_people()}
    lines = [
        _line(name, rules[name], f"#{hashlib.sha256(words[name].encode()).hexdigest()}", version)
        for name in users()
    ]
    return "\n".join([*lines, "user default reset off ~* &* +@all", ""])


def admit(wire: Wire) -> None:
    """Let in whoever gives no name, to look: to be done after each start, as admin. Unavailable while the server
    still loads."""
    wire.call(
        "PING"
    )  # refused while it loads; SETUSER would not be, and what is still to be loaded would be lost
    told = cast(bytes, wire.call("INFO", "server")).decode()
    version = _version(re.search(r"redis_version:(\d+)\.(\d+)", told), "the server")
    wire.call("ACL", "SETUSER", "default", *_words(_line("default", _anybody(), "nopass", version))[2:])


def server_version(command: str = "redis-server") -> Version:
    """The version of the installed server; ConfigError where there is none, or one that is too old."""
    try:
        said = subprocess.run(
            [command, "--version"], capture_output=True, text=True, check=True, timeout=10
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError(
            f"ask {command} for its version: {error}", hint="apt-get install redis-server"
        ) from None
    return _version(re.search(r"\bv=(\d+)\.(\d+)", said), command)


def _version(found: re.Match[str] | None, who: str) -> Version:
    if found is None:
        raise ConfigError(f"ask {who} for its version: not understood", hint="is it Redis?")
    version = int(found[1]), int(found[2])
    if version < OLDEST:
        raise ConfigError(f"use Redis {found[1]}.{found[2]}: too old", hint="install Redis 7.0 or newer")
    return version


def _line(name: str, rules: Sequence[str], password: str, version: Version) -> str:
    # redis-py says which library it is from 7.2 on; an older server refuses a file that names a command it lacks.
    setinfo = ("+client|setinfo",) if version >= (7, 2) and "+@all" not in rules else ()
    return " ".join(("user", name, "reset", "on", password, *setinfo, *rules))


def _words(line: str) -> list[str]:
    """A selector is one word where it does not come out of a file."""
    return re.findall(r"\([^)]*\)|\S+", line)


def _daemon(daemon: Daemon) -> list[str]:
    name, written = daemon.name, tuple(stream.value for stream in daemon.writes)
    rules = [
        _plain(_INTRODUCTION, "multi exec"),
        _may("set", *_own(daemon, heartbeat_key(name))),
        _may("exists", *_own(daemon, f"{_PAUSE}{name}")),
    ]
    if name == _AUDITOR:
        return [*rules, *_reader(daemon), *_auditor()]
    # What was published is looked for again after a fault, hence XRANGE.
    rules.append(_may("xadd xlen xrange", *written, StreamName.DEAD_LETTER.value))
    if made := CREATED_BY_PROJECTOR.intersection(daemon.writes):
        rules.append(_may("exists", EPOCH_KEY, *sorted(made)))
    if name == _GRAPH_KEEPER:
        return [*rules, *_reader(daemon), *_graph_keeper()]
    if daemon.watches:
        rules += _watcher(daemon)
    if daemon.reads:
        return [*rules, *_reader(daemon), *_stateful(name)]
    pointer = [_may("hgetall hset", _POINTER)] if name == "ais-playback" else []
    return [*rules, *pointer, _may("hset hdel", instances.KEY)]


def _own(daemon: Daemon, key: str) -> tuple[str, ...]:
    """A daemon's own key, and those of its instances where it may have some: they are the same user."""
    return (key,) if daemon.reads else (key, f"{key}@*")


def _reader(daemon: Daemon) -> list[str]:
    """A group's reading side. It may list and kill connections: its own former one might do something late."""
    return [
        _plain("client|list client|kill"),
        _may(_READ, *(stream.value for stream in daemon.reads)),
        _may("set get", *(epoch_key(stream) for stream in daemon.reads)),
        _may("hincrby hgetall hdel", failures_key(daemon.name)),
        _may("lpush ltrim", LOSS_KEY),
    ]


def _watcher(daemon: Daemon) -> list[str]:
    """Reading without a group, and how the suite is, metrics too."""
    return [
        _plain("info"),
        _may(_LOOK, *_STREAMS),
        _may("exists xread", *(stream.value for stream in daemon.watches)),
        _may("exists get mget", heartbeat_key("*"), EPOCH_KEY, *(epoch_key(stream) for stream in daemon.watches)),
        _may("hgetall", instances.KEY, _POINTER),
        _may("llen", LOSS_KEY),
    ]


def _graph_keeper() -> list[str]:
    """Making the graph's stream, and keeping what of the graph people look up with redis-cli."""
    graph = sorted(CREATED_BY_PROJECTOR)
    return [
        _plain("scan"),
        _may("xsetid", *graph),
        _may("set get", EPOCH_KEY),
        _may("getdel", projected.TAKE_SNAPSHOT),
        _may("hset", checkpoint_key(_GRAPH_KEEPER)),
        _may("sadd", CHECKPOINTS_KEY),
        _may("set del", f"{projected.ENTITY}*", f"{projected.HOST}*"),
        _may("sadd srem del", f"{projected.ADJACENT}*", f"{projected.BAND}*"),
        _may("lpush ltrim lindex del", f"{projected.TRACK}*"),
        _may("zadd zrem del", projected.POSITIONS),
        _may("hset hmget del", projected.COUNTERS),
    ]


def _stateful(name: str) -> list[str]:
    return [
        _may("lindex lrange rpush ltrim", journal_key(name)),
        _may("hset hsetnx", checkpoint_key(name)),
        _may("sadd", CHECKPOINTS_KEY),
    ]


def _auditor() -> list[str]:
    """Trimming and the loss ledger. It adds to no stream, so nothing in the audit log can be its own; `eval` runs
    with the rights of who sends it, so a script can do no more than the janitor."""
    return [
        _may("xtrim xinfo|consumers xgroup|delconsumer eval", *_STREAMS),
        _may("xlen", StreamName.DEAD_LETTER.value),
        _may("mget", *(epoch_key(stream) for stream in StreamName)),
        _may("lrange", LOSS_KEY),
        _may("smembers", CHECKPOINTS_KEY),
        _may("hgetall", checkpoint_key("*")),
        _may("hgetall hset hdel", *(minutes_key(stream) for stream in StreamName)),
    ]


def _people() -> dict[str, list[str]]:
    return {"operator": _operator(), "admin": ["~*", "&*", "+@all"]}


def _operator() -> list[str]:
    """Look at everything, feed, pause, settle dead letters, make what is missing. Never remove a stream's entries,
    never change the server."""
    graph = {stream.value for stream in CREATED_BY_PROJECTOR}
    return [
        _plain(_INTRODUCTION, "info time command config|get acl|whoami acl|users acl|dryrun multi exec discard"),
        f"(+@read -@dangerous {' '.join(f'%R~{key}' for key in (*_STREAMS, 'dsmil:*'))})",
        _may("xadd", *(name for name in _STREAMS if name not in graph)),
        _may("xreadgroup xack", *(stream.value for stream in USER_GROUP_STREAMS)),
        _may("xgroup|create", *_STREAMS),
        _may("set", *(epoch_key(stream) for stream in StreamName)),
        _may("set del", f"{_PAUSE}*"),
        _may("set", projected.TAKE_SNAPSHOT),
        _may("hset", _POINTER),
        _may("hset hdel", SETTLED_KEY),
    ]


def _anybody() -> list[str]:
    """Who comes without a name: the documented looks, and the documented group on its five streams. A client library
    may say what it is called, or it would not get as far as looking."""
    return [
        _plain("ping info client|setname"),
        _may(_LOOK, *_STREAMS),
        _may("xreadgroup xack xgroup|create", *(stream.value for stream in USER_GROUP_STREAMS)),
    ]


def _plain(*commands: str) -> str:
    return " ".join(f"+{command}" for word in commands for command in word.split())


def _may(commands: str, *keys: str) -> str:
    """A selector: these commands, on these keys only."""
    return f"({_plain(commands)} {' '.join(f'~{key}' for key in keys)})"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the ACL file, or let people look; the exit code."""
    parser = argparse.ArgumentParser(prog="dsmil.fabric.acl", description="Print the ACL file of dsmil's Redis.")
    parser.add_argument("--credentials", type=Path, required=True, metavar="DIR", help="one password file a user")
    parser.add_argument("--make", action="store_true", help="make the password files that are missing")
    parser.add_argument(
        "--admit", metavar="SOCKET", help="let who gives no name look at the server that just started"
    )
    parser.add_argument("--port", type=int, default=0, help="open this port to look; 0, which is usual: none")
    parser.add_argument("--server", default="redis-server", help="whose version the file is for")
    asked = parser.parse_args(argv)
    try:
        _admit(asked) if asked.admit else _print(asked)
    except DsmilError as error:
        # At the level of an error in the journal, where set-up looks for why the unit failed.
        sys.stderr.write(f"{'<3>' if systemd.journal_stream() else ''}acl: {error}\n")
        return _STATUS.get(type(error), 78)
    return 0


def _print(asked: argparse.Namespace) -> None:
    version = server_version(asked.server)
    made = passwords.make(asked.credentials, users()) if asked.make else []
    sys.stdout.write(acl_text(passwords.read(asked.credentials, users()), version))
    if made:
        sys.stderr.write(f"acl: made passwords for {', '.join(made)}\n")


def _admit(asked: argparse.Namespace) -> None:
    password = passwords.read(asked.credentials, ["admin"])["admin"]
    wire = Wire(Address(path=asked.admit, username="admin", password=password), name="admit")
    admit(wire)
    open_port(wire, asked.port)
    wire.close()


if __name__ == "__main__":
    raise SystemExit(main())
