"""/api/events/since gives every event after a number, in order, and says where it cannot."""

from __future__ import annotations

import pytest

from tests.api.desk import Desk, body_of, is_error


def test_row_25_who_was_away_gets_each_event_once_in_order_page_by_page(desk: Desk) -> None:
    for number in range(7):
        desk.write("POST", "/api/nodes", json={"id": f"n:{number}"})
    seq, found = 0, []
    while True:
        page = body_of(desk("GET", f"/api/events/since?seq={seq}&limit=3"))
        assert page["sequence_id"] == 7 and page["count"] == len(page["events"]) <= 3 and page["epoch"]
        found += page["events"]
        seq = found[-1]["sequence_id"]
        if not page["more"]:
            break
    assert [one["sequence_id"] for one in found] == list(range(1, 8))
    assert [one["event"]["payload"]["id"] for one in found] == [f"n:{number}" for number in range(7)]
    assert body_of(desk("GET", "/api/events/since?seq=7"))["events"] == []


def test_200_come_unless_asked_and_1000_at_most(desk: Desk) -> None:
    pipe = desk.redis.pipeline(transaction=False)
    for _ in range(1_200):
        pipe.xadd("GRAPH_EVENTS", {"event": "{}"}, id="0-*")
    pipe.execute()
    assert body_of(desk("GET", "/api/events/since"))["count"] == 200
    assert body_of(desk("GET", "/api/events/since?limit=1000"))["count"] == 1_000
    for wrong in ("limit=0", "limit=1001", "seq=-1", "seq=x", f"seq={2**60}"):
        assert desk("GET", f"/api/events/since?{wrong}").status_code == 422


def test_row_25_what_is_trimmed_away_is_410_and_says_how_to_go_on(desk: Desk) -> None:
    for number in range(5):
        desk.write("POST", "/api/nodes", json={"id": f"n:{number}"})
    desk.redis.xtrim("GRAPH_EVENTS", minid="0-4", approximate=False)
    for seq, status in ((0, 410), (2, 410), (3, 200), (5, 200), (6, 410)):
        answer = desk("GET", f"/api/events/since?seq={seq}")
        assert answer.status_code == status, (seq, answer.text)
        if status == 410:
            assert is_error(answer) and "reset" in answer.json()["hint"]
    desk.redis.xtrim("GRAPH_EVENTS", maxlen=0, approximate=False)
    assert desk("GET", "/api/events/since?seq=4").status_code == 410
    assert body_of(desk("GET", "/api/events/since?seq=5"))["events"] == []


@pytest.mark.parametrize("entry", [{"event": "no json"}, {"other": "x"}])
def test_somebody_elses_entry_takes_its_number(desk: Desk, entry: dict[str, str]) -> None:
    desk.redis.xadd("GRAPH_EVENTS", entry, id="0-*")  # type: ignore[arg-type]
    assert body_of(desk("GET", "/api/events/since"))["events"] == [{"sequence_id": 1, "event": None}]


def test_without_a_stream_it_is_503(desk: Desk) -> None:
    desk.redis.delete("GRAPH_EVENTS")
    answer = desk("GET", "/api/events/since")
    assert answer.status_code == 503 and is_error(answer)
