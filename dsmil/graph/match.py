"""Predicates over entities, without making their JSON form for each candidate.

The meaning is that of `dsmil.query.predicate` over `to_dict()`; what is compared most - a kind, an id, a label, a
number of the metadata - is read straight from the entity, and every value of another type is left to the general
test. So the short way can never answer differently (tests/graph/test_match.py holds both beside each other).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import Any

from dsmil.graph.entity import Edge, Node, told
from dsmil.query import tree
from dsmil.query.predicate import compile_tree
from dsmil.query.spell import spell

Get = Callable[[Any], Any]

COMPILED_MAX = 256
"""Compiled predicates kept: rooms and filters ask the same ones over and over."""
_NODE_KEYS = ("id", "kind", "position", "frequency", "labels", "metadata", "created_at", "updated_at")
_EDGE_KEYS = ("id", "kind", "nodes", "weight", "labels", "metadata", "timestamp")
_SCALARS = frozenset({"id", "kind", "frequency", "weight", "created_at", "updated_at", "timestamp"})
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
_kept: dict[tuple[tuple[str, ...], str], Callable[[Any], bool]] = {}


class View(Mapping[str, Any]):
    """An entity as its JSON mapping, each key made when it is asked for."""

    __slots__ = ("_entity", "_keys")

    def __init__(self, entity: Node | Edge) -> None:
        self._entity: Node | Edge = entity
        self._keys: tuple[str, ...] = _NODE_KEYS if isinstance(entity, Node) else _EDGE_KEYS

    def __getitem__(self, key: str) -> Any:
        """The value under a key; KeyError where its JSON form has none."""
        if key not in self._keys:
            raise KeyError(key)
        if key == "metadata":
            return told(self._entity.metadata, self._entity.seen)
        return getattr(self._entity, key)

    def __contains__(self, key: object) -> bool:
        """Whether the JSON form has a key."""
        return key in self._keys

    def __iter__(self) -> Iterator[str]:
        """The keys."""
        return iter(self._keys)

    def __len__(self) -> int:
        """How many keys there are."""
        return len(self._keys)


def node_test(where: tree.Node) -> Callable[[Node], bool]:
    """Whether a node fits a predicate."""
    return _compiled(where, _NODE_KEYS)


def edge_test(where: tree.Node) -> Callable[[Edge], bool]:
    """Whether an edge fits a predicate."""
    return _compiled(where, _EDGE_KEYS)


def reader(head: str, name: str) -> Get | None:
    """How to read a key (`labels.name`: its head and its rest) that leads to one value; null where it takes more."""
    if head in _SCALARS and not name:
        return attrgetter(head)
    if head == "labels" and name and "." not in name:
        return lambda entity: entity.labels.get(name)
    if head == "metadata" and name and "." not in name and name != "provenance":
        return lambda entity: entity.metadata.get(name)
    return None


def _compiled(where: tree.Node, keys: tuple[str, ...]) -> Callable[[Any], bool]:
    # Kept by text, not by tree: `x = 1` and `x = true` are equal trees to Python.
    name = (keys, spell(where))
    found = _kept.get(name)
    if found is None:
        if len(_kept) >= COMPILED_MAX:
            _kept.clear()
        found = _kept[name] = _test(where, keys)
    return found


def _test(node: tree.Node, keys: tuple[str, ...]) -> Callable[[Any], bool]:
    match node:
        case tree.Not(term):
            inner = _test(term, keys)
            return lambda entity: not inner(entity)
        case tree.AllOf(terms):
            return all_of([_test(term, keys) for term in terms])
        case tree.AnyOf(terms):
            return _any_of([_test(term, keys) for term in terms])
        case _:
            return _term(node, keys)


def all_of(tests: list[Callable[[Any], bool]]) -> Callable[[Any], bool]:
    """One test of several that all have to hold; a generator per candidate would cost more than the tests do."""
    if not tests:
        return lambda entity: True
    if len(tests) == 1:
        return tests[0]
    first, rest = tests[0], all_of(tests[1:])
    return lambda entity: first(entity) and rest(entity)


def _any_of(tests: list[Callable[[Any], bool]]) -> Callable[[Any], bool]:
    if len(tests) == 1:
        return tests[0]
    first, rest = tests[0], _any_of(tests[1:])
    return lambda entity: first(entity) or rest(entity)


def _term(node: tree.Node, keys: tuple[str, ...]) -> Callable[[Any], bool]:
    """One comparison."""
    assert not isinstance(node, tree.Not | tree.AllOf | tree.AnyOf)
    head, _, name = node.key.partition(".")
    if head not in keys:
        return lambda entity: False
    general = compile_tree(node)

    def slow(entity: Any) -> bool:
        return general(View(entity))

    get = reader(head, name)
    if get is None or node.key.rsplit(".", 1)[-1] == "severity":  # severities go by rank
        return slow
    return _quick(node, get, slow) or slow


def _quick(node: tree.Node, get: Get, slow: Callable[[Any], bool]) -> Callable[[Any], bool] | None:
    """The short way where both sides are texts, or both are numbers."""
    match node:
        case tree.Compare(_, op, str(value)):
            return _on_text(get, slow, lambda found: _OPERATORS[op](found, value), equal_to=op == "=" and value)
        case tree.Compare(_, op, float(number)):
            compare = _OPERATORS[op]
            return _on_number(get, slow, lambda found: compare(found, number))
        case tree.Between(_, float(low), float(high)):
            return _on_number(get, slow, lambda found: low <= found <= high)
        case tree.OneOf(_, values) if all(isinstance(value, str) for value in values):
            return _on_text(get, slow, frozenset(values).__contains__)
        case tree.OneOf(_, values) if all(type(value) is float for value in values):
            return _on_number(get, slow, frozenset(values).__contains__)
        case tree.StartsWith(_, prefix):
            return _on_text(get, slow, lambda found: found.startswith(prefix))
        case tree.Contains(_, value):
            part = str(value)
            return _on_text(get, slow, lambda found: part in found)
        case tree.Exists():
            return _exists(get, slow)
        case _:
            return None


def _on_text(
    get: Get, slow: Callable[[Any], bool], check: Callable[[str], bool], *, equal_to: str | bool = False
) -> Callable[[Any], bool]:
    if equal_to:  # the most frequent of all

        def equal(entity: Any) -> bool:
            found = get(entity)
            return found == equal_to if type(found) is str else found is not None and slow(entity)

        return equal

    def test(entity: Any) -> bool:
        found = get(entity)
        return check(found) if type(found) is str else found is not None and slow(entity)

    return test


def _on_number(get: Get, slow: Callable[[Any], bool], check: Callable[[float], bool]) -> Callable[[Any], bool]:
    def test(entity: Any) -> bool:
        found = get(entity)
        kind = type(found)
        return check(found) if kind is float or kind is int else found is not None and slow(entity)

    return test


def _exists(get: Get, slow: Callable[[Any], bool]) -> Callable[[Any], bool]:
    def test(entity: Any) -> bool:
        found = get(entity)
        return found is not None and (not isinstance(found, list | tuple) or slow(entity))

    return test
