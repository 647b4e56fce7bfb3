"""What a run cost: elapsed time, CPU time and resident memory, of this process or of another.

Memory is the high-water mark of /proc, not of getrusage: that one also remembers the parent's at the fork.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Any

from dsmil.bench.figures import Sample
from dsmil.clock import SYSTEM

_TICKS = os.sysconf("SC_CLK_TCK")


class Stopwatch:
    """Runs from when it is made, over this process."""

    def __init__(self) -> None:
        self._cpu_s = own_cpu_s()
        self._began = SYSTEM.monotonic()

    def read(self, items: int, **more: Any) -> Sample:
        """The sample of a run that ends now."""
        seconds = SYSTEM.monotonic() - self._began
        cpu_s = own_cpu_s() - self._cpu_s
        return Sample(items=items, seconds=seconds, cpu_s=cpu_s, rss_mb=peak_mb(os.getpid()), more=more)


def own_cpu_s() -> float:
    """User and system time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def cpu_s(pid: int) -> float:
    """User and system time of a running process; 0 where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak_mb(pid: int) -> float:
    """Greatest resident memory of a running process so far, MB; 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)
