"""The short way to hold a predicate against an entity answers as the general one over its JSON form."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsmil.events.graph import Seen
from dsmil.graph.entity import Edge, Node
from dsmil.graph.match import View, edge_test, node_test
from dsmil.query import compile_predicate, tree
from dsmil.query.predicate import compile_tree
from tests.query.questions import TREES

FACTS: tuple[Any, ...] = (
    "a", "b", "443", "0443", "vessel", "HIGH", "LOW", "ops", "", 1, 7, 443, 443.0, 0.5, True, False, None, 10**400,
    -5, [], ["a", 443], [["b"], None], {"b": "a", "x": 7}, [{"b": 443}, "ops"], {"b": {"x": 1}}, ["HIGH", 3],
)  # fmt: skip
KEYS = ("name", "port", "service", "a", "a.b", "severity", "rooms", "provenance")
TIMES = (0.0, 1.0, 300.0, 5000.0)


def facts(chance: random.Random) -> dict[str, Any]:
    return {key: chance.choice(FACTS) for key in chance.sample(KEYS, chance.randint(0, 5))}


@cache
def node(seed: int) -> Node:
    chance = random.Random(seed)
    return Node(
        chance.choice(("vessel:1", "443")), chance.choice(("vessel", "443", "host")),
        chance.choice((None, (1.0, 443.0))), chance.choice((None, 433.92, 443.0)), facts(chance), facts(chance),
        chance.choice(TIMES), chance.choice(TIMES), frozenset(), {}, chance.choice(((), (Seen("s1", 1.0, 2.0, 3),))),
    )  # fmt: skip


@cache
def edge(seed: int) -> Edge:
    chance = random.Random(seed)
    return Edge(
        chance.choice(("he:link:1", "443")), chance.choice(("link", "443")),
        chance.choice((("vessel:1",), ("a", "b"))), chance.choice((0.0, 0.5, -60.0)), facts(chance), facts(chance),
        chance.choice(TIMES), chance.choice(TIMES), frozenset(), {}, chance.choice(((), (Seen("s1", 1.0, 2.0, 3),))),
    )  # fmt: skip


@given(st.lists(TREES, min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_the_short_way_answers_as_the_general_one(predicates: list[tree.Node]) -> None:
    for where in predicates:
        general = compile_tree(where)
        on_node, on_edge = node_test(where), edge_test(where)
        for seed in range(50):
            assert on_node(node(seed)) is general(node(seed).to_dict())
            assert on_edge(edge(seed)) is general(edge(seed).to_dict())


def test_a_view_is_the_json_form() -> None:
    for seed in range(100):
        assert dict(View(node(seed))) == node(seed).to_dict()
        assert dict(View(edge(seed))) == edge(seed).to_dict()
        assert len(View(node(seed))) == len(node(seed).to_dict())
    assert "weight" not in View(node(0))
    assert "created_at" not in View(edge(0))
    with pytest.raises(KeyError):
        View(edge(0))["seen"]


def test_true_and_one_are_told_apart_though_python_does_not() -> None:
    ship = Node("n", "k", None, None, {"up": True}, {}, 0.0, 0.0, frozenset(), {}, ())
    assert not node_test(compile_predicate("labels.up = 1").tree)(ship)
    assert node_test(compile_predicate("labels.up = true").tree)(ship)
    assert not node_test(compile_predicate("labels.up = 1").tree)(ship)


def test_provenance_is_asked_for_like_any_metadata() -> None:
    heard = Node("n", "k", None, None, {}, {}, 0.0, 0.0, frozenset(), {}, (Seen("ais:x", 1.0, 2.0, 3),))
    for text in (
        'metadata.provenance.source = "ais:x"',
        "EXISTS metadata.provenance",
        "metadata.provenance.count > 2",
    ):
        assert node_test(compile_predicate(text).tree)(heard)
