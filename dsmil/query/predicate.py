"""A predicate over any event or entity: compiled once, asked per item.

A key is looked up where it says, then inside `payload`, so `mmsi = 211000000` and `payload.mmsi = 211000000`
mean the same on an event. Lists are searched element by element. A missing or null key fits nothing (only
`NOT` and `EXISTS` speak of absence). `severity` orders as LOW < MEDIUM < HIGH < CRITICAL.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dsmil.events.enums import Severity
from dsmil.query import parse, tree

Item = Mapping[str, Any]
Test = Callable[[Item], bool]

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
_RANKED = "severity"
LISTS_MAX = 32
"""Lists within lists that are looked into: deeper ones are somebody's attempt to break the reader."""


class Predicate:
    """`matches(item)` answers whether an event or entity (as a mapping) fits; `text` and `tree` say how."""

    def __init__(self, text: str, node: tree.Node) -> None:
        self.text = text
        self.tree = node
        self._test = compile_tree(node)

    def matches(self, item: Item) -> bool:
        """Whether `item` fits."""
        return self._test(item)

    __call__ = matches


def compile_predicate(text: str) -> Predicate:
    """Read a predicate, with or without a leading WHERE; QueryError tells line, column and what would fit."""
    return Predicate(text, parse.parse(text))


def values_of(item: Item, key: str) -> Iterator[Any]:
    """Every non-null value a dotted key leads to in an event or entity."""
    return _getter(key)(item)


def _values(item: Any, path: tuple[str, ...], lists: int = LISTS_MAX) -> Iterator[Any]:
    """Every non-null value a dotted path leads to; lists on the way and at its end are spread."""
    if isinstance(item, list | tuple):
        for element in item if lists else ():
            yield from _values(element, path, lists - 1)
    elif not path:
        if item is not None:
            yield item
    elif isinstance(item, Mapping):
        # A label may itself hold dots ("labels.net.name"): the whole rest is tried as one key first.
        whole = ".".join(path)
        if whole in item:
            yield from _values(item[whole], (), lists)
        elif path[0] in item:
            yield from _values(item[path[0]], path[1:], lists)


def _getter(key: str) -> Callable[[Item], Iterator[Any]]:
    path = tuple(key.split("."))

    def get(item: Item) -> Iterator[Any]:
        if path[0] not in item and isinstance(item.get("payload"), Mapping):
            return _values(item["payload"], path)
        return _values(item, path)

    return get


def _comparable(key: str, value: tree.Value) -> tree.Value:
    """The literal as it is compared: severities by rank, anything else as it stands."""
    if key.rsplit(".", 1)[-1] != _RANKED or not isinstance(value, str):
        return value
    return float(Severity.parse(value).rank)


def _like(found: Any, literal: tree.Value, *, ranked: bool) -> tuple[Any, Any] | None:
    """Both sides as one type, or None where they cannot be compared."""
    if ranked and isinstance(found, str):
        rank = {s.value: s.rank for s in Severity}.get(found)
        return None if rank is None else (rank, literal)
    if isinstance(found, bool) or isinstance(literal, bool):
        return (found, literal) if isinstance(found, bool) and isinstance(literal, bool) else None
    if isinstance(found, int | float):
        try:
            return found, float(literal)
        except ValueError:
            return None
    if isinstance(found, str):
        if isinstance(literal, str):
            return found, literal
        try:  # a label written as text ("443") still answers to a number
            return float(found), literal
        except ValueError:
            return None
    return None


def _comparison(key: str, check: Callable[[Any, tree.Value, bool], bool], *literals: tree.Value) -> Test:
    get = _getter(key)
    wanted = tuple(_comparable(key, literal) for literal in literals)
    ranked = key.rsplit(".", 1)[-1] == _RANKED

    def test(item: Item) -> bool:
        return any(check(found, literal, ranked) for found in get(item) for literal in wanted)

    return test


def _one_of(node: tree.OneOf) -> Test:
    """As `=` with each of the values, in one look however many there are."""
    if node.key.rsplit(".", 1)[-1] == _RANKED:
        return _comparison(node.key, _relation("="), *node.values)
    get = _getter(node.key)
    truths = {value for value in node.values if isinstance(value, bool)}
    texts = {value for value in node.values if isinstance(value, str)}
    numbers = {value for value in node.values if not isinstance(value, str | bool)}
    alike = numbers | {number for number in map(_number, texts) if number is not None}

    def among(found: Any) -> bool:
        if isinstance(found, bool):
            return found in truths
        if isinstance(found, int | float):
            return found in alike
        return isinstance(found, str) and (found in texts or (bool(numbers) and _number(found) in numbers))

    return lambda item: any(map(among, get(item)))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _relation(op: str) -> Callable[[Any, tree.Value, bool], bool]:
    compare = _OPERATORS[op]

    def check(found: Any, literal: tree.Value, ranked: bool) -> bool:
        sides = _like(found, literal, ranked=ranked)
        return op == "!=" if sides is None else compare(*sides)

    return check


def _between(node: tree.Between) -> Test:
    low, high = _comparable(node.key, node.low), _comparable(node.key, node.high)
    get, ranked = _getter(node.key), node.key.rsplit(".", 1)[-1] == _RANKED
    at_least, at_most = _relation(">="), _relation("<=")
    return lambda item: any(at_least(v, low, ranked) and at_most(v, high, ranked) for v in get(item))


def _contains(node: tree.Contains) -> Test:
    get, equal = _getter(node.key), _relation("=")
    path = tuple(node.key.split("."))

    def test(item: Item) -> bool:
        holder = item if path[0] in item else item.get("payload")
        value = holder
        for part in path:
            value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, str):
            return str(node.value) in value
        if isinstance(value, list | tuple):
            return any(equal(v, node.value, False) for v in get(item))
        return any(isinstance(v, str) and str(node.value) in v for v in get(item))

    return test


def compile_tree(node: tree.Node) -> Test:
    """The test a tree stands for: one closure a node; depth is bounded by `parse.DEPTH_MAX`."""
    match node:
        case tree.Compare(key, op, value):
            return _comparison(key, _relation(op), value)
        case tree.OneOf():
            return _one_of(node)
        case tree.Between():
            return _between(node)
        case tree.Contains():
            return _contains(node)
        case tree.StartsWith(key, prefix):
            get = _getter(key)
            return lambda item: any(isinstance(v, str) and v.startswith(prefix) for v in get(item))
        case tree.Exists(key):
            get = _getter(key)
            return lambda item: any(True for _ in get(item))
        case tree.Not(term):
            inner = compile_tree(term)
            return lambda item: not inner(item)
        case tree.AllOf(terms):
            tests = tuple(compile_tree(term) for term in terms)
            return lambda item: all(test(item) for test in tests)
        case tree.AnyOf(terms):
            tests = tuple(compile_tree(term) for term in terms)
            return lambda item: any(test(item) for test in tests)
