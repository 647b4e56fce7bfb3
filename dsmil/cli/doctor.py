"""`dsmil doctor`: what is wrong with a suite or its machine, each finding with its mend.

`--fix` does only what cannot lose anything: makes directories, closes their permissions, sets Redis's eviction
policy and append-only file, creates the groups.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from dsmil.cli import readings
from dsmil.cli.place import redis_of, settings_of
from dsmil.clock import SYSTEM
from dsmil.config import Settings
from dsmil.errors import ConfigError, DsmilError
from dsmil.runtime.health import State

if TYPE_CHECKING:
    from redis import Redis

REDIS_MIN = (7, 0)
SKEW_S_MAX = 2.0
FUTURE_S_MAX = 60.0
"""A stream id further ahead was set by hand or by a wrong clock, and pins all later ids (reliability 2.1)."""
FREE_BYTES_MIN = 1 << 30
HOT_BYTES_MIN = 256 << 20
FILL_MAX = 0.85
LAG_S_MAX = 60.0
LETTERS_MAX = 1000


class Finding(Struct):
    """One check: its verdict, what was seen, and what to do about it."""

    check: str
    verdict: Literal["ok", "warn", "fail", "fixed"]
    said: str
    mend: str = ""


def examine(directory: Path | None, *, fix: bool) -> list[Finding]:
    """All checks of the suite in `directory`, or of the configured one."""
    try:
        settings = settings_of(directory)
    except ConfigError as error:
        return [Finding("configuration", "fail", str(error), error.hint)]
    found = [Finding("configuration", "ok", "all keys known and in range")]
    found += _places(settings, fix=fix)
    found += _machine(settings, private=directory is not None)
    try:
        with redis_of(settings) as client:
            found += _server(client, fix=fix)
            found += _suite(client, directory)
    except DsmilError as error:
        found.append(Finding("redis", "fail", str(error), error.hint))
    return found


def _places(settings: Settings, *, fix: bool) -> Iterator[Finding]:
    paths = settings.paths
    for name, path in (("data", paths.data), ("run", paths.run), ("hot", paths.hot)):
        check = f"paths.{name}"
        if not path.is_dir():
            yield _mended(
                fix and name != "hot",
                Finding(check, "warn" if name == "hot" else "fail", f"{path} is absent", _absent(name, path)),
                partial(path.mkdir, parents=True, mode=0o750),
            )
        elif not os.access(path, os.W_OK | os.X_OK):
            owner = path.stat().st_uid
            yield Finding(check, "fail", f"{path} is not writable by uid {os.getuid()} (owner {owner})",
                          f"chown it, or run as its owner: sudo -u '#{owner}' dsmil doctor")  # fmt: skip
        elif stat.S_IMODE(path.stat().st_mode) & stat.S_IRWXO:
            mode = stat.S_IMODE(path.stat().st_mode)
            yield _mended(
                fix,
                Finding(check, "warn", f"{path} is open to others (mode {mode:04o})", f"chmod o-rwx {path}"),
                partial(path.chmod, mode & ~stat.S_IRWXO),
            )
        else:
            yield Finding(check, "ok", str(path))


def _absent(name: str, path: Path) -> str:
    return f"systemctl start {_mount_unit(path)}" if name == "hot" else f"mkdir -p -m 0750 {path} (or --fix)"


def _mount_unit(path: Path) -> str:
    return f"'{str(path).strip('/').replace('-', chr(92) + 'x2d').replace('/', '-')}.mount'"


def _mended(fix: bool, finding: Finding, act: Callable[[], Any]) -> Finding:
    if not fix:
        return finding
    try:
        act()
    except OSError as error:
        return Finding(finding.check, finding.verdict, f"{finding.said}; mend failed: {error}", finding.mend)
    return Finding(finding.check, "fixed", finding.said)


def _machine(settings: Settings, *, private: bool) -> Iterator[Finding]:
    hot = settings.paths.hot
    if hot.is_dir():
        kind, usage = _filesystem(hot), shutil.disk_usage(hot)
        if kind != "tmpfs" and not private:
            yield Finding("tmpfs", "warn", f"{hot} is {kind}, not tmpfs", f"systemctl start {_mount_unit(hot)}")
        elif usage.total < HOT_BYTES_MIN:
            yield Finding("tmpfs", "warn", f"{usage.total >> 20} MiB in all", "give it at least 256 MiB")
        else:
            yield _fill("tmpfs", usage.used / usage.total, f"{kind}, {usage.total >> 20} MiB")
    if settings.paths.data.is_dir():
        free = shutil.disk_usage(settings.paths.data).free
        low = free < FREE_BYTES_MIN
        yield Finding("disk", "fail" if low else "ok", f"{free >> 20} MiB free for {settings.paths.data}",
                      "free some, or lower audit.budget_bytes" if low else "")  # fmt: skip
    overcommit = _first_line(Path("/proc/sys/vm/overcommit_memory"))
    if overcommit not in ("1", ""):
        said = f"vm.overcommit_memory = {overcommit}: an append-only rewrite may fail"
        yield Finding("overcommit", "warn", said, "sysctl vm.overcommit_memory=1")
    else:
        yield Finding("overcommit", "ok", f"vm.overcommit_memory = {overcommit or 'unknown'}")


def _fill(check: str, share: float, said: str) -> Finding:
    if share > FILL_MAX:
        return Finding(check, "warn", f"{said}, {share:.0%} full", "lower hot.budget_bytes or enlarge it")
    return Finding(check, "ok", f"{said}, {share:.0%} full")


def _filesystem(path: Path) -> str:
    best, kind = "", "unknown"
    for line in Path("/proc/self/mounts").read_text("utf-8", "replace").splitlines():
        _, where, name, *_ = line.split(" ")
        where = where.replace("\\040", " ")
        inside = where == "/" or str(path.resolve()) == where or str(path.resolve()).startswith(f"{where}/")
        if inside and len(where) >= len(best):
            best, kind = where, name
    return kind


def _first_line(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except OSError:  # a hardened sandbox hides it
        return ""


def _server(client: Redis, *, fix: bool) -> Iterator[Finding]:
    info: Any = client.info()
    version = str(info["redis_version"])
    old = tuple(int(part) for part in version.split(".")[:2]) < REDIS_MIN
    yield Finding("redis version", "fail" if old else "ok", version, "install Redis 7.0 or newer" if old else "")
    wanted = (("maxmemory-policy", "noeviction", "fail"), ("appendonly", "yes", "warn"))
    for key, value, verdict in wanted:
        yield _option(client, key, value, verdict, fix=fix)
    used, limit = int(info["used_memory"]), int(info.get("maxmemory") or 0)
    if limit:
        yield _fill("redis memory", used / limit, f"{used >> 20} of {limit >> 20} MiB")
    if info.get("aof_enabled") and info.get("aof_last_write_status", "ok") != "ok":
        yield Finding("redis disk", "fail", "the append-only file cannot be written", "free disk space")
    seconds, micros = client.time()  # type: ignore[misc, unused-ignore]
    skew = abs(SYSTEM.now() - (int(seconds) + int(micros) / 1e6))
    bad = skew > SKEW_S_MAX
    yield Finding("clock", "fail" if bad else "ok", f"{skew:.2f} s from Redis's clock",
                  "synchronise both: timedatectl set-ntp true" if bad else "")  # fmt: skip


def _option(client: Redis, key: str, value: str, verdict: Any, *, fix: bool) -> Finding:
    import redis

    check = f"redis {key}"
    try:
        reply: Any = client.config_get(key)
        now = str(reply.get(key, "unknown"))
        if now == value:
            return Finding(check, "ok", value)
        mend = f"redis-cli CONFIG SET {key} {value}, and in its configuration file"
        if not fix:
            return Finding(check, verdict, f"{now}, not {value}", f"{mend} (or --fix)")
        client.config_set(key, value)
        return Finding(check, "fixed", f"{now}, now {value}", "set it in Redis's configuration file too")
    except redis.ResponseError as error:  # an ACL user may not ask
        return Finding(check, "warn", f"may not be asked: {error}", "ask as Redis's administrator")


def _suite(client: Redis, directory: Path | None) -> Iterator[Finding]:
    from dsmil.fabric.deadletter import Letters

    now = SYSTEM.now()
    streams = readings.streams(client, now)
    for row in readings.daemons(client, now, streams):
        good = row.state in (State.READY, State.DRAINING)
        said = f"{row.state}" + (f": {row.beat.error}" if row.beat and row.beat.error else "")
        mend = (
            f"journalctl -u dsmil-{row.daemon}" if directory is None else f"see {directory}/log/{row.daemon}.log"
        )
        yield Finding(f"daemon {row.daemon}", "ok" if good else "fail", said, "" if good else mend)
    yield from _streams(streams, now)
    letters = len(Letters(client).list_(LETTERS_MAX))
    if letters:
        more = " or more" if letters == LETTERS_MAX else ""
        yield Finding("dead letters", "warn", f"{letters}{more} to be looked at", "dsmil dlq list")
    losses = int(client.llen("dsmil:loss"))
    if losses:
        yield Finding("losses", "warn", f"{losses} records wait for the drainer", "dsmil loss")


def _streams(streams: list[readings.StreamReading], now: float) -> Iterator[Finding]:
    for row in streams:
        ahead = int(row.last_id.partition("-")[0]) / 1000 - now if row.stream != "GRAPH_EVENTS" else 0.0
        if ahead > FUTURE_S_MAX:
            yield Finding(f"stream {row.stream}", "fail", f"its last id is {ahead:.0f} s in the future",
                          "set the clock right; ids stay pinned until then")  # fmt: skip
        if row.lag_s > LAG_S_MAX:
            slow = ", ".join(group.group for group in row.groups if group.lag_s > LAG_S_MAX)
            yield Finding(f"stream {row.stream}", "warn", f"{slow} lags by {row.lag_s:.0f} s", "dsmil top")
