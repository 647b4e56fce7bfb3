"""A daemon's metrics are one Prometheus text, and several texts merge into one valid text."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from dsmil.runtime.metrics import Metrics, merge


def values(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_series_carry_the_daemon_and_their_labels() -> None:
    metrics = Metrics("l3")
    metrics.counter("dsmil_layer_events_total", "Events", layer="3", type="decision").inc(2)
    metrics.counter("dsmil_layer_events_total", "Events", layer="3", type="decision").inc()
    metrics.gauge("dsmil_db_size_bytes", "Size").set(7)
    metrics.histogram("dsmil_device_latency_seconds", "Latency", (0.1, 1.0)).observe(0.5)
    found = values(metrics.text())
    labels = (("daemon", "l3"), ("layer", "3"), ("type", "decision"))
    assert found["dsmil_layer_events_total", labels] == 3
    assert found["dsmil_db_size_bytes", (("daemon", "l3"),)] == 7
    assert found["dsmil_device_latency_seconds_count", (("daemon", "l3"),)] == 1


def test_a_reader_finds_what_was_written_whatever_it_was() -> None:
    metrics = Metrics("l3")
    odd = 'a "b" \\ c\nd {e="f"} ü'
    for number, value in enumerate((float("nan"), float("inf"), -float("inf"), 1e21, 1e-7, True)):
        metrics.gauge("dsmil_odd", "Odd", name=odd, number=str(number)).set(value)
    found = [value for (_, labels), value in values(metrics.text()).items() if ("name", odd) in labels]
    assert str(found[0]) == "nan"
    assert found[1:] == [float("inf"), -float("inf"), 1e21, 1e-7, 1.0]


def test_each_bucket_counts_all_below_it() -> None:
    metrics = Metrics("l3")
    spread = metrics.histogram("dsmil_spread_seconds", "Spread", (1.0, 0.1))
    for value in (0.05, 0.1, 0.5, 2.0):
        spread.observe(value)
    found = values(metrics.text())
    buckets = {dict(labels)["le"]: value for (name, labels), value in found.items() if name.endswith("_bucket")}
    assert buckets == {"0.1": 2, "1.0": 3, "+Inf": 4}
    assert found["dsmil_spread_seconds_sum", (("daemon", "l3"),)] == 2.65
    assert "# TYPE dsmil_spread_seconds histogram" in metrics.text()


def test_merged_texts_keep_all_series_under_one_head() -> None:
    texts = []
    for name in ("l3", "l4"):
        metrics = Metrics(name)
        metrics.counter("dsmil_layer_events_total", "Events", layer="3").inc()
        metrics.histogram("dsmil_device_latency_seconds", "Latency", (1.0,)).observe(0.5)
        texts.append(metrics.text())
    merged = merge(texts)
    assert merged.count("# TYPE dsmil_layer_events_total counter") == 1
    assert values(merged) == values(texts[0]) | values(texts[1])
    assert merge([]) == ""


def test_a_sum_somebody_else_keeps_is_a_counter_that_never_falls() -> None:
    metrics = Metrics("net-parser")
    for value in (3, 3, 10, 4):  # the keeper began anew at 4
        metrics.total("dsmil_source_records_total", "Records", value, source="x")
    labels = (("daemon", "net-parser"), ("source", "x"))
    assert values(metrics.text())["dsmil_source_records_total", labels] == 14
    assert "# TYPE dsmil_source_records_total counter" in metrics.text()


def test_what_is_watched_is_read_for_each_text() -> None:
    metrics, age = Metrics("l3"), [1.0]
    metrics.watch(lambda: metrics.gauge("dsmil_age", "Age", name="x").set(age[0]))
    labels = (("daemon", "l3"), ("name", "x"))
    assert values(metrics.text())["dsmil_age", labels] == 1
    age[0] = 2.0
    assert values(metrics.text())["dsmil_age", labels] == 2
