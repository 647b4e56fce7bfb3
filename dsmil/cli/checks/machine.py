"""The machine: disk, memory rules of the kernel, its socket buffers, the journal, and the clock.

What is the machine's is mended on an installed machine only: a private suite has no business with it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from functools import partial

from dsmil.cli.checks.command import ask, first_line
from dsmil.cli.checks.finding import Finding, mended
from dsmil.cli.checks.site import SETUP, Site
from dsmil.sensors.udp import RECEIVE_BUFFER_BYTES
from dsmil.watch import standing

FREE_BYTES_MIN = 1 << 30
INODES_SHARE_MIN = 0.05
MIB = 1 << 20
OVERCOMMIT = "proc/sys/vm/overcommit_memory"
BUFFER_MAX = "proc/sys/net/core/rmem_max"


def machine(site: Site) -> Iterator[Finding]:
    """Everything but the suite."""
    if site.settings.paths.data.is_dir():
        yield from disk(site)
    yield overcommit(site)
    yield from buffers(site)
    if site.installed:
        yield from journal(site)
    if site.directory is None and (site.root / "run/systemd/system").is_dir():
        yield from synchronised()


def disk(site: Site) -> Iterator[Finding]:
    """Room for the durable stores: bytes, inodes, and what the audit log may yet take."""
    data = site.settings.paths.data
    seen = os.statvfs(data)
    free = seen.f_bavail * seen.f_frsize
    said = f"{free // MIB} MiB free for {data}"
    clean = f"free some: du -xh {shlex.quote(str(data))} | sort -h | tail"
    if free < FREE_BYTES_MIN:
        yield Finding("disk", "fail", said, clean)
    elif seen.f_files and seen.f_favail < INODES_SHARE_MIN * seen.f_files:
        yield Finding(
            "disk", "fail", f"{said}, but only {seen.f_favail} inodes", "remove files nobody needs there"
        )
    else:
        yield Finding("disk", "ok", said)
    try:
        used = standing.sizes(site.settings).get("audit", 0)
    except OSError:  # not for this caller to list
        return
    yield budget(free, used, site.settings.audit.budget_bytes)


def budget(free: int, used: int, limit: int) -> Finding:
    """Whether the disk is full before the audit log has reached what it may take. All in bytes."""
    room = free - FREE_BYTES_MIN
    said = f"may take {limit // MIB} MiB, has {used // MIB} MiB"
    if limit - used > room:
        fits = max(8 * MIB, used + room)
        return Finding("audit budget", "warn", f"{said}, but the disk is full before that",
                       f"set audit.budget_bytes = {fits} in dsmil.toml and restart dsmil-drainer")  # fmt: skip
    return Finding("audit budget", "ok", said)


def overcommit(site: Site) -> Finding:
    """Whether Redis's fork may fail for want of memory it never uses."""
    path = site.root / OVERCOMMIT
    now = first_line(path)
    if now in ("1", ""):
        return Finding("overcommit", "ok", f"vm.overcommit_memory = {now or 'unknown'}")
    said = f"vm.overcommit_memory = {now}: Redis may fail to rewrite its append-only file"
    set_it = partial(path.write_text, "1\n", "ascii")
    return mended(
        Finding("overcommit", "warn", said, "sudo sysctl vm.overcommit_memory=1"), set_it, fix=site.fixes_machine
    )


def buffers(site: Site) -> Iterator[Finding]:
    """Whether the kernel gives a UDP source the buffer it asks for; socket units need no leave of it."""
    now = first_line(site.root / BUFFER_MAX)
    asked = bool(site.settings.ais_playback.udp or site.settings.rf_ingest.syslog)
    if site.installed or not asked or not now.isdecimal():
        return
    if int(now) < RECEIVE_BUFFER_BYTES:
        said = f"net.core.rmem_max = {now}: UDP sources ask for {RECEIVE_BUFFER_BYTES}, a burst may be lost"
        yield Finding("udp buffers", "warn", said, f"sudo sysctl net.core.rmem_max={RECEIVE_BUFFER_BYTES}")
    else:
        yield Finding("udp buffers", "ok", f"net.core.rmem_max = {now}")


def journal(site: Site) -> Iterator[Finding]:
    """Whether logs outlive a reboot, and are bounded."""
    folder = site.root / "etc/systemd/journald.conf.d"
    if not sorted(folder.glob("*dsmil*.conf")):
        yield Finding("journal", "warn", f"no retention of ours in {folder}", SETUP)
    elif not (site.root / "var/log/journal").is_dir():
        yield Finding("journal", "warn", "the journal is in memory: what is logged is gone after a reboot",
                      "sudo mkdir -p /var/log/journal && sudo systemctl restart systemd-journald")  # fmt: skip
    else:
        yield Finding("journal", "ok", "on disk, with retention")


def synchronised() -> Iterator[Finding]:
    """Whether the clock is kept right by somebody."""
    reply = ask("timedatectl", "show", "-p", "NTPSynchronized", "--value")
    if reply is None or reply.code:
        return
    if reply.out.strip() == "yes":
        yield Finding("time", "ok", "the clock is synchronised")
    else:
        yield Finding("time", "warn", "nothing keeps the clock right: times drift apart from other machines'",
                      "sudo timedatectl set-ntp true (a machine on its own may be left so)")  # fmt: skip
