"""A predicate answers as its words say, over events and entities alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmil.query import compile_predicate

EVENT = {
    "severity": "HIGH",
    "kind": "soc",
    "payload": {
        "mmsi": 211000000,
        "lat": -3.5,
        "name": "NORDIC STAR",
        "entities": ["vessel:211000000", "rf:ab"],
        "ports": [{"port": 22, "state": "open"}, {"port": 23, "state": "closed"}],
        "labels": {"ip": "192.0.2.7", "net.name": "lan"},
        "ok": True,
        "none": None,
    },
}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('kind = "soc"', True),
        ('WHERE kind = "soc"', True),
        ('kind != "soc"', False),
        ("mmsi = 211000000", True),
        ('mmsi = "211000000"', True),
        ("payload.mmsi = 211000000", True),
        ("lat < -3", True),
        ("lat >= -3.5 AND lat <= -3.5", True),
        ("lat BETWEEN -4 AND -3", True),
        ("lat BETWEEN -3 AND -4", False),
        ('severity >= "MEDIUM"', True),
        ('severity < "high"', False),
        ('severity BETWEEN "LOW" AND "HIGH"', True),
        ('severity IN ("LOW", "HIGH")', True),
        ('name CONTAINS "STAR"', True),
        ('name CONTAINS "star"', False),
        ('name STARTS WITH "NOR"', True),
        ('entities CONTAINS "rf:ab"', True),
        ('entities CONTAINS "rf"', False),
        ('entities STARTS WITH "vessel:"', True),
        ('ports.state = "closed"', True),
        ("ports.port = 80", False),
        ('labels.ip = "192.0.2.7"', True),
        ('labels.net.name = "lan"', True),
        ("ok = true", True),
        ("ok = false", False),
        ("EXISTS mmsi", True),
        ("EXISTS none", False),
        ("EXISTS absent", False),
        ('absent != "x"', False),
        ('NOT absent = "x"', True),
        ('kind = "soc" AND lat > 0 OR ok = true', True),
        ('kind = "soc" AND (lat > 0 OR ok = false)', False),
        ('WHERE kind = "soc"\nWHERE lat > 0', False),
        ('where kind = "soc" where ok = true', True),
        ('name > 3', False),
        ("ok = 1", False),
    ],
)  # fmt: skip
def test_each_form_answers_as_its_words_say(text: str, answer: bool) -> None:
    assert compile_predicate(text).matches(EVENT) is answer


def test_keys_may_begin_like_keywords() -> None:
    assert compile_predicate("index = 1 AND android = 2 AND ordinal = 3 AND nothing = 4").matches(
        {"index": 1, "android": 2, "ordinal": 3, "nothing": 4}
    )


def test_lists_within_lists_are_looked_into_as_far_as_makes_sense() -> None:
    nested: object = 1
    for _ in range(32):
        nested = [nested]
    wants = compile_predicate("x = 1")
    assert wants.matches({"x": nested})
    for _ in range(900):
        nested = [nested]
    assert not wants.matches({"x": nested})


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_numbers_compare_as_numbers(found: float, literal: float) -> None:
    for op, truth in (
        ("=", found == literal), ("!=", found != literal), (">", found > literal), (">=", found >= literal),
        ("<", found < literal), ("<=", found <= literal),
    ):  # fmt: skip
        assert compile_predicate(f"x {op} {literal!r}").matches({"x": found}) is truth


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_any_text_can_be_asked_for(text: str) -> None:
    import json

    assert compile_predicate(f"x = {json.dumps(text)}").matches({"x": text})


LITERALS = st.one_of(
    st.sampled_from(['"a"', '"443"', '"443.0"', '"nan"', '"inf"', '"true"', '"LOW"', '"HIGH"', "true", "false"]),
    st.sampled_from(["443", "1", "0", "1e999", "-0"]),
)
FOUND = st.sampled_from(
    [
        "a",
        "443",
        " 443 ",
        "4_43",
        "nan",
        "LOW",
        443,
        443.0,
        1,
        0,
        True,
        False,
        10**400,
        ["a", 443],
        {"b": 1},
        None,
    ]
)


@given(st.lists(LITERALS, min_size=1, max_size=6), FOUND, st.sampled_from(["k", "severity"]))
def test_in_is_equal_to_one_of_them(literals: list[str], found: object, key: str) -> None:
    if key == "severity":
        literals = [one for one in literals if one in ('"LOW"', '"HIGH"')] or ['"LOW"']
    one_of = compile_predicate(f"{key} IN ({', '.join(literals)})")
    either = compile_predicate(" OR ".join(f"{key} = {one}" for one in literals))
    assert one_of.matches({key: found}) is either.matches({key: found})
