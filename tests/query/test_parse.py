"""Garbage is refused with its line, its column and what would have fitted; nothing is guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmil.errors import QueryError
from dsmil.query import parse


@pytest.mark.parametrize(
    ("text", "line", "column", "expects"),
    [
        ("", 1, 1, "a key"),
        ("severity", 1, 9, "= != > >= < <="),
        ("a = ", 1, 5, "a number"),
        ("a ~ 3", 1, 3, "BETWEEN"),
        ('a = "open', 1, 5, '"text"'),
        ("(a = 1", 1, 7, ")"),
        ("a = 1 b = 2", 1, 7, "AND"),
        ("a = 1 OR\nb == 3", 2, 4, "a number"),
        ('kind = "x"\n  AND severity = "WORST"', 2, 7, "CRITICAL"),
        ("a IN ()", 1, 7, "a number"),
    ],
)
def test_the_place_and_the_mend_are_named(text: str, line: int, column: int, expects: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse.parse(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert expects in caught.value.expected


@pytest.mark.parametrize(
    "text",
    ["NOT " * 40 + "a = 1", "a = 1 AND " * 300 + "a = 1", "x" * 5000 + " = 1"],
)
def test_what_would_cost_too_much_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="exceed|longer"):
        parse.parse(text)


def test_brackets_alone_cost_nothing() -> None:
    assert parse.parse("(" * 1000 + "a = 1" + ")" * 1000) == parse.parse("a = 1")


def test_a_list_of_a_thousand_is_the_limit() -> None:
    with pytest.raises(QueryError):
        parse.parse("a IN (" + ",".join("1" for _ in range(1001)) + ")")


@given(st.text(max_size=80))
def test_no_text_does_worse_than_a_query_error(text: str) -> None:
    place = (1, 1)
    try:
        parse.parse(text)
    except QueryError as error:
        place = (error.line, error.column)
    assert min(place) >= 1
