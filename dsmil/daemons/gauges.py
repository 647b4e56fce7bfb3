"""What daemons tell of their own in metrics, beyond what all have.

Read when a heartbeat is written, so counting costs the work nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from dsmil.events.soc import ShrinkSignal
from dsmil.runtime.metrics import Metrics

if TYPE_CHECKING:
    from dsmil.sensors.loop import Source

REASONS_MAX = 256
"""Suppression reasons with a series of their own; reloading rules may bring any number of others."""
SHRINK = {
    "risk_acute_stress": "risk_acute_stress",
    "crisis_level": "crisis_level",
    "lbi_hyperfocus": "lbi_hyperfocus_density",
    "cognitive_load": "cognitive_load_index",
    "anomaly_score": "anomaly_score",
    "sentiment_score": "sentiment_score",
    "entropy": "entropy",
}
"""Our fields of SHRINK's values, and the names SHRINK's own metrics have for them."""
NAN = float("nan")


def sources(metrics: Metrics, found: Iterable[Source]) -> None:
    """Records by source, outcome and reason; drops; the age is told by the time of the last data. The files of a
    family count as one source, because names of files are no closed set."""
    # Those who have sources have loaded these already; soc-router needs neither.
    from dsmil.sensors.source import LiveSource  # noqa: PLC0415
    from dsmil.sensors.supply import FileSource  # noqa: PLC0415

    records: Counter[tuple[str, str, str]] = Counter()
    dropped: Counter[str] = Counter()
    for source in found:
        if isinstance(source, LiveSource):
            name, counts = source.intake.origin.source, source.intake.counts
            dropped[name] += counts.dropped
            about = "Unix seconds of the last arrival; 0 before the first"
            metrics.gauge("dsmil_source_last_data_seconds", about, source=name).set(counts.last_data_ts or 0)
            _tally(records, name, (counts.accepted, counts.ignored, counts.rejected))
        elif isinstance(source, FileSource):
            totals = source.totals
            _tally(records, f"{source.family}:file", (totals.accepted, totals.ignored, totals.rejected))
    for (name, outcome, reason), number in records.items():
        about = "Input records by fate; `reason` says why they were rejected"
        labels = {"source": name, "outcome": outcome, "reason": reason}
        metrics.total("dsmil_source_records_total", about, number, **labels)
    for name, number in dropped.items():
        metrics.total("dsmil_source_dropped_total", "Arrivals lost before they were read", number, source=name)


def _tally(records: Counter[tuple[str, str, str]], name: str, counts: tuple[int, int, Mapping[str, int]]) -> None:
    accepted, ignored, rejected = counts
    records[name, "accepted", ""] += accepted
    records[name, "ignored", ""] += ignored
    for reason, number in rejected.items():
        records[name, "rejected", reason] += number


def shrink(metrics: Metrics, signal: ShrinkSignal) -> None:
    """Whether SHRINK answers, its last values and their age. What it never said is NaN, never a calm zero."""
    metrics.gauge("dsmil_shrink_available", "1 while SHRINK answers in time").set(signal.available)
    age_s = NAN if signal.age_s is None else signal.age_s
    metrics.gauge("dsmil_shrink_age_seconds", "Age of the last values; NaN before the first").set(age_s)
    for field, name in SHRINK.items():
        value = getattr(signal, field)
        about = "As SHRINK last said; NaN where it did not"
        metrics.gauge(f"dsmil_shrink_{name}", about).set(NAN if value is None else value)


def suppressed(metrics: Metrics, held: Mapping[str, int]) -> None:
    """Decisions held back, by the reason of the rule."""
    about = "Decisions held back by a suppression rule, by its reason"
    for reason, number in list(held.items())[:REASONS_MAX]:
        metrics.total("dsmil_soc_suppressed_total", about, number, reason=reason)
