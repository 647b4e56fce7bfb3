"""Rules, dashboard and runbook name only what the suite really exports, and hang together."""

from __future__ import annotations

import re
import shutil
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dsmil import config
from dsmil.cli import MODULES, main
from dsmil.clock import SYSTEM
from dsmil.config.api import Api
from dsmil.fabric.topology import DAEMONS
from dsmil.scenarios import story
from dsmil.watch import exporter
from tests.etc import observed
from tests.etc.observed import OF_PROMETHEUS, alerts, dashboard, grouped_by, panels, queries, selectors, shown

HERE = Path(__file__).parent
Series = dict[str, list[dict[str, str]]]
RULE = """
[[suppress]]
where = 'decision = "net.new_host"'
until = 2999-01-01T00:00:00Z
reason = "test"
"""


def promtool(*words: str | Path) -> str:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is absent, so the rules are not tried: apt-get install prometheus")
    done = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def every_expression() -> Iterator[tuple[str, str]]:
    yield from ((alert.name, alert.expr) for alert in alerts())
    yield from ((title, expr) for title, expr, _ in queries())


# What they say of each other


def test_every_alert_has_its_heading_in_the_runbook_and_every_heading_its_alert() -> None:
    names = [alert.name for alert in alerts()]
    assert len(names) == len(set(names)) > 20
    headings = re.findall(r"^## (.*)$", observed.RUNBOOK.read_text("utf-8"), re.M)
    assert headings == names, "in the order of the rules"
    for alert in alerts():
        assert alert.runbook == f"runbook.md#{alert.name.lower()}"
        assert alert.severity in ("critical", "warning", "info")


def test_the_runbook_says_of_each_alert_how_to_look_and_what_mends_it() -> None:
    text = observed.RUNBOOK.read_text("utf-8")
    for part in re.split(r"^## ", text, flags=re.M)[1:]:
        assert "\nLook" in part and "\nMend: " in part, part.split("\n", 1)[0]
    assert set(re.findall(r"\]\(#(\w+)\)", text)) <= {alert.name.lower() for alert in alerts()}


def test_commands_and_settings_in_the_runbook_exist() -> None:
    text = " ".join(observed.RUNBOOK.read_text("utf-8").split())
    known = {name for names in MODULES.values() for name in names}
    for command in re.findall(r"`dsmil ([a-z]+(?: [a-z]+)?)[^`]*`", text):
        first, _, second = command.partition(" ")
        assert first in known, command
        group: Any = main.get_command(None, first)  # type: ignore[arg-type]
        assert not hasattr(group, "commands") or second in group.commands, command
    settings = config.Settings()
    found = re.findall(r"`\[(\w+)\] (\w+)", text)
    assert found
    for section, key in found:
        assert hasattr(getattr(settings, section), key), f"[{section}] {key}"


def test_counters_are_only_used_in_ways_that_bear_a_restart() -> None:
    counters = r"dsmil_\w+_(?:total|bucket|count|sum)\b"
    for name, expr in every_expression():
        within = re.findall(rf"\b(?:rate|increase)\(({counters})", expr)
        assert len(within) == len(re.findall(counters, expr)), f"{name}: {expr}"


def test_the_groups_in_the_rules_are_those_of_the_topology() -> None:
    ours = {daemon.name for daemon in DAEMONS if daemon.shipped and daemon.reads}
    found = [
        set(value.split("|"))
        for alert in alerts()
        for selector in selectors(alert.expr)
        for label, operator, value in selector.matchers
        if (label, operator) == ("consumer_group", "=~")
    ]
    assert found and all(groups == ours for groups in found)


def test_prometheus_asks_where_the_api_listens() -> None:
    text = observed.CONFIG.read_text("utf-8")
    assert f'targets: ["{Api().listen}"]' in text and "job_name: dsmil\n" in text
    assert observed.RULES.name in text
    assert 'up{job="dsmil"}' in observed.RULES.read_text("utf-8")


# The dashboard by itself


def test_the_dashboard_is_one_grafana_takes() -> None:
    told = dashboard()
    assert told["uid"] == "dsmil" and told["schemaVersion"] >= 36
    ids = Counter(panel["id"] for panel in told["panels"])
    assert max(ids.values()) == 1
    variables = {variable["name"]: variable for variable in told["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert [panel["title"] for panel in told["panels"] if panel["type"] == "row"] == [
        "Overview", "Streams", "Daemons", "Sources", "Decisions and SOC events", "Graph and API", "Stores",
    ]  # fmt: skip
    for panel in panels():
        assert panel["targets"] and panel["title"]
        for place in (panel, *panel["targets"]):
            assert place["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        for target in panel["targets"]:
            assert 'job="$job"' in target["expr"] or "ALERTS" in target["expr"]
            assert set(re.findall(r"\$(?!__)(\w+)", target["expr"])) <= set(variables)


def test_no_panel_lies_on_another() -> None:
    covered: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
        assert not cells & covered, panel["title"]
        covered |= cells


# What Prometheus says of them


def test_promtool_takes_configuration_and_rules() -> None:
    promtool("check", "config", observed.CONFIG)
    assert f"{len(alerts())} rules found" in promtool("check", "rules", observed.RULES)


def test_alerts_fire_and_keep_quiet_as_they_should() -> None:
    promtool("test", "rules", HERE / "rules_test.yml")


def test_every_alert_is_tried() -> None:
    tried = set(re.findall(r'alertname="(\w+)"', (HERE / "rules_test.yml").read_text("utf-8")))
    assert tried == {alert.name for alert in alerts()}


def test_promtool_takes_the_queries_of_the_dashboard(tmp_path: Path) -> None:
    lines = ["groups:", "  - name: dashboard", "    rules:"]
    for number, (_, expr, _) in enumerate(queries()):
        asked = expr.replace("$__rate_interval", "5m").replace("$job", "dsmil")
        lines += [f"      - record: panel:{number}", f"        expr: '{asked}'"]
    file = tmp_path / "panels.yml"
    file.write_text("\n".join(lines) + "\n", "utf-8")
    promtool("check", "rules", file)


# What the suite really exports


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Series]:
    """Every series of a suite of all daemons that has been fed a story and faulty golden input."""
    from tests.live.conftest import Suites

    root = tmp_path_factory.mktemp("exported")
    suites = Suites(root)
    rules = root / "rules.d"
    rules.mkdir()
    (rules / "test.toml").write_text(RULE, "utf-8")
    suite = suites(env={"DSMIL_AIS_PLAYBACK_UDP": "127.0.0.1:0", "DSMIL_SOC_ROUTER_RULES_DIR": str(rules)})
    try:
        suite.ready()
        url = suite.until("the API", lambda: suite.beat("api").get("stats", {}).get("url"))
        urllib.request.urlopen(f"{url}/health", timeout=10).close()  # its answers are metrics
        suite.redis.config_set("maxmemory", "512mb")
        bad = HERE.parent / "golden" / "ais" / "gfw-errors.nmea"
        suite.drop("ais", bad.name, bad.read_bytes())
        told = story.write(root / "story", seed=1, start_ts=SYSTEM.now() - 7200)
        for family, files in told.files.items():
            for file in files:
                suite.drop(family, file.name, file.read_bytes())
        wanted = {selector.metric for _, expr in every_expression() for selector in selectors(expr)}
        found: Series = {}

        def all_there() -> bool:
            found.clear()
            text = exporter.text(suite.redis, suite.settings, SYSTEM.now())
            for family in text_string_to_metric_families(text):
                for one in family.samples:
                    found.setdefault(one.name, []).append(dict(one.labels))
            reasons = {row.get("outcome") for row in found.get("dsmil_source_records_total", [])}
            threats = found.get("dsmil_security_threats_total", [])
            return wanted <= set(found) and "rejected" in reasons and bool(threats)

        try:
            suite.until("all metrics", all_there, within_s=90.0)
        except AssertionError:  # the test names what is missing better than a timeout would
            assert found, "nothing is exported"
        yield dict(found)
    finally:
        suites.close()


@pytest.mark.live
def test_every_metric_in_rules_and_dashboard_exists(exported: Series) -> None:
    missing = {
        (name, selector.metric)
        for name, expr in every_expression()
        for selector in selectors(expr)
        if selector.metric not in exported
    }
    assert not missing


@pytest.mark.live
def test_every_label_and_value_asked_for_exists(exported: Series) -> None:
    for name, expr in every_expression():
        for metric, matchers in selectors(expr):
            rows = exported.get(metric, [])
            for label, operator, value in matchers:
                if label in OF_PROMETHEUS and value in ("$job", "dsmil"):
                    continue
                values = {row[label] for row in rows if label in row}
                assert values, f"{name}: {metric} has no label {label}"
                for one in value.split("|") if operator in ("=~", "!~") else [value]:
                    assert one in values, f"{name}: {metric} {label}={one}; there are {sorted(values)}"


@pytest.mark.live
def test_every_label_shown_or_summed_by_exists(exported: Series) -> None:
    def labels(expr: str) -> set[str]:
        rows = (row for metric, _ in selectors(expr) for row in exported.get(metric, []))
        return {label for row in rows for label in row} | OF_PROMETHEUS

    asked: list[tuple[str, str, set[str]]] = [
        *((alert.name, alert.expr, grouped_by(alert.expr) | shown(alert.words)) for alert in alerts()),
        *((title, expr, grouped_by(expr) | shown(legend)) for title, expr, legend in queries()),
    ]
    for name, expr, names in asked:
        assert names <= labels(expr), f"{name}: {names - labels(expr)}"
        if kept := grouped_by(expr) if " by (" in expr else set():
            words = next((alert.words for alert in alerts() if alert.name == name), "")
            assert shown(words) <= kept, f"{name}: {shown(words) - kept} is summed away"


@pytest.mark.live
def test_the_documented_names_are_all_there(exported: Series) -> None:
    """The names of the original design, each with its labels."""
    documented: dict[str, set[str]] = {
        "dsmil_system_uptime_seconds": set(), "dsmil_system_memory_bytes": set(),
        "dsmil_system_tops_total": set(), "dsmil_system_tops_used": set(),
        "dsmil_layer_devices_active": {"layer"}, "dsmil_layer_memory_bytes": {"layer"},
        "dsmil_layer_tops_used": {"layer"}, "dsmil_layer_events_total": {"layer", "type"},
        "dsmil_device_status": {"device_id", "device_name"}, "dsmil_device_requests_total": {"device_id"},
        "dsmil_device_latency_seconds": {"device_id"}, "dsmil_device_errors_total": {"device_id"},
        "dsmil_security_threats_total": {"severity", "category"},
        "dsmil_security_policy_violations_total": set(), "dsmil_security_auth_failures_total": set(),
        "dsmil_redis_stream_length": {"stream_name"},
        "dsmil_redis_stream_lag": {"stream_name", "consumer_group"},
        "dsmil_db_query_duration_seconds_bucket": {"operation", "table"}, "dsmil_db_size_bytes": set(),
    }  # fmt: skip
    for name, names in documented.items():
        assert name in exported and all(names <= set(row) for row in exported[name]), name
