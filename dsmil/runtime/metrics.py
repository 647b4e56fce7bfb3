"""Prometheus metrics of one daemon, and the merging of several daemons' texts into one.

Each process has its own registry and opens no port: the text rides in the heartbeat and one exporter serves all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

SERIES_MAX = 2000
"""Label combinations one daemon may have: labels come from closed sets, so more is a mistake of ours."""

disable_created_metrics()  # type: ignore[no-untyped-call] # a `_created` twin of every counter doubles the text and nobody reads it


class Metrics:
    """Counters, gauges and histograms by name and labels; every series also carries `daemon`."""

    def __init__(self, daemon: str) -> None:
        self._daemon = daemon
        self._registry = CollectorRegistry()
        self._families: dict[str, Any] = {}
        self._series: dict[tuple[str, tuple[tuple[str, str], ...]], Any] = {}
        self._watched: list[Callable[[], None]] = []
        self._totals: dict[Any, float] = {}

    def counter(self, name: str, about: str, /, **labels: str) -> Counter:
        """The counter of these labels; `.inc(n)`."""
        found: Counter = self._get(Counter, name, about, labels)
        return found

    def gauge(self, name: str, about: str, /, **labels: str) -> Gauge:
        """The gauge of these labels; `.set(value)`."""
        found: Gauge = self._get(Gauge, name, about, labels)
        return found

    def histogram(self, name: str, about: str, buckets: tuple[float, ...], /, **labels: str) -> Histogram:
        """The histogram of these labels; `.observe(seconds)`."""
        found: Histogram = self._get(Histogram, name, about, labels, buckets=buckets)
        return found

    def total(self, name: str, about: str, value: float, /, **labels: str) -> None:
        """Bring the counter of these labels to a sum somebody else keeps; a sum that fell began anew."""
        counter = self.counter(name, about, **labels)
        before = self._totals.get(counter, 0.0)
        counter.inc(value - before if value >= before else value)
        self._totals[counter] = value

    def watch(self, read: Callable[[], None]) -> None:
        """Call `read` before each `text`: for what is cheaper to look up then than to keep in step."""
        self._watched.append(read)

    def text(self) -> str:
        """All series in the Prometheus text format."""
        for read in self._watched:
            read()
        return generate_latest(self._registry).decode()

    def _get(self, family: Any, name: str, about: str, labels: dict[str, str], **options: Any) -> Any:
        key = (name, tuple(sorted(labels.items())))
        found = self._series.get(key)
        if found is None:
            assert len(self._series) < SERIES_MAX, f"metric {name}: labels are not from a closed set"
            kind = self._families.get(name)
            if kind is None:
                names = ("daemon", *sorted(labels))
                kind = family(name, about, labelnames=names, registry=self._registry, **options)
                self._families[name] = kind
            found = kind.labels(daemon=self._daemon, **labels)
            self._series[key] = found
        return found


def merge(texts: Iterable[str]) -> str:
    """Several daemons' texts as one: each family's HELP and TYPE once, with all its series below."""
    heads: dict[str, list[str]] = {}
    rows: dict[str, list[str]] = {}
    for text in texts:
        family = ""
        for line in text.splitlines():
            if found := re.match(r"# (HELP|TYPE) (\S+)", line):
                family = found[2]
                head = heads.setdefault(family, [])
                if len(head) < 2 and not any(old.startswith(f"# {found[1]} ") for old in head):
                    head.append(line)
            elif line:
                rows.setdefault(family, []).append(line)
    return "".join(f"{line}\n" for family in sorted(rows) for line in (*heads.get(family, ()), *rows[family]))
