"""GET /api/export streams the graph, or what a query finds, in each format, of one moment."""

from __future__ import annotations

from typing import get_args

import pytest

from dsmil.api.export import Format
from dsmil.graph.export import MEDIA_TYPES
from tests.api.desk import Desk, is_error


def filled(desk: Desk) -> int:
    desk.write("POST", "/api/nodes", json={"id": "vessel:1", "kind": "vessel", "position": [60, 5]})
    desk.write("POST", "/api/nodes", json={"id": "host:ip:192.0.2.1", "kind": "host"})
    return desk.write("POST", "/api/edges", json={"id": "e:1", "nodes": ["vessel:1", "host:ip:192.0.2.1"]})


def test_every_format_there_is_can_be_asked_for() -> None:
    assert set(get_args(Format)) == set(MEDIA_TYPES)


@pytest.mark.parametrize("form", sorted(MEDIA_TYPES))
def test_a_format_comes_as_a_file_of_a_moment(desk: Desk, form: str) -> None:
    last = filled(desk)
    answer = desk("GET", f"/api/export?format={form}&min_seq={last}", "observer")
    assert answer.status_code == 200 and answer.headers["content-type"] == MEDIA_TYPES[form]
    assert answer.headers["x-sequence-id"] == str(last)
    assert f'filename="dsmil-{last}.' in answer.headers["content-disposition"]
    assert "vessel" in answer.text


def test_a_query_and_a_past_moment_say_what_is_in_it(desk: Desk) -> None:
    last = filled(desk)
    params = {"format": "ndjson", "min_seq": str(last), "query": 'FIND NODES WHERE kind = "host"'}
    found = desk("GET", "/api/export", params=params).text
    assert "host:ip:192.0.2.1" in found and "vessel:1" not in found
    assert "host:ip" not in desk("GET", "/api/export?format=ndjson&as_of=1").text
    clause = desk("GET", "/api/export", params={"format": "ndjson", "query": "FIND NODES AS OF 1"})
    assert clause.headers["x-sequence-id"] == "1"


@pytest.mark.parametrize(
    ("params", "status"),
    [({}, 422), ({"format": "xls"}, 422), ({"format": "csv", "query": "drop"}, 400),
     ({"format": "csv", "as_of": "x"}, 422),
     ({"format": "csv", "query": "FIND NODES AS OF 1", "as_of": "1"}, 422)],
)  # fmt: skip
def test_what_cannot_be_exported_is_said(desk: Desk, params: dict[str, str], status: int) -> None:
    answer = desk("GET", "/api/export", params=params)
    assert answer.status_code == status and is_error(answer)
