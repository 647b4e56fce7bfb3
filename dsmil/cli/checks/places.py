"""Directories and files: are they there, whose are they, and who may read what.

The table is the plan of an installed machine. A private suite has but its three roots, closed to others.
"""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from msgspec import Struct

from dsmil.cli.checks.command import act
from dsmil.cli.checks.finding import Finding, Verdict, mended
from dsmil.cli.checks.site import ETC, GROUP, SETUP, Site

SERVER = "dsmil-redis"
SHOWN_MAX = 5


class Wanted(Struct, frozen=True):
    """How a path ought to be. `secret`: more rights than these give away a password or let history be changed."""

    path: Path
    owner: str
    group: str
    mode: int
    secret: bool = False


def places(site: Site) -> Iterator[Finding]:
    """Every path of the suite."""
    if not site.installed:
        yield from _roots(site)
        return
    found = [judge(wanted, fix=site.fixes_machine) for wanted in plan(site)]
    bad = [finding for finding in found if finding is not None]
    yield from bad
    yield from unlocked(site.settings.paths.audit, fix=site.fixes_machine)
    if not bad:
        yield Finding(
            "permissions", "ok", f"{len(found)} paths are as they should be, as far as they can be seen"
        )


def plan(site: Site) -> list[Wanted]:
    """Every path of an installed machine as set-up makes it."""
    paths, etc = site.settings.paths, site.root / ETC
    data, run = paths.data, paths.run
    both = partial(Wanted, owner=GROUP, group=GROUP)
    folder = [etc / "credentials"] if site.settings.redis.password_file else []
    keys = sorted(etc.glob("credentials/*"))
    return [
        *(Wanted(path, "root", GROUP, 0o750, True) for path in folder),
        *(Wanted(path, "root", GROUP, 0o640, True) for path in etc.glob("conf.d/20-redis.toml")),
        *(Wanted(key, "root", GROUP, 0o640, True) for key in keys if key.name == "operator"),
        *(Wanted(key, "root", "root", 0o400, True) for key in keys if key.name != "operator"),
        *(Wanted(path, SERVER, GROUP, 0o400, True) for path in [etc / "users.acl"] if path.exists()),
        both(data, mode=0o2750),
        both(paths.audit, mode=0o2750, secret=True),
        both(paths.graph_db.parent, mode=0o2750),
        both(paths.operators_db.parent, mode=0o700, secret=True),
        *(both(path, mode=0o600, secret=True) for path in _there(paths.operators_db)),
        *(both(data / name, mode=0o2770) for name in ("checkpoints", "fallback", "ingest", "drop")),
        *(both(paths.drop / name, mode=0o2770) for name in ("ais", "nmap", "ndpi", "rf")),
        Wanted(data / "redis", SERVER, GROUP, 0o700, True),
        both(run, mode=0o2750),
        both(site.root / "var/log/dsmil", mode=0o2750),
    ]


def _there(path: Path) -> list[Path]:
    """The file, where it is there and may be seen."""
    try:
        return [path] if path.exists() else []
    except OSError:
        return []


def judge(wanted: Wanted, *, fix: bool = False) -> Finding | None:
    """What is wrong with a path; None where it is as wanted, or in a directory that is not for us to see."""
    path, check = wanted.path, f"permissions {wanted.path}"
    try:
        seen = path.lstat()
    except FileNotFoundError:
        make = ("systemd-tmpfiles", "--create", f"--prefix={path}")
        absent = Finding(check, "fail", "is absent", f"sudo {' '.join(make)}")
        return mended(absent, partial(_make, path, make), fix=fix)
    except OSError:
        return None
    owner, group, mode = _user(seen.st_uid), _group(seen.st_gid), stat.S_IMODE(seen.st_mode)
    if (owner, group, mode) == (wanted.owner, wanted.group, wanted.mode):
        return None
    # Fewer rights than wanted stop a daemon; more of them on a secret give it away.
    open_ = wanted.secret and bool(mode & ~wanted.mode & 0o077)
    said = f"is {owner}:{group} {mode:04o}, not {wanted.owner}:{wanted.group} {wanted.mode:04o}"
    at = shlex.quote(str(path))
    mend = f"sudo chown {wanted.owner}:{wanted.group} {at} && sudo chmod {wanted.mode:04o} {at}"
    verdict: Verdict = "fail" if open_ or owner != wanted.owner else "warn"
    return mended(Finding(check, verdict, said, mend), partial(_set_right, wanted), fix=fix)


def member(group: str) -> Iterator[Finding]:
    """Whether the caller is in the group that may read the suite."""
    if os.geteuid() == 0:
        return
    name = _user(os.geteuid())
    try:
        entry = grp.getgrnam(group)
    except KeyError:
        yield Finding("membership", "fail", f"there is no group {group}", SETUP)
        return
    if entry.gr_gid in (os.getegid(), *os.getgroups()):
        yield Finding("membership", "ok", f"{name} is in group {group}")
    elif name in entry.gr_mem:
        yield Finding("membership", "warn", f"{name} is in group {group}, but this session began before that",
                      f"log in again, or: newgrp {group}")  # fmt: skip
    else:
        yield Finding("membership", "warn", f"{name} is not in group {group} and sees little of the suite",
                      f"sudo usermod -aG {group} {shlex.quote(name)}, then log in again")  # fmt: skip


def unlocked(audit: Path, *, fix: bool) -> Iterator[Finding]:
    """Audit files that others than their owner may write."""
    try:
        modes = {path: path.lstat().st_mode for path in sorted(audit.iterdir())}
    except OSError:  # absent, which is said already, or not for us
        return
    loose = [path for path, mode in modes.items() if stat.S_ISREG(mode) and mode & 0o022]
    if loose:
        names = ", ".join(path.name for path in loose[:SHOWN_MAX])
        mend = f"sudo chmod go-w {shlex.quote(str(audit))}/*"
        finding = Finding("permissions audit", "fail", f"more than their owner may write {names}", mend)
        yield mended(finding, partial(_lock, loose), fix=fix)


def _make(path: Path, command: Iterable[str]) -> None:
    act(*command)
    if not path.exists():
        raise FileNotFoundError(f"systemd-tmpfiles knows nothing of {path}: {SETUP}")


def _set_right(wanted: Wanted) -> None:
    uid, gid = _id(pwd.getpwnam, wanted.owner, 2), _id(grp.getgrnam, wanted.group, 2)
    with _opened(wanted.path) as handle:
        os.fchown(handle, uid, gid)
        os.fchmod(handle, wanted.mode)


def _lock(files: Iterable[Path]) -> None:
    for path in files:
        with _opened(path) as handle:
            os.fchmod(handle, stat.S_IMODE(os.fstat(handle).st_mode) & ~0o022)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """What stands at `path` itself: a link put there would lead root's hand elsewhere."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


def _id(find: object, name: str, at: int) -> int:
    try:
        return int(find(name)[at])  # type: ignore[operator] # pwd's and grp's records both hold the number third
    except KeyError:
        raise FileNotFoundError(f"there is no {name}: {SETUP}") from None


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _roots(site: Site) -> Iterator[Finding]:
    paths = site.settings.paths
    for name, path in (("data", paths.data), ("run", paths.run), ("hot", paths.hot)):
        yield _root(f"paths.{name}", path, fix=site.fix)


def _root(check: str, path: Path, *, fix: bool) -> Finding:
    if not path.is_dir():
        verdict: Verdict = "warn" if check == "paths.hot" else "fail"  # without it the daemons go on
        absent = Finding(check, verdict, f"{path} is absent", f"mkdir -p -m 0750 {shlex.quote(str(path))}")
        return mended(absent, partial(path.mkdir, parents=True, mode=0o750), fix=fix)
    if not os.access(path, os.W_OK | os.X_OK):
        owner = path.stat().st_uid
        return Finding(check, "fail", f"{path} is not writable by uid {os.getuid()} (owner {owner})",
                       f"chown it, or run as its owner: sudo -u '#{owner}' dsmil doctor")  # fmt: skip
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & stat.S_IRWXO:
        said = f"{path} is open to others (mode {mode:04o})"
        close = partial(path.chmod, mode & ~stat.S_IRWXO)
        return mended(Finding(check, "warn", said, f"chmod o-rwx {shlex.quote(str(path))}"), close, fix=fix)
    return Finding(check, "ok", str(path))
