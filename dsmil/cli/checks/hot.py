"""The tmpfs of the hot database: is it one, is it large enough, how full, and who mounts it."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from dsmil.cli.checks.command import act
from dsmil.cli.checks.finding import Finding, mended
from dsmil.cli.checks.places import Wanted, judge
from dsmil.cli.checks.site import GROUP, Site
from dsmil.cli.checks.units import mount_unit

HOT_BYTES_MIN = 256 << 20
FILL_MAX = 0.85
MODE = 0o2770


def hot(site: Site) -> Iterator[Finding]:
    """Everything about the file system below `paths.hot`."""
    path = site.settings.paths.hot
    if not path.is_dir():
        if site.installed:  # elsewhere its absence is said with the other paths
            yield Finding("tmpfs", "fail", f"{path} is absent", f"sudo systemctl start {_unit(path)}")
        return
    kind = filesystem(path, Path("/proc/self/mounts"))
    if site.installed and kind != "tmpfs":
        said = f"{path} is {kind}, not tmpfs: the daemons use the fallback on disk"
        start = partial(act, "systemctl", "start", mount_unit(path))
        mend = f"sudo systemctl start {_unit(path)}"
        yield mended(Finding("tmpfs", "fail", said, mend), start, fix=site.fixes_machine)
    else:
        yield room(kind, path)
        if site.installed and (finding := judge(Wanted(path, GROUP, GROUP, MODE), fix=site.fixes_machine)):
            yield finding
    if site.installed:
        yield from table(site)


def room(kind: str, path: Path) -> Finding:
    """Its size and how full it is."""
    usage = shutil.disk_usage(path)
    share = usage.used / usage.total if usage.total else 1.0
    said = f"{kind}, {usage.total >> 20} MiB, {share:.0%} full"
    if usage.total < HOT_BYTES_MIN:
        return Finding(
            "tmpfs", "warn", f"{said}: small", f"give it at least {HOT_BYTES_MIN >> 20} MiB: {_resize(path)}"
        )
    if share > FILL_MAX:
        return Finding("tmpfs", "warn", said, f"lower hot.budget_bytes, or enlarge it: {_resize(path)}")
    return Finding("tmpfs", "ok", said)


def table(site: Site) -> Iterator[Finding]:
    """A line for it in /etc/fstab, beside the unit or in its place."""
    path, fstab = site.settings.paths.hot, site.root / "etc/fstab"
    try:
        lines = [line.split() for line in fstab.read_text("utf-8", "replace").splitlines()]
    except OSError:
        return
    numbers = [at for at, words in enumerate(lines, 1) if len(words) > 2 and words[1].rstrip("/") == str(path)]
    if numbers and (site.root / "etc/systemd/system" / mount_unit(path)).exists():
        said = f"{fstab}:{numbers[0]} names it too; the unit {mount_unit(path)} wins"
        yield Finding("fstab", "warn", said, f"take line {numbers[0]} out of {fstab}, or the unit away")
    elif numbers:
        yield Finding("fstab", "ok", f"mounted by {fstab}:{numbers[0]}")


def filesystem(path: Path, mounts: Path) -> str:
    """The kind of file system `path` is on, by a list of mounts in the form of /proc/self/mounts."""
    best, kind, at = "", "unknown", str(path.resolve())
    for line in mounts.read_text("utf-8", "replace").splitlines():
        _, where, name, *_ = line.split(" ")
        where = where.replace("\\040", " ")
        if (where in ("/", at) or at.startswith(f"{where}/")) and len(where) >= len(best):
            best, kind = where, name
    return kind


def _unit(path: Path) -> str:
    return shlex.quote(mount_unit(path))


def _resize(path: Path) -> str:
    return f"sudo mount -o remount,size=1G {shlex.quote(str(path))} (for good: systemctl edit {_unit(path)})"
