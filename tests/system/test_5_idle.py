"""At rest the whole suite stays small: resident memory, and processor time over one minute."""

from __future__ import annotations

import time
from typing import Any

from tests.system.fabric import REDIS, UNITS, Fabric

RSS_MB_MAX = 450.0
WATCHED_S = 60.0
TICKS = 100.0


def reading(fabric: Fabric, pids: dict[str, str]) -> dict[str, tuple[float, float]]:
    """Per unit: resident megabytes and processor seconds so far."""
    found = {}
    for unit, pid in pids.items():
        status, stat = fabric.machine.say(f"cat /proc/{pid}/status"), fabric.machine.say(f"cat /proc/{pid}/stat")
        kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
        fields = stat.rsplit(")", 1)[1].split()
        found[unit] = kib / 1024, (int(fields[11]) + int(fields[12])) / TICKS
    return found


def test_an_idle_minute(fabric: Fabric, show: Any) -> None:
    fabric.ready()
    pids = {unit: fabric.machine.show(unit, "MainPID")["MainPID"] for unit in (*UNITS, REDIS)}
    before = reading(fabric, pids)
    time.sleep(WATCHED_S)
    after = reading(fabric, pids)
    figures = {
        unit: {"rss_mb": round(rss, 1), "cpu_s": round(cpu - before[unit][1], 2)}
        for unit, (rss, cpu) in after.items()
    }
    rss = sum(one["rss_mb"] for one in figures.values())
    cpu = sum(one["cpu_s"] for one in figures.values())
    lines = [f"  {one['rss_mb']:6.1f} MB  {one['cpu_s']:5.2f} s  {unit}" for unit, one in sorted(figures.items())]
    show("\n".join([f"idle for {WATCHED_S:.0f} s:", *lines, f"  {rss:6.1f} MB  {cpu:5.2f} s  together"]),
         idle=figures, idle_rss_mb=round(rss, 1), idle_cpu_s=round(cpu, 2))  # fmt: skip
    assert rss <= RSS_MB_MAX
    assert {unit: fabric.machine.show(unit, "MainPID")["MainPID"] for unit in pids} == pids, "nobody restarted"
