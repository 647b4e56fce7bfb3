"""/api/soc reads what the router put into the hot database, and never an empty list where that is away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dsmil.clock import SYSTEM
from dsmil.store.hot import HotPathDB
from dsmil.store.hot_file import HotConfig
from tests.api.desk import Desk, body_of, is_error

SEVERITIES = ("LOW", "HIGH", "CRITICAL", "HIGH")


@pytest.fixture
def hot(desk: Desk) -> Iterator[HotPathDB]:
    made = HotPathDB(HotConfig(desk.parts.settings.paths.hot_db))
    assert made.connect()
    for number, severity in enumerate(SEVERITIES):
        payload = {"decision": "ais.jump", "entity": f"vessel:{number % 2}"}
        assert made.insert_soc_event(f"soc-{number}", severity, "INTEL", 52, 8, payload, {"l3": None}, {}, {})
    yield made
    made.disconnect()


def test_soc_events_come_newest_first_by_severity_time_and_page(desk: Desk, hot: HotPathDB) -> None:
    whole = body_of(desk("GET", "/api/soc/events"))
    assert [one["event_id"] for one in whole["events"]] == ["soc-3", "soc-2", "soc-1", "soc-0"]
    assert (whole["total"], whole["count"], whole["limit"], whole["offset"]) == (4, 4, 50, 0)
    assert whole["events"][0]["payload"] == {"decision": "ais.jump", "entity": "vessel:1"}
    high = body_of(desk("GET", "/api/soc/events?severity=high&limit=1&offset=1"))
    assert [one["event_id"] for one in high["events"]] == ["soc-1"] and high["total"] == 2
    assert body_of(desk("GET", f"/api/soc/events?since={SYSTEM.now() + 60}"))["events"] == []
    assert body_of(desk("GET", "/api/soc/events?since=2020-01-01T00:00:00Z"))["total"] == 4
    for wrong in ("severity=LOUD", "limit=0", "limit=501", "offset=-1", "since=5", "since=soon"):
        assert desk("GET", f"/api/soc/events?{wrong}").status_code == 422, wrong


def test_one_soc_event_by_its_id(desk: Desk, hot: HotPathDB) -> None:
    assert body_of(desk("GET", "/api/soc/events/soc-2"))["severity"] == "CRITICAL"
    missing = desk("GET", "/api/soc/events/soc-9")
    assert missing.status_code == 404 and is_error(missing)


def test_the_summary_counts_the_last_day(desk: Desk, hot: HotPathDB) -> None:
    told = body_of(desk("GET", "/api/soc/summary"))
    assert told["total"] == 4 and told["until"] - told["since"] == 86_400
    assert told["by_severity"] == {"LOW": 1, "MEDIUM": 0, "HIGH": 2, "CRITICAL": 1}
    assert told["by_category"] == {"INTEL": 4} and told["by_layer"] == {"8": 4}
    assert told["decisions"] == {"ais.jump": 4} and told["entities"] == {"vessel:0": 2, "vessel:1": 2}
    assert told["latest"]["event_id"] == "soc-3"


@pytest.mark.parametrize("path", ["/api/soc/events", "/api/soc/events/x", "/api/soc/summary"])
def test_a_hot_database_that_is_away_is_503_with_the_reason(desk: Desk, path: str) -> None:
    answer = desk("GET", path)
    assert answer.status_code == 503 and is_error(answer) and "hotpath.db" in answer.json()["detail"]
    desk.parts.settings.paths.hot_db.write_bytes(b"no database" * 400)
    assert desk("GET", path).status_code == 503
