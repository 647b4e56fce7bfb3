"""The units as systemd sees them: one bounded `systemctl show` for all, judged one by one.

A unit that refused its configuration (exit 78) stays down on purpose, so it is never started here.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from msgspec import Struct

from dsmil.cli.checks.command import act, ask
from dsmil.cli.checks.finding import Finding, mended
from dsmil.cli.checks.installation import placed
from dsmil.cli.checks.site import SETUP, Site
from dsmil.cli.stack import shipped

SHOWN = (
    "Id", "LoadState", "UnitFileState", "ActiveState", "SubState", "Result", "ExecMainStatus", "NRestarts",
    "NeedDaemonReload",
)  # fmt: skip
TARGET = "dsmil.target"
SOCKETS = ("dsmil-rf-ingest.socket", "dsmil-ais-playback.socket", "dsmil-api.socket")
ALERT = "dsmil-alert@"
RESTARTS_MAX = 5
"""So often may systemd have restarted a unit before that is worth a look."""
EX_CONFIG = 78

RESULTS = {
    "watchdog": ("hung, and the watchdog ended it", "journalctl -u {unit} -n 50"),
    "oom-kill": ("ran out of memory", "give it more: sudo systemctl edit {unit} ([Service] MemoryMax=)"),
    "timeout": ("took too long to start or stop", "journalctl -u {unit} -n 50"),
    "start-limit-hit": ("started too often", "sudo systemctl reset-failed {unit} && sudo systemctl start {unit}"),
    "trigger-limit-hit": ("its service cannot start", "mend the service, then: sudo systemctl restart {unit}"),
    "service-start-limit-hit": (
        "its service cannot start",
        "mend the service, then: sudo systemctl restart {unit}",
    ),
    "resources": ("systemd could not start it", "journalctl -u {unit} -n 20"),
}
EXITS = {
    EX_CONFIG: ("refused its configuration", "dsmil config check, mend it, then: sudo systemctl restart {unit}"),
    203: ("its program cannot be run", SETUP),
    217: ("its user is absent", SETUP),
    226: ("one of its paths is absent", "sudo systemd-tmpfiles --create && sudo systemctl restart {unit}"),
    243: ("its password file is absent", SETUP),
}
"""What an exit code means: sysexits.h's EX_CONFIG, and those of systemd.exec(5)."""


class Unit(Struct, frozen=True, kw_only=True):
    """A unit as `systemctl show` describes it."""

    name: str
    load: str = "loaded"
    enabled: str = ""
    active: str = "active"
    sub: str = ""
    result: str = "success"
    status: int = 0
    restarts: int = 0
    stale: bool = False


def units(site: Site) -> Iterator[Finding]:
    """Every unit that belongs to this installation."""
    if not site.installed:
        return
    if not (site.root / "run/systemd/system").is_dir():
        yield Finding("units", "skip", "systemd does not run here")
        return
    reply = ask("systemctl", "show", "--no-pager", f"--property={','.join(SHOWN)}", "--",
                *expected(site), "dsmil-*@*.service")  # fmt: skip
    if reply is None or not reply.out.strip():
        why = reply.why if reply else "no answer"
        yield Finding("units", "skip", f"systemctl cannot be asked: {why}", "sudo dsmil doctor")
        return
    found = parse(reply.out)
    if any(unit.stale for unit in found):
        stale = Finding(
            "units", "warn", "unit files changed since systemd read them", "sudo systemctl daemon-reload"
        )
        yield mended(stale, partial(act, "systemctl", "daemon-reload"), fix=site.fixes_machine)
    yield from _each(found, fix=site.fixes_machine)


def expected(site: Site) -> list[str]:
    """The units set-up placed here; all that are shipped where it left no list."""
    services = (f"dsmil-{name}.service" for name in shipped())
    every = [
        mount_unit(site.settings.paths.hot), "dsmil-redis.service", "dsmil-hotpath-init.service", *SOCKETS, *services,
        TARGET,
    ]  # fmt: skip
    here = {path.name for path in placed(site)}
    return [name for name in every if name in here] or every


def belongs(site: Site, daemon: str) -> bool:
    """Whether set-up placed that daemon here; everywhere else all belong to the suite."""
    return not site.installed or "@" in daemon or f"dsmil-{daemon}.service" in expected(site)


def mount_unit(path: Path) -> str:
    """The name of the unit that mounts `path`, as systemd-escape --path --suffix=mount gives it."""
    parts = str(path).strip("/").replace("\\", "\\x5c").replace("-", "\\x2d")
    return f"{parts.replace('/', '-')}.mount"


def parse(text: str) -> list[Unit]:
    """The units of a `systemctl show` text: blocks of KEY=VALUE between empty lines."""
    blocks = [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in text.split("\n\n")
    ]
    return [_unit(block) for block in blocks if block.get("Id")]


def judge(unit: Unit) -> Finding | None:
    """What is wrong with a unit; None where nothing is."""
    check, name = f"unit {unit.name}", shlex.quote(unit.name)
    if unit.load == "masked":
        return Finding(check, "warn", "is masked", f"sudo systemctl unmask {name} && sudo systemctl start {name}")
    if unit.load == "not-found":
        return Finding(check, "fail", "is not there", SETUP)
    if unit.load != "loaded":
        mend = f"systemd-analyze verify {name}"
        return Finding(check, "fail", f"cannot be read by systemd ({unit.load})", mend)
    if unit.name.startswith(ALERT) and unit.active == "failed":
        return Finding(check, "warn", "an alert could not be told", f"journalctl -u {name} -n 20")
    if unit.active == "failed" or unit.sub == "auto-restart":
        return _down(unit)
    if unit.active == "inactive" and not _instance(unit):
        off = unit.enabled == "disabled" and unit.name != TARGET
        mend = f"sudo systemctl {'enable --now' if off else 'start'} {name}"
        return Finding(check, "warn" if off else "fail", f"does not run ({unit.enabled or 'no state'})", mend)
    if unit.active in ("activating", "deactivating", "reloading", "maintenance"):
        return Finding(check, "warn", f"is {unit.active} ({unit.sub})", f"journalctl -u {name} -n 20")
    if unit.name == TARGET and unit.enabled == "disabled":
        return Finding(check, "warn", "does not start at boot", f"sudo systemctl enable {name}")
    if unit.restarts >= RESTARTS_MAX:
        mend = f"journalctl -u {name} -p warning -n 50; once mended: sudo systemctl reset-failed {name}"
        return Finding(check, "warn", f"systemd restarted it {unit.restarts} times", mend)
    return None


def startable(unit: Unit) -> bool:
    """Whether starting it is safe and asked for by nobody's silence: down, not disabled, not for its settings."""
    down = unit.active in ("inactive", "failed") and unit.load == "loaded" and not _instance(unit)
    return down and unit.enabled != "disabled" and unit.status != EX_CONFIG


def _each(found: Sequence[Unit], *, fix: bool) -> Iterator[Finding]:
    well = 0
    for unit in _without_followers(found):
        finding = judge(unit)
        if finding is None:
            well += 1
        else:
            start = partial(act, "systemctl", "start", unit.name)
            yield mended(finding, start, fix=fix and startable(unit))
    if well:
        yield Finding("units", "ok", f"{well} units are as they should be")


def _without_followers(found: Sequence[Unit]) -> Iterator[Unit]:
    """A socket that nobody needs goes with its service, which is then the one to speak of."""
    running = {unit.name.removesuffix(".service") for unit in found if unit.active == "active"}
    for unit in found:
        follows = unit.name.endswith(".socket") and unit.active == "inactive"
        if not follows or unit.name.removesuffix(".socket") in running:
            yield unit


def _down(unit: Unit) -> Finding:
    name = shlex.quote(unit.name)
    said, mend = RESULTS.get(unit.result, (f"ended with {unit.result}", "journalctl -u {unit} -n 50"))
    if unit.result == "exit-code":
        plain = f"ended with exit code {unit.status}", "journalctl -u {unit} -n 50"
        said, mend = EXITS.get(unit.status, plain)
    again = f"; systemd tries again (restart {unit.restarts})" if unit.sub == "auto-restart" else ""
    return Finding(f"unit {unit.name}", "fail", f"{said}{again}", mend.replace("{unit}", name))


def _instance(unit: Unit) -> bool:
    return "@" in unit.name


def _unit(block: dict[str, str]) -> Unit:
    return Unit(
        name=block["Id"],
        load=block.get("LoadState", ""),
        enabled=block.get("UnitFileState", ""),
        active=block.get("ActiveState", ""),
        sub=block.get("SubState", ""),
        result=block.get("Result", "success"),
        status=_number(block.get("ExecMainStatus", "")),
        restarts=_number(block.get("NRestarts", "")),
        stale=block.get("NeedDaemonReload") == "yes",
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else 0
