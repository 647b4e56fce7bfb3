"""POST /api/ingest: frames by the receivers' rules, external events as they are, all of a body or nothing."""

from __future__ import annotations

from typing import Any

import pytest

from dsmil.clock import SYSTEM
from tests.api.desk import Desk, body_of, is_error

FRAME = {
    "sensor_id": "roof", "center_frequency_hz": 433.9e6, "peak_frequency_hz": 433.92e6, "peak_dbfs": -20.0,
    "noise_floor_dbfs": -60.0, "lat": 59.9, "lon": 10.7, "timestamp": 1_700_000_000.0,
}  # fmt: skip
EVENT = {"source": "partner", "payload": {"about": "vessel:1"}, "severity": "HIGH"}


def frame(**changed: Any) -> dict[str, Any]:
    return {key: value for key, value in (FRAME | changed).items() if value is not ...}


def test_row_39_a_frame_goes_to_l3_in_with_place_and_frequency(desk: Desk) -> None:
    answer = desk("POST", "/api/ingest", "operator", json=FRAME)
    assert answer.status_code == 202
    (event,) = desk.entries("L3_IN")
    assert body_of(answer) == {
        "status": "accepted", "accepted": 1, "passed_over": 0, "events": [],
        "frames": [{"status": "accepted", "event_id": event.event_id}],
    }  # fmt: skip
    told = event.to_dict()
    assert (event.kind, event.source, event.source_device, event.ts) == (
        "rf.frame",
        "rf:http",
        10,
        FRAME["timestamp"],
    )
    assert told["payload"]["lat"] == 59.9 and told["payload"]["peak_frequency_hz"] == 433.92e6
    assert told["payload"]["snr_db"] == 40.0 and '"roof"' in told["raw"]["text"]


@pytest.mark.parametrize(
    "body",
    [frame(lat="59"), frame(extra=1), frame(iq=[1, 2]), frame(sensor_id=""), frame(sensor_id=...), frame(lat=...),
     frame(peak_dbfs=21), frame(noise_floor_dbfs=-301), frame(peak_frequency_hz=0), frame(center_frequency_hz=2e12),
     frame(lat=91), frame(sequence=-1), frame(timestamp=1e12), frame(sample_rate_hz=2e10), frame(lat=True),
     {}, [], [FRAME], "x", None, {"frames": []}, {"frames": FRAME}, {"frames": [FRAME], "more": 1},
     {"frames": [FRAME, frame(lat=95)]}, {"frames": [7]}, {"frames": [FRAME] * 501}],
)  # fmt: skip
def test_row_39_a_bad_frame_is_refused_and_nothing_of_its_body_is_taken(desk: Desk, body: Any) -> None:
    answer = desk("POST", "/api/ingest", json=body)
    assert answer.status_code == 422 and is_error(answer), answer.text
    assert desk.entries("L3_IN") == []


@pytest.mark.parametrize("word", ["NaN", "Infinity", "1e999", "-NaN", "0x1"])
def test_row_39_a_number_that_is_none_is_refused(desk: Desk, word: str) -> None:
    rest = '"center_frequency_hz": 1, "peak_frequency_hz": 1, "noise_floor_dbfs": -90'
    text = f'{{"sensor_id": "a", {rest}, "peak_dbfs": {word}}}'
    answer = desk("POST", "/api/ingest", content=text, headers={"content-type": "application/json"})
    assert answer.status_code == 422 and is_error(answer) and desk.entries("L3_IN") == []


def test_row_39_an_unknown_field_and_a_bad_frame_of_a_batch_are_named(desk: Desk) -> None:
    assert "iq" in desk("POST", "/api/ingest", json=frame(iq=[1])).json()["detail"]
    assert "frames[1]" in desk("POST", "/api/ingest", json={"frames": [FRAME, frame(lat=95)]}).json()["detail"]


def test_row_39_the_12_db_gate_and_the_cooldown(desk: Desk) -> None:
    weak = desk("POST", "/api/ingest", json=frame(peak_dbfs=-48.1))
    assert weak.status_code == 200 and body_of(weak)["frames"] == [{"status": "snr", "event_id": None}]
    steps = [
        (frame(peak_dbfs=-48.0), "accepted"),  # 12 dB
        (frame(timestamp=FRAME["timestamp"] + 0.9), "cooldown"),
        (frame(timestamp=FRAME["timestamp"] + 0.9, peak_frequency_hz=433.93e6), "accepted"),  # another bucket
        (frame(timestamp=FRAME["timestamp"] + 0.9, sensor_id="other"), "accepted"),
        (frame(timestamp=FRAME["timestamp"] + 1.0), "accepted"),
    ]
    batch = desk("POST", "/api/ingest", json={"frames": [one for one, _ in steps]})
    assert [one["status"] for one in body_of(batch)["frames"]] == [status for _, status in steps]
    assert body_of(batch)["passed_over"] == 1 and len(desk.entries("L3_IN")) == 4


def test_a_frame_that_could_not_be_published_is_not_held_back_for_it(desk: Desk) -> None:
    desk.redis.rename("L3_IN", "dsmil:test:aside")
    desk.redis.set("L3_IN", "not a stream")
    refused = desk("POST", "/api/ingest", json=FRAME)
    assert refused.status_code == 503 and is_error(refused)
    desk.redis.delete("L3_IN")
    assert body_of(desk("POST", "/api/ingest", json=FRAME))["accepted"] == 1


def test_external_intelligence_goes_to_l4_in(desk: Desk) -> None:
    ts = SYSTEM.now() - 5
    answer = desk("POST", "/api/ingest", "operator", json={**EVENT, "ts": ts, "kind": "intel.report"})
    assert answer.status_code == 202
    (event,) = desk.entries("L4_IN")
    assert body_of(answer)["events"] == [event.event_id]
    assert (event.kind, event.source, event.severity, event.category) == (
        "intel.report",
        "intel:partner",
        "HIGH",
        "INTEL",
    )
    assert event.to_dict()["payload"] == {"about": "vessel:1"} and event.ts == ts
    assert event.source_epoch.endswith(":token:operator"), "who brought it in is on record"


def test_an_event_posted_again_is_the_same_event(desk: Desk) -> None:
    timed = [body_of(desk("POST", "/api/ingest", json={**EVENT, "ts": 1.5}))["events"] for _ in range(2)]
    named = [body_of(desk("POST", "/api/ingest", json={**EVENT, "event_id": "mine"}))["events"] for _ in range(2)]
    free = [body_of(desk("POST", "/api/ingest", json=EVENT))["events"] for _ in range(2)]
    assert timed[0] == timed[1] and named == [["mine"], ["mine"]] and free[0] != free[1]


@pytest.mark.parametrize(
    "body",
    [{"source": "x"}, {"payload": {}}, {**EVENT, "kind": "ais.position"}, {**EVENT, "kind": "intel."},
     {**EVENT, "severity": "LOUD"}, {**EVENT, "payload": []}, {**EVENT, "ts": -1}, {**EVENT, "ts": "now"},
     {**EVENT, "extra": 1}, {**EVENT, "source": "a\nb"}, {"events": [EVENT, {"source": "x"}]},
     {**EVENT, "payload": {"a": "x" * 70_000}}, {"events": []}],
)  # fmt: skip
def test_a_bad_event_is_refused_and_nothing_of_its_body_is_taken(desk: Desk, body: Any) -> None:
    answer = desk("POST", "/api/ingest", json=body)
    assert answer.status_code == 422 and is_error(answer), answer.text
    assert desk.entries("L4_IN") == []


def test_frames_and_events_come_in_one_body(desk: Desk) -> None:
    answer = body_of(desk("POST", "/api/ingest", json={"frames": [FRAME], "events": [EVENT, EVENT]}))
    assert answer["accepted"] == 3 and len(desk.entries("L3_IN")) == 1 and len(desk.entries("L4_IN")) == 2


def test_a_bad_frame_beside_good_events_leaves_both_streams_as_they_were(desk: Desk) -> None:
    assert desk("POST", "/api/ingest", json={"frames": [frame(lat=95)], "events": [EVENT]}).status_code == 422
    assert desk.entries("L4_IN") == []
