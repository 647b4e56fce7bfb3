"""Which index to ask for a query's candidates: the one that answers with fewest ids.

A plan only chooses where to look. Every candidate is held against the exact test (`dsmil.graph.scope`), and an index
answers at least what fits, so no plan can change an answer; what no index serves is found by looking at everything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from typing import Any

from msgspec import Struct

from dsmil.events.enums import Severity
from dsmil.graph.picture import Picture
from dsmil.graph.scope import Scope
from dsmil.query import tree
from dsmil.query.spell import number, quoted, spell

FEW = 256
"""Candidates below which no further index is asked: looking at them costs less than its answer."""
MHZ_MAX = 1e6
TS_MAX = 1e300
"""Bounds of what the indices of frequency and of time can be asked for; nothing lies outside."""


class Option(Struct, frozen=True):
    """Ids one index answers, and its name in words."""

    name: str
    ids: Collection[str]


class Plan(Struct, frozen=True, kw_only=True):
    """`ids` to look at (null: all `total` entities), `index` they come from, `filter` they are held against and
    `considered` the other indices, with the number of ids each answered."""

    finds: str
    index: str
    ids: Collection[str] | None
    total: int
    filter: str
    considered: tuple[tuple[str, int], ...]

    @property
    def candidates(self) -> int:
        """How many entities are looked at."""
        return self.total if self.ids is None else len(self.ids)

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain data."""
        return {
            "finds": self.finds, "index": self.index, "candidates": self.candidates, "total": self.total,
            "filter": self.filter, "considered": [{"index": name, "ids": count} for name, count in self.considered],
        }  # fmt: skip

    def explain(self) -> list[str]:
        """The plan in plain lines."""
        lines = [
            f"finds {self.finds}: looks at {self.candidates} of {self.total}",
            f"index: {self.index}",
            f"filter: {self.filter or 'none: everything fits'}",
        ]
        return lines + [f"considered: {name}, {count} ids" for name, count in self.considered]


def plan(scope: Scope) -> Plan:
    """Choose the index for a query held against a picture."""
    total = len(scope.picture.edges if scope.of_edges else scope.picture.nodes)
    best: Option | None = None
    considered: list[Option] = []
    for option in _options(scope, total):
        considered.append(option)
        if best is None or len(option.ids) < len(best.ids):
            best = option
        if len(best.ids) <= FEW:
            break
    if best is not None and len(best.ids) >= total:
        best = None
    return Plan(
        finds="edges" if scope.of_edges else "nodes",
        index="full scan" if best is None else best.name,
        ids=None if best is None else best.ids,
        total=total,
        filter=_filter(scope),
        considered=tuple((option.name, len(option.ids)) for option in considered if option is not best),
    )


def _options(scope: Scope, total: int) -> Iterator[Option]:
    """What the indices answer, the quickest to ask first."""
    picture, query = scope.picture, scope.query
    if scope.nothing:
        yield Option("nothing: a name is not there", ())
    if scope.reached is not None:
        yield Option(f"walk of {query.depth} from {quoted(query.of or '')}", scope.reached)
    if query.where is not None:
        found = _Lookup(picture, of_edges=scope.of_edges).option(query.where)
        if found is not None:
            yield found
    for option in _on_nodes(scope):
        if not scope.of_edges:
            yield option
        elif len(option.ids) < total // 4:  # else gathering their edges costs as much as a look at all
            yield Option(f"edges of {option.name}", _joined(picture, option.ids))
    if scope.since is not None:
        since = _clamped(scope.since, -TS_MAX, TS_MAX)
        yield Option("time", picture.edges_since(since) if scope.of_edges else picture.nodes_since(since))


def _on_nodes(scope: Scope) -> Iterator[Option]:
    picture = scope.picture
    for near in scope.circles:
        name = f"place: {number(near.radius_m)} m around [{number(near.lat)}, {number(near.lon)}]"
        yield Option(name, picture.nodes_near(near.lat, near.lon, near.radius_m))
    for band in scope.query.bands:
        yield Option(
            f"frequency: {number(band.low)} to {number(band.high)} MHz", _band(picture, band.low, band.high)
        )
    for box in scope.boxes:
        yield Option(f"place: box [{', '.join(map(number, box))}]", picture.nodes_in_box(box))


def _joined(picture: Picture, node_ids: Iterable[str]) -> Collection[str]:
    return set(chain.from_iterable(map(picture.memberships, node_ids)))


def _band(picture: Picture, low: float, high: float) -> Collection[str]:
    low, high = max(low, 0.0), min(high, MHZ_MAX)
    return picture.nodes_in_band(low, high) if low <= high else ()


def _clamped(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def _union(answers: list[Collection[str]]) -> Collection[str]:
    return answers[0] if len(answers) == 1 else set(chain.from_iterable(answers))


def _filter(scope: Scope) -> str:
    """The conditions each candidate is held against, in the language's own words."""
    query = scope.query
    parts = [] if query.where is None else [spell(query.where)]
    parts += [f"within {number(near.radius_m)} m" for near in scope.circles]
    parts += ["in box"] * len(scope.boxes)
    parts += [f"frequency {number(band.low)} to {number(band.high)} MHz" for band in query.bands]
    parts += [f"in room {quoted(room)}" for room in query.rooms]
    parts += [] if scope.since is None else [f"seen since {number(scope.since)}"]
    parts += [] if scope.reached is None else ["reached"]
    return "; ".join(parts)


class _Lookup:
    """Options of a predicate: what an index can answer of its terms."""

    def __init__(self, picture: Picture, *, of_edges: bool) -> None:
        self._picture = picture
        self._of_edges = of_edges
        self._of_kind = picture.edges_of_kind if of_edges else picture.nodes_of_kind
        self._with_label = picture.edges_with_label if of_edges else picture.nodes_with_label

    def option(self, node: tree.Node) -> Option | None:
        """The best index for a predicate; null where none serves it."""
        match node:
            case tree.AllOf(terms):
                found = [option for term in terms if (option := self.option(term)) is not None]
                return min(found, key=lambda option: len(option.ids)) if found else None
            case tree.AnyOf(terms):
                return self._either([self.option(term) for term in terms])
            case tree.Compare("frequency", "=", float(exact)):
                return self._range("frequency", exact, exact)
            case tree.Compare(key, "=", value):
                return self._equal(key, (value,))
            case tree.OneOf(key, values):
                return self._equal(key, values)
            case tree.Contains("nodes" as key, str(value)):
                return self._equal(key, (value,))
            case tree.Between(key, float(low), float(high)):
                return self._range(key, low, high)
            case tree.Compare(key, ">" | ">=", float(low)):
                return self._range(key, low, float("inf"))
            case tree.Compare("frequency", "<" | "<=", float(high)):
                return self._range("frequency", 0.0, high)
            case _:
                return None

    def _either(self, found: list[Option | None]) -> Option | None:
        """The union; null where one of the terms needs a look at everything anyway."""
        options = [option for option in found if option is not None]
        if len(options) < len(found):
            return None
        return Option(" or ".join(option.name for option in options), _union([option.ids for option in options]))

    def _equal(self, key: str, values: tuple[tree.Value, ...]) -> Option | None:
        answers: list[Collection[str]] = []
        for value in values:
            answer = self._answer(key, value)
            if answer is None:
                return None
            answers.append(answer)
        head = key.partition(".")[0]
        name = {"kind": "kind", "id": "id", "nodes": "members"}.get(head, f"label {key.partition('.')[2]}")
        return Option(name, _union(answers))

    def _answer(self, key: str, value: tree.Value) -> Collection[str] | None:
        """Ids of at least those with `key = value`; null where no index knows."""
        head, _, name = key.partition(".")
        if head == "labels" and name and "." not in name:  # with more dots it may mean a value further in
            return self._label(name, value)
        if not isinstance(value, str):
            return None
        if key == "kind":
            return self._of_kind(value)
        if key == "id":
            return (value,)
        return self._picture.memberships(value) if key == "nodes" and self._of_edges else None

    def _label(self, name: str, value: tree.Value) -> Collection[str] | None:
        if name == "severity":  # compared by rank
            if not isinstance(value, str):
                return None
            severity = Severity.parse(value)
            return _union([self._with_label(name, severity.value), self._with_label(name, float(severity.rank))])
        if not isinstance(value, str):
            return self._with_label(name, value)
        try:  # a text that reads as a number also equals the number
            return _union([self._with_label(name, value), self._with_label(name, float(value))])
        except ValueError:
            return self._with_label(name, value)

    def _range(self, key: str, low: float, high: float) -> Option | None:
        if self._of_edges:
            since = _clamped(low, -TS_MAX, TS_MAX)
            return Option("time", self._picture.edges_since(since)) if key == "timestamp" else None
        if key == "updated_at":
            return Option("time", self._picture.nodes_since(_clamped(low, -TS_MAX, TS_MAX)))
        return Option("frequency", _band(self._picture, low, high)) if key == "frequency" else None
