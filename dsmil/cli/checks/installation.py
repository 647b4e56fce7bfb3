"""The installed program: is it whole, is it what the daemons run, and does anything new wait beside an edited file.

Set-up never overwrites what a person edited: it writes the new default beside it as `.dist`, and lists every file
it placed outside the program in a manifest.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from dsmil.cli.checks.finding import Finding
from dsmil.cli.checks.site import PROGRAM, SETUP, Site
from dsmil.watch.readings import DaemonReading

MANIFEST = "opt/dsmil/manifest"
SHOWN_MAX = 5
MTIME_SLACK_S = 1.0
"""A heartbeat's `since` and a file's time come from the same clock, read at different moments."""


def program(site: Site) -> Iterator[Finding]:
    """The program behind /opt/dsmil/current, and the files set-up placed."""
    if site.directory is not None:
        return
    if not site.installed:
        yield Finding("installation", "ok", "not installed as a service: nothing of systemd's is looked at")
        return
    current = site.root / PROGRAM
    version = installed_version(current)
    if not (current / "bin" / "python").exists():
        yield Finding("installation", "fail", f"{current} leads to no program", SETUP)
    elif not version:
        yield Finding("installation", "fail", f"{current.resolve()} holds no dsmil", SETUP)
    else:
        yield Finding("installation", "ok", f"dsmil {version} in {current.resolve()}")
    gone = [path for path in placed(site) if path.suffix != ".dist" and _is_gone(path)]
    if gone:
        yield Finding("installation files", "fail", f"set-up placed them, now gone: {_some(gone)}", SETUP)


def waiting(site: Site) -> Iterator[Finding]:
    """New defaults that wait beside an edited file."""
    beside = [path.with_name(f"{path.name}.dist") for path in placed(site)]
    found = {path for path in beside if path.is_file()} | set(site.etc.rglob("*.dist"))
    for path in sorted(found)[:SHOWN_MAX]:
        kept = path.with_suffix("")
        diff = f"diff -u {shlex.quote(str(kept))} {shlex.quote(str(path))}"
        mend = f"{diff}; then mv the new one over it, or rm it"
        yield Finding(
            "new defaults", "warn", f"{kept} was edited and kept; new defaults wait in {path.name}", mend
        )


def forgotten_restart(site: Site, daemons: Iterable[DaemonReading]) -> Iterator[Finding]:
    """Daemons that started before the program or the configuration they ought to run with was put there."""
    beats = [row.beat for row in daemons if row.beat is not None]
    if not site.installed or not beats:
        return
    current = site.root / PROGRAM
    version, put = installed_version(current), current.lstat().st_mtime
    old = [b.daemon for b in beats if (version and b.version != version) or b.since < put - MTIME_SLACK_S]
    if old:
        said = f"{_some(old)} still run the program from before dsmil {version} was installed"
        yield Finding("restart", "warn", said, restart(old))
    changed = max((path.stat().st_mtime for path in _settings_files(site)), default=0.0)
    unread = [b.daemon for b in beats if b.since < changed - MTIME_SLACK_S and b.daemon not in old]
    if unread:
        said = f"{_some(unread)} started before the configuration was last changed"
        yield Finding("restart", "warn", said, f"dsmil config check && {restart(unread)}")


def restart(daemons: Iterable[str]) -> str:
    """The command that restarts daemons."""
    return f"sudo systemctl restart {' '.join(f'dsmil-{name}' for name in daemons)}"


def placed(site: Site) -> list[Path]:
    """What set-up placed outside the program, as far as its manifest can be read."""
    try:
        lines = (site.root / MANIFEST).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    names = [line.split(maxsplit=1)[1] for line in lines if len(line.split(maxsplit=1)) == 2]
    return [site.root / name.strip().lstrip("/") for name in names]


def installed_version(current: Path) -> str:
    """The version of the dsmil in that virtual environment, by its metadata; empty where there is none."""
    found = sorted(current.glob("lib/python3*/site-packages/dsmil-*.dist-info"))
    return found[-1].name.removeprefix("dsmil-").removesuffix(".dist-info") if found else ""


def _settings_files(site: Site) -> list[Path]:
    files = [site.etc / "dsmil.toml", *site.etc.glob("conf.d/*.toml")]
    return [path for path in files if path.is_file()]


def _is_gone(path: Path) -> bool:
    try:
        return not path.exists() and not path.is_symlink()
    except OSError:  # inside a directory that is not for us
        return False


def _some(things: Iterable[object]) -> str:
    names = [str(thing) for thing in things]
    more = f" and {len(names) - SHOWN_MAX} more" if len(names) > SHOWN_MAX else ""
    return ", ".join(names[:SHOWN_MAX]) + more
