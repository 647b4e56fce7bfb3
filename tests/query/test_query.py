"""A query text becomes one plan, whatever the order of its clauses, or is refused with the place that is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsmil.errors import QueryError
from dsmil.query import parse_query, tree
from dsmil.query.clauses import Band, Box, Moment, Query, Since, Within
from dsmil.query.spell import spell_query
from tests.query.questions import QUERIES

SHIP = tree.Compare("kind", "=", "vessel")


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("FIND NODES", Query()),
        ("find edges", Query(find="edges", returns="edges")),
        ("FIND SUBGRAPH", Query(find="subgraph", returns="subgraph")),
        ('FIND NEIGHBORS OF "a"', Query(find="neighbors", of="a")),
        ('FIND NEIGHBORS OF "a" DEPTH 3', Query(find="neighbors", of="a", depth=3)),
        ('FIND SUBGRAPH OF "a"', Query(find="subgraph", of="a", returns="subgraph")),
        ("FIND EDGES ANY", Query(find="edges", any_member=True, returns="edges")),
        ("FIND SUBGRAPH EDGES ANY", Query(find="subgraph", any_member=True, returns="subgraph")),
        ('kind = "vessel"', Query(where=SHIP)),
        ('WHERE kind = "vessel"', Query(where=SHIP)),
        ('FIND NODES\nWHERE kind = "vessel"', Query(where=SHIP)),
        (
            'FIND NODES WHERE kind = "vessel"\nWHERE x < -1.5',
            Query(where=tree.AllOf((SHIP, tree.Compare("x", "<", -1.5)))),
        ),
        ('FIND NODES WITHIN 500m OF "a"', Query(within=(Within(500.0, node="a"),))),
        ('FIND NODES WITHIN 5km OF "a"', Query(within=(Within(5000.0, node="a"),))),
        ("FIND NODES within 3 NM of [ -3.5, 179 ]", Query(within=(Within(5556.0, place=(-3.5, 179.0)),))),
        ("FIND NODES IN BBOX [-10, 170, 10, -170]", Query(boxes=(Box(-10.0, 170.0, 10.0, -170.0),))),
        ('FIND NODES IN ROOM "ops" IN ROOM "b"', Query(rooms=("ops", "b"))),
        ("FIND NODES FREQ 433.05 TO 434.79", Query(bands=(Band(433.05, 434.79),))),
        ("FIND NODES SINCE 30s", Query(since=Since(ago_s=30.0))),
        ("FIND NODES SINCE 10m", Query(since=Since(ago_s=600.0))),
        ("FIND NODES SINCE 2h", Query(since=Since(ago_s=7200.0))),
        ("FIND NODES SINCE 1.5d", Query(since=Since(ago_s=129_600.0))),
        ("FIND NODES SINCE 1970-01-02", Query(since=Since(ts=86_400.0))),
        ("FIND NODES SINCE 1970-01-02T01:00:00.25Z", Query(since=Since(ts=90_000.25))),
        ("FIND NODES SINCE 1970-01-02T01:00:00+01:00", Query(since=Since(ts=86_400.0))),
        ('FIND NODES SINCE "1970-01-02 00:00"', Query(since=Since(ts=86_400.0))),
        ("FIND NODES AS OF 1200", Query(as_of=Moment(sequence=1200))),
        ("FIND NODES AS OF 1970-01-02T00:00Z", Query(as_of=Moment(ts=86_400.0))),
        ("FIND NODES ORDER BY metadata.sog_kn", Query(order_by="metadata.sog_kn")),
        ("FIND NODES ORDER BY metadata.sog_kn desc", Query(order_by="metadata.sog_kn", descending=True)),
        ("FIND NODES ORDER BY id ASC LIMIT 7", Query(order_by="id", limit=7)),
        ("FIND EDGES RETURN count", Query(find="edges", returns="count")),
        ("FIND NODES RETURN subgraph", Query(returns="subgraph")),
        ("explain find nodes", Query(explain=True)),
        ("LIMIT 3", Query(limit=3)),
    ],
)  # fmt: skip
def test_row_30_each_clause_is_read(text: str, query: Query) -> None:
    found = parse_query(text)
    assert found.text == spell_query(query)
    assert spell_query(found) == spell_query(query)
    assert found == Query(
        **{name: getattr(query, name) for name in query.__struct_fields__} | {"text": found.text}
    )


def test_clauses_stand_in_any_order_on_one_line_or_many() -> None:
    one = parse_query(
        'FIND NODES WHERE kind = "vessel" SINCE 10m ORDER BY id LIMIT 5 IN ROOM "r" RETURN subgraph'
    )
    other = parse_query(
        'find nodes\n return SUBGRAPH\nin room "r"\n limit 5\norder by id since 600s\nwhere kind="vessel"'
    )
    assert one == other


def test_keys_and_names_may_be_words_of_the_language() -> None:
    query = parse_query(
        'FIND EDGES WHERE nodes CONTAINS "limit" AND edges = 1 AND room = 2 ORDER BY limit LIMIT 5'
    )
    assert query.order_by == "limit"
    assert query.where == tree.AllOf(
        (tree.Contains("nodes", "limit"), tree.Compare("edges", "=", 1.0), tree.Compare("room", "=", 2.0))
    )


def test_true_and_one_are_not_the_same_query() -> None:
    assert parse_query("x = 1") != parse_query("x = true")


@pytest.mark.parametrize(
    ("text", "line", "column", "expects"),
    [
        ("", 1, 1, "FIND"),
        ("FIND", 1, 5, "NODES EDGES SUBGRAPH NEIGHBORS"),
        ("FIND SHIPS", 1, 6, "NODES EDGES SUBGRAPH NEIGHBORS"),
        ("FIND NODES WHERE", 1, 17, "a key"),
        ("FIND NODES\nWHERE kind", 2, 11, "= != > >= < <="),
        ("FIND NODES\nWHERE kind == 3", 2, 13, "a number"),
        ("FIND NODES kind = 3", 1, 12, "WHERE"),
        ("FIND NEIGHBORS", 1, 6, 'OF "id"'),
        ('FIND NEIGHBORS OF "a" DEPTH x', 1, 29, "a whole number"),
        ('FIND NODES WITHIN 5 OF "a"', 1, 19, "a distance such as 500m 5km 3nm"),
        ('FIND NODES WITHIN -5km OF "a"', 1, 19, "a distance such as 500m 5km 3nm"),
        ("FIND NODES WITHIN 5km OF a", 1, 26, "["),
        ("FIND NODES IN BBOX [1, 2, 3]", 1, 28, ","),
        ("FIND NODES FREQ 433", 1, 20, "TO"),
        ("FIND NODES SINCE 10", 1, 18, "a duration such as 30s 10m 2h 3d"),
        ("FIND NODES SINCE yesterday", 1, 18, "an ISO-8601 time"),
        ("FIND NODES AS OF 1.5", 1, 18, "a whole number"),
        ("FIND NODES ORDER kind", 1, 18, "BY"),
        ("FIND NODES LIMIT many", 1, 18, "a whole number"),
        ("FIND NODES RETURN everything", 1, 19, "nodes edges subgraph count"),
        ("FIND NODES; DROP TABLE nodes", 1, 11, "WHERE"),
        ('x = 1 AND WITHIN 5km OF "a"', 1, 18, "CONTAINS"),
    ],
)  # fmt: skip
def test_row_30_garbage_is_refused_with_its_place(text: str, line: int, column: int, expects: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_query(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert expects in caught.value.expected


@pytest.mark.parametrize(
    ("text", "column", "cause"),
    [
        ("FIND NODES LIMIT 0", 18, "within 1 to 10000"),
        ("FIND NODES LIMIT 10001", 18, "within 1 to 10000"),
        ("FIND NODES LIMIT " + "9" * 3000, 18, "within 1 to 10000"),
        ('FIND NEIGHBORS OF "a" DEPTH 7', 29, "within 1 to 6"),
        ("FIND NODES LIMIT 5 LIMIT 6", 20, "LIMIT is given twice"),
        ("FIND NODES SINCE 5m SINCE 6m", 21, "SINCE is given twice"),
        ("FIND NODES AS OF 1 AS OF 2", 20, "AS is given twice"),
        ("FIND NODES ORDER BY id ORDER BY id", 24, "ORDER is given twice"),
        ("FIND NODES RETURN count RETURN nodes", 25, "RETURN is given twice"),
        ("FIND NODES IN BBOX [91, 0, 0, 0]", 21, "91 is not within -90 to 90"),
        ("FIND NODES WITHIN 5km OF [0, -181]", 30, "-181 is not within -180 to 180"),
        ("FIND NODES WITHIN 1e300km OF [0, 0]", 19, "too much"),
        ("FIND NODES FREQ 5 TO 4", 17, "the lower bound comes first"),
        ("FIND NODES SINCE 2026-13-01", 18, "no time"),
        ("FIND NODES SINCE 0001-01-01", 18, "1970 to 9999"),
        ("FIND NODES SINCE 1e300d", 18, "too much"),
        ("FIND NODES AS OF 99999999999999999999", 18, "is not within 0"),
        ('FIND NODES IN ROOM "\\x"', 20, "unknown escape"),
    ],
)  # fmt: skip
def test_row_30_values_out_of_their_bounds_are_refused(text: str, column: int, cause: str) -> None:
    with pytest.raises(QueryError, match=cause) as caught:
        parse_query(text)
    assert caught.value.column == column


@pytest.mark.parametrize(
    "text", ["NOT " * 1000 + "a = 1", "(" * 300 + "NOT " * 17 + "a = 1" + ")" * 300, "LIMIT 5 " * 600,
             "FREQ 1 TO 2 " * 65, "WHERE a = 1 " * 257],
)  # fmt: skip
def test_what_would_cost_too_much_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="exceed|longer|twice"):
        parse_query(text)


@given(QUERIES)
@settings(max_examples=150, deadline=None)
def test_a_query_reads_back_from_its_own_text(query: Query) -> None:
    found = parse_query(query.text)
    assert found == query
    assert str(found) == query.text


PIECES = st.sampled_from(
    ["FIND", "NODES", "EDGES", "ANY", "NEIGHBORS", "OF", "DEPTH", "WHERE", "WITHIN", "5km", "[", "]", ",", "IN",
     "BBOX", "ROOM", "FREQ", "TO", "SINCE", "10m", "AS", "2026-01-01", "ORDER", "BY", "LIMIT", "5", "RETURN", "count",
     "a.b", "=", "1", '"x"', "(", ")", "AND", "OR", "NOT", "EXISTS", "BETWEEN", "EXPLAIN", "\n"]
)  # fmt: skip


@given(st.text(st.characters(), max_size=60) | st.lists(PIECES, max_size=14).map(" ".join))
@settings(max_examples=500, deadline=None)
def test_row_30_no_text_does_worse_than_a_query_error(text: str) -> None:
    place = (1, 1)
    try:
        query = parse_query(text)
    except QueryError as error:
        place = (error.line, error.column)
    else:
        assert parse_query(query.text) == query
    assert min(place) >= 1


@pytest.mark.parametrize("text", ['x = "\ud800"', 'x = "\\ud800"', "\ud800", 'FIND NODES IN ROOM "\udfff"'])
def test_half_a_character_is_refused(text: str) -> None:
    with pytest.raises(QueryError):
        parse_query(text)
