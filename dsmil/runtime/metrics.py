"""Prometheus metrics of one daemon, and the merging of several daemons' texts into one.

Each process has its own registry and opens no port: the text rides in the heartbeat, and the API serves all.
Hand-written because prometheus_client brings an HTTP server and TLS along: 6 MB and 35 ms for every daemon. Its face
(`inc`, `set`, `observe`) is kept, and its parser reads our text in the tests.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Any

SERIES_MAX = 2000
"""Label combinations one daemon may have: labels come from closed sets, so more is a mistake of ours."""

Labels = tuple[tuple[str, str], ...]
_ESCAPED = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class Counter:
    """A sum that only grows."""

    kind = "counter"

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1.0) -> None:
        """Add to it."""
        assert amount >= 0, "a counter never falls"
        self.value += amount

    def rows(self) -> list[tuple[str, Labels, float]]:
        """(suffix of the name, labels of its own, value) of each line."""
        return [("", (), self.value)]


class Gauge:
    """A value that goes up and down."""

    kind = "gauge"

    def __init__(self) -> None:
        self.value = 0.0

    def set(self, value: float) -> None:
        """Make it so."""
        self.value = float(value)

    def rows(self) -> list[tuple[str, Labels, float]]:
        """As for a counter."""
        return [("", (), self.value)]


class Histogram:
    """How many observations were at most so large, for each edge."""

    kind = "histogram"

    def __init__(self, buckets: tuple[float, ...]) -> None:
        self._edges = (*sorted(buckets), float("inf"))
        self._counts = [0] * len(self._edges)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one observation."""
        self._counts[bisect_left(self._edges, value)] += 1
        self._sum += value

    def rows(self) -> list[tuple[str, Labels, float]]:
        """Its buckets, each with all below it, their number and their sum."""
        found: list[tuple[str, Labels, float]] = []
        total = 0
        for edge, count in zip(self._edges, self._counts, strict=True):
            total += count
            found.append(("_bucket", (("le", _number(edge)),), total))
        return [*found, ("_count", (), total), ("_sum", (), self._sum)]


class Metrics:
    """Counters, gauges and histograms by name and labels; every series also carries `daemon`."""

    def __init__(self, daemon: str) -> None:
        self._daemon = daemon
        self._about: dict[str, str] = {}
        self._families: dict[str, dict[Labels, Any]] = {}
        self._series = 0
        self._watched: list[Callable[[], None]] = []
        self._totals: dict[Any, float] = {}

    def counter(self, name: str, about: str, /, **labels: str) -> Counter:
        """The counter of these labels; `.inc(n)`."""
        found: Counter = self._get(name, about, labels, Counter)
        return found

    def gauge(self, name: str, about: str, /, **labels: str) -> Gauge:
        """The gauge of these labels; `.set(value)`."""
        found: Gauge = self._get(name, about, labels, Gauge)
        return found

    def histogram(self, name: str, about: str, buckets: tuple[float, ...], /, **labels: str) -> Histogram:
        """The histogram of these labels; `.observe(seconds)`."""
        found: Histogram = self._get(name, about, labels, lambda: Histogram(buckets))
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
        return "".join(self._family(name, family) for name, family in self._families.items())

    def _family(self, name: str, family: dict[Labels, Any]) -> str:
        kind = next(iter(family.values())).kind
        lines = [f"# HELP {name} {self._about[name]}", f"# TYPE {name} {kind}"]
        for labels, series in family.items():
            for suffix, own, value in series.rows():
                words = ",".join(f'{key}="{text.translate(_ESCAPED)}"' for key, text in sorted((*labels, *own)))
                lines.append(f"{name}{suffix}{{{words}}} {_number(value)}")
        return "".join(f"{line}\n" for line in lines)

    def _get(self, name: str, about: str, labels: dict[str, str], make: Callable[[], Any]) -> Any:
        key = (("daemon", self._daemon), *sorted(labels.items()))
        family = self._families.setdefault(name, {})
        found = family.get(key)
        if found is None:
            assert self._series < SERIES_MAX, f"metric {name}: labels are not from a closed set"
            self._series += 1
            self._about.setdefault(name, about)
            found = family[key] = make()
        return found


def _number(value: float) -> str:
    """As Prometheus writes it: `+Inf`, `-Inf`, `NaN`, else as Python does."""
    text = repr(float(value))
    return {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}.get(text, text)


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
