"""The Redis server: its version, what it keeps and evicts, its memory, its disk, its clock, and its port.

INFO is anybody's of ours to ask; CONFIG is the administrator's, so what only it tells is left out for others.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import redis as redis_py

from dsmil.cli.checks.finding import Finding, Verdict, mended
from dsmil.cli.checks.rights import may_ask
from dsmil.cli.checks.site import SETUP, Site
from dsmil.clock import SYSTEM
from dsmil.errors import ConfigError
from dsmil.fabric.port import chosen
from dsmil.watch.readings import text

if TYPE_CHECKING:
    from redis import Redis

REDIS_MIN = (7, 0)
SKEW_S_MAX = 2.0
FILL_MAX = 0.85
MIB = 1 << 20
POLICY = "noeviction"
PROFILES = {"everysec": "fast", "always": "durable"}
LOOK_PORT = re.compile(r"^Environment=.*\bLOOK_PORT=(\d{1,5})\b", re.MULTILINE)
LOOPBACK = ("127.", "-127.", "::1", "-::1", "localhost")


def server(client: Redis, site: Site) -> Iterator[Finding]:
    """What INFO and TIME tell."""
    info: Any = client.info()
    version = str(info["redis_version"])
    old = tuple(int(part) for part in version.split(".")[:2]) < REDIS_MIN
    yield Finding("redis version", "fail" if old else "ok", version, "install Redis 7.0 or newer" if old else "")
    yield _policy(client, site, str(info.get("maxmemory_policy", "unknown")))
    yield _kept(client, site, info)
    yield memory(site, info)
    if gone := int(info.get("evicted_keys", 0)):
        yield Finding("redis evicted", "fail", f"{gone} keys were thrown out for want of memory: data are lost",
                      "dsmil loss; give Redis more memory, and keep maxmemory-policy noeviction")  # fmt: skip
    yield from disk(info)
    yield skew(client)


def settings(client: Redis, site: Site) -> Iterator[Finding]:
    """What only CONFIG tells: how often the append-only file is synced, and the TCP port."""
    now: Any = client.config_get("appendfsync", "port", "bind")
    yield _synced(client, site, str(now.get("appendfsync", "unknown")))
    if site.installed:
        yield from _port(client, site, str(now.get("port", "0")), str(now.get("bind", "")).split())


def memory(site: Site, info: dict[str, Any]) -> Finding:
    """How much of its memory is taken; Redis refuses every write beyond the limit."""
    used, limit = int(info["used_memory"]), int(info.get("maxmemory") or 0)
    twice = f"{max(256, 2 * limit // MIB)}mb" if limit else "1gb"
    more = f"{_set(site, 'maxmemory', twice)}; dsmil top shows what piles up"
    if not limit:
        said = f"{used / MIB:.1f} MiB, without a limit"
        return Finding("redis memory", "warn" if site.installed else "ok", said, more if site.installed else "")
    share = used / limit
    said = f"{used / MIB:.1f} of {limit / MIB:.1f} MiB, {share:.0%} full"
    if share >= 1:
        return Finding("redis memory", "fail", f"{said}: every write is refused", more)
    return (
        Finding("redis memory", "warn", said, more) if share > FILL_MAX else Finding("redis memory", "ok", said)
    )


def disk(info: dict[str, Any]) -> Iterator[Finding]:
    """Whether the append-only file can be written and rewritten."""
    if info.get("aof_enabled") and info.get("aof_last_write_status", "ok") != "ok":
        said = "the append-only file cannot be written: every write is refused"
        yield Finding("redis disk", "fail", said, "free disk space: df -h")
    if info.get("aof_enabled") and info.get("aof_last_bgrewrite_status", "ok") != "ok":
        said = "the append-only file could not be rewritten and grows"
        yield Finding(
            "redis disk", "warn", said, "sudo sysctl vm.overcommit_memory=1; journalctl -u dsmil-redis -n 50"
        )


def skew(client: Redis) -> Finding:
    """How far Redis's clock is from ours."""
    seconds, micros = client.time()  # type: ignore[misc, unused-ignore]
    apart = abs(SYSTEM.now() - (int(seconds) + int(micros) / 1e6))
    bad = apart > SKEW_S_MAX
    return Finding("clock", "fail" if bad else "ok", f"{apart:.2f} s from Redis's clock",
                   "synchronise both: sudo timedatectl set-ntp true" if bad else "")  # fmt: skip


def _policy(client: Redis, site: Site, now: str) -> Finding:
    if now == POLICY:
        return Finding("redis policy", "ok", now)
    said = f"maxmemory-policy is {now}: Redis may throw out whole streams"
    mend = _set(site, "maxmemory-policy", POLICY)
    act = partial(client.config_set, "maxmemory-policy", POLICY)
    return mended(Finding("redis policy", "fail", said, mend), act, fix=site.fix)


def _kept(client: Redis, site: Site, info: dict[str, Any]) -> Finding:
    if info.get("aof_enabled"):
        return Finding("redis persistence", "ok", "append-only file on")
    said = "no append-only file: a restart of Redis loses every stream"
    verdict: Verdict = "fail" if site.installed else "warn"
    act = partial(client.config_set, "appendonly", "yes")
    return mended(Finding("redis persistence", verdict, said, _set(site, "appendonly", "yes")), act, fix=site.fix)


def _synced(client: Redis, site: Site, now: str) -> Finding:
    if now in PROFILES:
        return Finding("redis profile", "ok", f"{PROFILES[now]} (appendfsync {now})")
    said = f"appendfsync is {now}: a power loss takes all the kernel had not written"
    act = partial(client.config_set, "appendfsync", "everysec")
    return mended(
        Finding("redis profile", "fail", said, _set(site, "appendfsync", "everysec")), act, fix=site.fix
    )


def _port(client: Redis, site: Site, port: str, bind: list[str]) -> Iterator[Finding]:
    if port == "0":
        yield _closed(site)
        return
    wide = [address for address in bind if not address.startswith(LOOPBACK)]
    if wide or not bind:
        said = f"listens on {' '.join(wide) or 'every address'}, port {port}"
        yield Finding("redis port", "fail", said, _set(site, "bind", "127.0.0.1 -::1"))
    else:
        yield _look_only(client, site, port)


def _closed(site: Site) -> Finding:
    wanted = _wanted_port(site)
    if wanted == "0":
        return Finding("redis port", "ok", "off: Redis listens on its socket only")
    said = f"look-only port {wanted} is closed: somebody else has it, or nobody was let in since Redis started"
    mend = f"sudo ss -lntp 'sport = :{wanted}'; free it, then: sudo systemctl restart dsmil-redis-admit"
    return Finding("redis port", "warn", said, mend)


def _wanted_port(site: Site) -> str:
    """The port that the unit is to open after each start of Redis; 0 where there is none, or one of the
    operator's own."""
    unit = site.root / "etc/systemd/system/dsmil-redis-admit.service"
    files = [unit, *sorted(unit.with_name(f"{unit.name}.d").glob("*.conf"))]
    try:
        if not unit.exists() or chosen(site.etc / "redis.d"):
            return "0"
        return ([found[1] for path in files for found in LOOK_PORT.finditer(path.read_text())] or ["0"])[-1]
    except (OSError, ValueError, ConfigError):  # not for this user to know
        return "0"


def _look_only(client: Redis, site: Site, port: str) -> Finding:
    again = f"sudo systemctl restart dsmil-redis; if that is not it, {SETUP}"
    if not may_ask(client, "ACL", "GETUSER", "default"):
        return Finding("redis port", "ok", f"{port} on loopback")
    about: Any = client.acl_getuser("default")  # type: ignore[no-untyped-call, unused-ignore]
    may = [words.partition(" ")[0] for words in MUST_NOT if _may(client, words)]
    if "off" in [text(flag) for flag in about["flags"]]:
        return Finding("redis port", "warn", f"{port} on loopback, but nobody may look", again)
    if may:
        said = f"whoever reaches port {port} may {', '.join(may)}"
        return Finding("redis port", "fail", said, again)
    return Finding("redis port", "ok", f"{port} on loopback, to look only")


MUST_NOT = ("XADD L3_IN * event x", "SET dsmil:hb:l3 x", "DEL L3_IN", "FLUSHALL", "CONFIG SET port 0", "EVAL x 0")
"""What a user without a password must not be able to do."""


def _may(client: Redis, words: str) -> bool:
    try:
        return text(client.acl_dryrun("default", *words.split())) == "OK"  # type: ignore[no-untyped-call, unused-ignore]
    except redis_py.exceptions.NoPermissionError:
        raise
    except redis_py.ResponseError:  # an odd command, or a server without DRYRUN
        return False


def _set(site: Site, key: str, value: str) -> str:
    kept = f"{site.etc}/redis.d/90-local.conf" if site.installed else "its configuration file"
    return f"{site.redis_cli(f'CONFIG SET {key} {shlex.quote(value)}')}, and '{key} {value}' in {kept}"
