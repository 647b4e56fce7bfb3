"""Grammar rules into trees and queries, one method a rule; what a rule alone cannot refuse is refused here.

Each refusal names the place of the word it is about, so that a search box can point at it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NoReturn, cast

import msgspec
from lark import Token, Transformer, v_args
from msgspec import Struct

from dsmil.errors import QueryError
from dsmil.events.enums import Severity
from dsmil.query import tree
from dsmil.query.clauses import DEFAULT_SHAPE, Band, Box, Moment, Query, Since, What, Within

LIST_MAX = 1000
"""Values of one IN list."""
CLAUSES_MAX = 64
"""Clauses of one query: each is looked at for every candidate."""
HOPS_MAX = 6
"""Steps of one walk: in six, most of a connected graph is reached."""
LIMIT_MAX = 10_000
"""Results of one query; more are read page by page."""
RADIUS_M_MAX = 1e8
AGO_S_MAX = 100 * 365.25 * 86_400
TS_MAX = 253_402_214_400.0
SEQUENCE_MAX = 2**63 - 1
"""Bounds within which a distance, a duration, a time (9999-12-31) and a number of an event still mean something."""

_METRES = {"m": 1.0, "km": 1000.0, "nm": 1852.0}
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_LAT_MAX, _LON_MAX = 90.0, 180.0


class _Clause(Struct, frozen=True):
    """Fields of the query that one clause sets; `at` is where it stands, for those that may be given once."""

    fields: dict[str, Any]
    at: Token | None = None


def _refuse(token: Token, cause: str, *, expected: tuple[str, ...] = (), hint: str = "") -> NoReturn:
    line, column = token.line or 1, token.column or 1
    raise QueryError(
        f"read query at line {line}, column {column}: {cause}",
        line=line, column=column, expected=expected, hint=hint,
    ) from None  # fmt: skip


def _text(token: Token) -> str:
    try:
        return str(msgspec.json.decode(str(token)))
    except (msgspec.MsgspecError, UnicodeError):  # the latter: half of a surrogate pair
        _refuse(token, f"unknown escape in {str(token)!a}", hint=r"escapes are those of JSON: \" \\ \n \u0041")


def _check_severity(key: Token, *values: tree.Value) -> None:
    """A severity must be one of the four words, or the comparison could never be true."""
    if str(key).rsplit(".", 1)[-1] != "severity":
        return
    for value in values:
        try:
            Severity.parse(value) if isinstance(value, str) else None
        except ValueError as error:
            _refuse(key, str(error), expected=tuple(Severity))


def _bounded(token: Token, low: float, high: float) -> float:
    value = float(token)
    if not low <= value <= high:
        _refuse(token, f"{token} is not within {low:g} to {high:g}")
    return value


def _whole(token: Token, low: int, high: int) -> int:
    if len(token) > len(str(high)) or not low <= int(token) <= high:
        _refuse(token, f"{token[:20]} is not within {low} to {high}")
    return int(token)


def _place(lat: Token, lon: Token) -> tuple[float, float]:
    return _bounded(lat, -_LAT_MAX, _LAT_MAX), _bounded(lon, -_LON_MAX, _LON_MAX)


def _measured(token: Token, units: dict[str, float], most: float) -> float:
    """`5km` as metres, `10m` as seconds."""
    plain = token.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    value = float(plain) * units[token[len(plain) :].lower()]
    if value > most:
        _refuse(token, f"{token} is too much", hint=f"at most {most:g}")
    return value


def _time(token: Token) -> float:
    text = str(token).strip('"')
    try:
        if token.count('"') % 2:
            raise ValueError("a quote is open")
        moment = datetime.fromisoformat(text.upper())
        ts = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except ValueError as error:
        _refuse(token, f"{token} is no time: {error}", hint="such as 2026-03-01T12:00:00Z")
    if not 0 <= ts <= TS_MAX:
        _refuse(token, f"{token} is not within 1970 to 9999")
    return ts


@v_args(inline=True)
class Build(Transformer[Token, Any]):
    """Grammar rules into trees and queries. A query comes without its `text`: it may be too deep to spell."""

    def predicate(self, *terms: tree.Node) -> tree.Node:
        return terms[0] if len(terms) == 1 else tree.AllOf(terms)

    def any_of(self, *terms: tree.Node) -> tree.Node:
        return terms[0] if len(terms) == 1 else tree.AnyOf(terms)

    def all_of(self, *terms: tree.Node) -> tree.Node:
        return terms[0] if len(terms) == 1 else tree.AllOf(terms)

    def negate(self, term: tree.Node) -> tree.Node:
        return tree.Not(term)

    def group(self, term: tree.Node) -> tree.Node:
        return term

    def compare(self, key: Token, op: Token, value: tree.Value) -> tree.Node:
        _check_severity(key, value)
        return tree.Compare(str(key), str(op), value)

    def between(self, key: Token, low: tree.Value, high: tree.Value) -> tree.Node:
        _check_severity(key, low, high)
        return tree.Between(str(key), low, high)

    def contains(self, key: Token, value: tree.Value) -> tree.Node:
        return tree.Contains(str(key), value)

    def starts_with(self, key: Token, prefix: Token) -> tree.Node:
        return tree.StartsWith(str(key), _text(prefix))

    def one_of(self, key: Token, *values: tree.Value) -> tree.Node:
        if len(values) > LIST_MAX:
            _refuse(key, f"IN lists more than {LIST_MAX} values")
        _check_severity(key, *values)
        return tree.OneOf(str(key), values)

    def exists(self, key: Token) -> tree.Node:
        return tree.Exists(str(key))

    def text(self, token: Token) -> str:
        return _text(token)

    def number(self, token: Token) -> float:
        return float(token)

    def yes(self) -> bool:
        return True

    def no(self) -> bool:
        return False

    def query(self, *parts: Token | _Clause) -> Query:
        explain = isinstance(parts[0], Token)
        clauses = [part for part in parts if isinstance(part, _Clause)]
        if len(clauses) > CLAUSES_MAX:
            raise QueryError(f"read query: {len(clauses)} clauses exceed {CLAUSES_MAX}")
        return _assembled(clauses, explain=explain)

    def find(self, what: Token, *rest: dict[str, Any]) -> _Clause:
        word = cast("What", what.lower())
        fields: dict[str, Any] = {"find": word, "returns": DEFAULT_SHAPE[word]}
        for more in rest:
            fields |= more
        if word == "neighbors" and "of" not in fields:
            _refuse(
                what, "NEIGHBORS of what?", expected=('OF "id"',), hint='such as FIND NEIGHBORS OF "vessel:211"'
            )
        return _Clause(fields)

    def touching(self) -> dict[str, Any]:
        return {"any_member": True}

    def of(self, node: Token, depth: Token | None = None) -> dict[str, Any]:
        return {"of": _text(node), "depth": 1 if depth is None else _whole(depth, 1, HOPS_MAX)}

    def edges_any(self) -> _Clause:
        return _Clause({"any_member": True})

    def where(self, node: tree.Node) -> _Clause:
        return _Clause({"where": (node,)})

    def within_node(self, radius: Token, node: Token) -> _Clause:
        return _Clause({"within": (Within(_measured(radius, _METRES, RADIUS_M_MAX), node=_text(node)),)})

    def within_place(self, radius: Token, lat: Token, lon: Token) -> _Clause:
        radius_m = _measured(radius, _METRES, RADIUS_M_MAX)
        return _Clause({"within": (Within(radius_m, place=_place(lat, lon)),)})

    def box(self, *sides: Token) -> _Clause:
        return _Clause({"boxes": (Box(*_place(*sides[:2]), *_place(*sides[2:])),)})

    def room(self, room: Token) -> _Clause:
        return _Clause({"rooms": (_text(room),)})

    def band(self, low: Token, high: Token) -> _Clause:
        if float(low) > float(high):
            _refuse(low, f"FREQ {low} TO {high}: the lower bound comes first")
        return _Clause({"bands": (Band(float(low), float(high)),)})

    def since(self, word: Token, when: Token) -> _Clause:
        if when.type == "TIME":
            return _Clause({"since": Since(ts=_time(when))}, word)
        return _Clause({"since": Since(ago_s=_measured(when, _SECONDS, AGO_S_MAX))}, word)

    def as_of(self, word: Token, when: Token) -> _Clause:
        if when.type == "TIME":
            return _Clause({"as_of": Moment(ts=_time(when))}, word)
        return _Clause({"as_of": Moment(sequence=_whole(when, 0, SEQUENCE_MAX))}, word)

    def order_by(self, word: Token, key: Token, direction: Token | str = "ASC") -> _Clause:
        return _Clause({"order_by": str(key), "descending": direction.upper() == "DESC"}, word)

    def limit(self, word: Token, count: Token) -> _Clause:
        return _Clause({"limit": _whole(count, 1, LIMIT_MAX)}, word)

    def returns(self, word: Token, shape: Token) -> _Clause:
        return _Clause({"returns": shape.lower()}, word)


def _assembled(clauses: list[_Clause], *, explain: bool) -> Query:
    """One query of all clauses: those that may be repeated are gathered, the others may be given once."""
    fields: dict[str, Any] = {"explain": explain}
    wheres: tuple[tree.Node, ...] = ()
    given: set[str] = set()
    for clause in clauses:
        name = next(iter(clause.fields))
        if clause.at is not None:
            if name in given:
                _refuse(clause.at, f"{clause.at.upper()} is given twice")
            given.add(name)
        if name == "where":
            wheres += clause.fields["where"]
        elif name in ("within", "boxes", "rooms", "bands"):
            fields[name] = fields.get(name, ()) + clause.fields[name]
        else:
            fields |= clause.fields
    if wheres:
        fields["where"] = wheres[0] if len(wheres) == 1 else tree.AllOf(wheres)
    return Query(**fields)
