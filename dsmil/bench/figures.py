"""From samples to figures: medians of interleaved runs, each beside the limit measured just before and after it.

A ratio is taken run by run and then the median of ratios: the machine's mood of the moment cancels out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from msgspec import Struct

Figures = dict[str, Any]
"""One topic of the report, JSON values."""


class Sample(Struct, frozen=True, kw_only=True):
    """One run: what went through, in how long, at what cost in CPU (user and system) and greatest resident memory.
    `more` holds whatever else the run tells."""

    items: int
    seconds: float
    cpu_s: float = 0.0
    rss_mb: float = 0.0
    more: dict[str, Any] = {}

    @property
    def per_s(self) -> float:
        """Items a second."""
        return self.items / self.seconds if self.seconds > 0 else 0.0


def interleaved(
    runs: int, limit: Callable[[], float], *tasks: Callable[[], Sample]
) -> tuple[list[list[Sample]], list[float]]:
    """`runs` rounds of all `tasks` in turn; the samples of each task, and per round the limit around it."""
    samples: list[list[Sample]] = [[] for _ in tasks]
    marks = [limit()]
    for _ in range(runs):
        for kept, task in zip(samples, tasks, strict=True):
            kept.append(task())
        marks.append(limit())
    return samples, [(one + two) / 2 for one, two in pairwise(marks)]


def figures(samples: Sequence[Sample], limits: Sequence[float]) -> Figures:
    """Medians with the least and greatest rate, and the median of the ratios to the limit."""
    rates = [sample.per_s for sample in samples]
    told: Figures = {
        "per_s": round(median(rates)),
        "per_s_min": round(min(rates)),
        "per_s_max": round(max(rates)),
        "limit_per_s": round(median(limits)),
        "ratio": ratio(rates, limits),
        "cpu_s_per_100k": round(median(s.cpu_s / s.items for s in samples) * 100_000, 3),
        "rss_mb": round(max(s.rss_mb for s in samples), 1),
        "runs": len(samples),
        "items": samples[0].items,
    }
    return told | samples[-1].more


def ratio(rates: Sequence[float], limits: Sequence[float]) -> float:
    """Median of the run-by-run ratios."""
    return round(median(rate / limit for rate, limit in zip(rates, limits, strict=True)), 3)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0..1) of `values` lie, by nearest rank; 0 where there are none."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else 0.0
